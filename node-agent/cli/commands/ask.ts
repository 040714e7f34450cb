// gantry ask: one question, one answer; `@provider:` and `#model:` in front of it are the hub's to read.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import { DATA_CLASSES } from "@gantry/shared/contract/route.ts";
import type { QueryReply, QueryRequest } from "@gantry/shared/contract/schemas/asking.ts";
import { renderRoute, showAnswer } from "../answering.ts";
import { badUsage, intOption, isOn, textOption } from "../args.ts";
import { settleConfirmation } from "../confirming.ts";
import { type Command, type Context } from "../context.ts";
import { openClient } from "../opening.ts";
import { lookOf } from "../render/look.ts";
import { openMemory } from "../state.ts";
import type { Input } from "../world.ts";

export const ask: Command = async (context) => {
  const { world, words } = context;
  const isPiped = words.length === 1 && words[0] === "-";
  const prompt = isPiped ? await readAll(world.stdin) : words.join(" ");
  if (prompt.trim() === "") throw new GantryError("bad_request", "The question is empty");
  const client = openClient(context);
  const reply = await askOnce(context, client, prompt);
  if (reply.confirmation !== undefined) {
    await settleConfirmation(context, client, reply.confirmation);
  }
};

/** Asks in the remembered conversation; when the hub no longer knows that one, in a new one. */
async function askOnce(context: Context, client: Client, prompt: string): Promise<QueryReply> {
  const { options, world } = context;
  const memory = openMemory(world.env);
  const named = textOption(options, "conversation");
  const remembered = isOn(options, "new") ? undefined : memory.lastConversation(client.baseUrl);
  const conversationId = named ?? remembered;
  const terms = termsOf(context);
  const question = {
    prompt,
    ...terms,
    ...(conversationId === undefined ? {} : { conversationId }),
  };
  let reply: QueryReply;
  try {
    reply = await showAnswer(context, client, question, world.signal);
  } catch (error) {
    if (named !== undefined || conversationId === undefined || !isForgotten(error)) throw error;
    reply = await showAnswer(context, client, { prompt, ...terms }, world.signal);
  }
  memory.remember(client.baseUrl, reply.conversationId);
  if (isOn(options, "trace") && !context.isJson)
    world.stderr.write(`${renderRoute(lookOf(world.stderr, world.env), reply)}\n`);
  return reply;
}

/** Throws bad_request for terms that are none. */
function termsOf(context: Context): Pick<QueryRequest, "dataClass" | "verbosity"> {
  const { options, name, spec } = context;
  const verbosity = intOption(options, "verbosity", { min: 1, max: 5 });
  const given = textOption(options, "class");
  const dataClass = DATA_CLASSES.find((one) => one === given);
  if (given !== undefined && dataClass === undefined)
    throw badUsage(name, spec, `--class takes ${DATA_CLASSES.join(" or ")}`);
  return {
    ...(dataClass === undefined ? {} : { dataClass }),
    ...(verbosity === undefined ? {} : { verbosity }),
  };
}

const isForgotten = (error: unknown): boolean =>
  error instanceof GantryError && (error.code === "not_found" || error.code === "gone");

/** Throws too_large for more than a prompt may have. */
async function readAll(input: Input): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of input) {
    text += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
    if (text.length > LIMIT.promptChars.max) {
      throw new GantryError(
        "too_large",
        `A question has at most ${LIMIT.promptChars.max} characters`,
      );
    }
  }
  return text + decoder.decode();
}
