// gantry chat: a conversation line by line. Ctrl-C stops the answer; between answers it ends the chat.

import { ERRORS, GantryError } from "@gantry/shared/base/errors.ts";
import { showAnswer, renderRoute } from "../answering.ts";
import { isOn, textOption } from "../args.ts";
import { type Chat, type ChatState, completeLine, obey } from "../chat-commands.ts";
import { type Command, type Context, outLook } from "../context.ts";
import { openClient } from "../opening.ts";
import { clean } from "../render/text.ts";
import { openMemory } from "../state.ts";
import { openTypedLines } from "../text-file.ts";
import type { LineReader } from "../world.ts";

const PROMPT = "you> ";
const MORE = "...> ";
/** Of one text; more than a prompt may have, so that the hub says what is too long. */
const LINES_MAX = 10_000;

export const chat: Command = async (context) => {
  const { world, options } = context;
  const client = openClient(context);
  const memory = openMemory(world.env);
  const typed = openTypedLines(world.env);
  const remembered = isOn(options, "new") ? undefined : memory.lastConversation(client.baseUrl);
  const state: ChatState = {
    conversation: textOption(options, "conversation") ?? remembered,
    terms: {},
    isTracing: false,
    last: undefined,
  };
  const lines = await world.openLines({
    history: typed.lines,
    complete: completeLine,
    onHistory: (all) => typed.keep(all),
  });
  let answer: AbortController | undefined;
  const leave = new AbortController();
  lines.onInterrupt(() => {
    const reason = new GantryError("cancelled", "Stopped");
    if (answer === undefined) leave.abort(reason);
    else answer.abort(reason);
  });
  const left = AbortSignal.any([leave.signal, world.signal]);
  if (world.stdin.isTty) world.stdout.write("/help lists what is possible here.\n");
  try {
    while (!left.aborted) {
      const text = await readText(lines, left).catch(() => undefined);
      if (text === undefined || /^\/(exit|quit)\b/.test(text)) break;
      if (text.trim() === "") continue;
      answer = new AbortController();
      const signal = AbortSignal.any([answer.signal, world.signal]);
      await takeTurn({ context, client, signal, state }, text);
      answer = undefined;
      if (state.conversation !== undefined) memory.remember(client.baseUrl, state.conversation);
    }
  } finally {
    lines.close();
  }
};

/** A line, or several: after a backslash at the end of one, and between lines of three quotes. */
async function readText(lines: LineReader, signal: AbortSignal): Promise<string | undefined> {
  const first = await lines.ask(PROMPT, signal);
  if (first === undefined) return undefined;
  const isBlock = first.trim() === '"""';
  const text = isBlock ? [] : [first];
  for (let count = 0; count < LINES_MAX; count += 1) {
    const last = text.at(-1);
    if (!isBlock && last?.endsWith("\\") !== true) break;
    if (!isBlock && last !== undefined) text[text.length - 1] = last.slice(0, -1);
    const next = await lines.ask(MORE, signal);
    if (next === undefined || (isBlock && next.trim() === '"""')) break;
    text.push(next);
  }
  return text.join("\n");
}

/** One text of the person. What goes wrong is said, and the chat goes on. */
async function takeTurn(turn: Chat, text: string): Promise<void> {
  const { context, client, state } = turn;
  try {
    if (text.startsWith("/")) {
      await obey(turn, text);
      return;
    }
    const conversation = state.conversation;
    const question = {
      prompt: text,
      ...state.terms,
      ...(conversation === undefined ? {} : { conversationId: conversation }),
    };
    const reply = await showAnswer(context, client, question, turn.signal);
    state.conversation = reply.conversationId;
    state.last = reply;
    if (state.isTracing) trace(context, state);
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    const { hint } = ERRORS[error.code];
    context.world.stderr.write(`\n${clean(error.message)}\n  ${hint}\n`);
  }
}

function trace(context: Context, { last }: ChatState): void {
  if (last === undefined) return;
  context.world.stderr.write(`${renderRoute(outLook(context), last)}\n`);
}
