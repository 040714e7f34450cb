// Tools for models that know only text: what they are offered, what they called and what came of it
// become words of the conversation, in the form of contract/tool-text.ts. Pure.
//
// TP1. What never changes comes first: the offer stands before the caller's own system text, so that the
//      prefix of one client's requests stays in the model's cache.
// TP2. A result cannot end itself: its closing mark is taken out of it.

import type {
  CallerMessage,
  CompletionMessage,
  CompletionOptions,
  ToolOffer,
} from "@gantry/shared/contract/completions.ts";
import {
  CALL_CLOSE,
  CALL_OPEN,
  RESULT_CLOSE,
  RESULT_OPEN,
  writeCall,
} from "@gantry/shared/contract/tool-text.ts";

type Offers = Pick<CompletionOptions, "tools" | "toolChoice">;

/** The conversation as plain text messages. */
export function plainMessages(
  messages: readonly CallerMessage[],
  { tools, toolChoice }: Offers,
): CompletionMessage[] {
  const plain: CompletionMessage[] = [];
  const offer = tools === undefined || toolChoice === "none" ? "" : offerOf(tools, toolChoice);
  if (offer !== "") plain.push({ role: "system", content: offer });
  for (const message of messages) {
    const next = plainOf(message);
    const last = plain.at(-1);
    // Templates take one system text at the beginning, and no two turns of one side in a row.
    const isJoined = last !== undefined && last.role === next.role && isJoinable(message, last);
    if (isJoined)
      plain[plain.length - 1] = { ...last, content: `${last.content}\n${next.content}` };
    else plain.push(next);
  }
  return plain;
}

const isJoinable = ({ role }: CallerMessage, last: CompletionMessage): boolean =>
  role === "system" || (role === "tool" && last.content.endsWith(RESULT_CLOSE));

function plainOf({ role, content, toolCalls = [] }: CallerMessage): CompletionMessage {
  if (role === "tool") {
    const safe = content.replaceAll(RESULT_CLOSE, ""); // TP2
    return { role: "user", content: `${RESULT_OPEN}\n${safe}\n${RESULT_CLOSE}` };
  }
  const calls = toolCalls.map(({ name, arguments: text }) => writeCall(name, text));
  return { role, content: [content, ...calls].filter((text) => text !== "").join("\n") };
}

function offerOf(tools: readonly ToolOffer[], choice: CompletionOptions["toolChoice"]): string {
  const lines = tools.map(({ name, description, parameters }) =>
    JSON.stringify({ type: "function", function: { name, description, parameters } }),
  );
  const duty =
    choice === "required"
      ? "Answer with a call."
      : "Call one only where it helps; otherwise answer in words.";
  return [
    "You may call these functions, one JSON object a line:",
    "<tools>",
    ...lines,
    "</tools>",
    "A call is written like this, and nothing follows it but other calls:",
    CALL_OPEN,
    '{"name": FUNCTION, "arguments": OBJECT}',
    CALL_CLOSE,
    `What it gave comes back between ${RESULT_OPEN} and ${RESULT_CLOSE}. ${duty}`,
  ].join("\n");
}
