// gantry chat: a conversation line by line. Ctrl-C stops the answer; between answers it ends the chat.

import { ERRORS, GantryError } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import { showAnswer } from "../answering.ts";
import { isOn, textOption } from "../args.ts";
import { type Command, type Context, outLook } from "../context.ts";
import { openClient } from "../opening.ts";
import { giveWord } from "../confirming.ts";
import { paint } from "../render/look.ts";
import { renderMarkdown } from "../render/markdown.ts";
import { renderTable } from "../render/table.ts";
import { clean, cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";
import { openMemory } from "../state.ts";

const HELP = `/new                  begin a new conversation
/history              what was said in this one
/conversations [ID]   list them, or go on with one
/confirm PHRASE       give the word (or just type the phrase)
/cancel               withdraw what waits for a word
/stop [PRINTER]       EMERGENCY STOP
/exit                 leave (or Ctrl-D)`;

interface Chat {
  readonly context: Context;
  readonly client: Client;
  readonly signal: AbortSignal;
  conversation: string | undefined;
}

export const chat: Command = async (context) => {
  const { world, options } = context;
  const client = openClient(context);
  const memory = openMemory(world.env);
  const remembered = isOn(options, "new") ? undefined : memory.lastConversation(client.baseUrl);
  let conversation = textOption(options, "conversation") ?? remembered;
  const lines = await world.openLines();
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
      const line = await lines.ask("you> ", left).catch(() => undefined);
      if (line === undefined || /^\/(exit|quit)\b/.test(line)) break;
      if (line.trim() === "") continue;
      answer = new AbortController();
      const signal = AbortSignal.any([answer.signal, world.signal]);
      const state: Chat = { context, client, signal, conversation };
      await takeTurn(state, line);
      answer = undefined;
      conversation = state.conversation;
      if (conversation !== undefined) memory.remember(client.baseUrl, conversation);
    }
  } finally {
    lines.close();
  }
};

/** One line of the person. What goes wrong is said, and the chat goes on. */
async function takeTurn(state: Chat, line: string): Promise<void> {
  const { context, client } = state;
  try {
    if (line.startsWith("/")) {
      const [command, ...words] = line.trim().split(/\s+/);
      await obey(state, command ?? "", words);
      return;
    }
    const conversation = state.conversation;
    const question =
      conversation === undefined
        ? { prompt: line }
        : { prompt: line, conversationId: conversation };
    const reply = await showAnswer(context, client, question, state.signal);
    state.conversation = reply.conversationId;
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    const { hint } = ERRORS[error.code];
    context.world.stderr.write(`\n${clean(error.message)}\n  ${hint}\n`);
  }
}

async function obey(state: Chat, command: string, words: readonly string[]): Promise<void> {
  const { context, client, signal } = state;
  const say = (text: string): void => context.world.stdout.write(`${text}\n`);
  const [word] = words;
  switch (command) {
    case "/help":
      return say(HELP);
    case "/new":
      state.conversation = undefined;
      return say("A new conversation begins.");
    case "/history":
      return say(await history(state));
    case "/conversations":
      if (word !== undefined) state.conversation = word;
      return say(
        word === undefined ? await conversations(state) : `Going on with ${cleanLine(word)}.`,
      );
    case "/confirm":
      await giveWord(context, client, await pendingOf(state), words.join(" "));
      return;
    case "/cancel":
      await client.confirmationCancelled({ id: await pendingOf(state), signal });
      return say("Withdrawn.");
    case "/stop": {
      const stopped = await client.stop({
        body: word === undefined ? {} : { printer: word },
        signal,
      });
      const missed = stopped.unreachable.map((id) => `NOT REACHED: ${id}`);
      return say(
        cleanLine([`Stopped: ${stopped.stopped.join(", ") || "none"}`, ...missed].join(". ")),
      );
    }
    default:
      return say(`There is no ${cleanLine(command)} here.\n${HELP}`);
  }
}

/** The confirmation that this conversation waits for. Throws not_found. */
async function pendingOf({ client, conversation, signal }: Chat): Promise<string> {
  if (conversation === undefined) {
    throw new GantryError("not_found", "This conversation has not begun: nothing waits for a word");
  }
  return (await client.confirmation({ id: conversation, signal })).id;
}

async function history({ context, client, conversation, signal }: Chat): Promise<string> {
  if (conversation === undefined) return "Nothing was said yet.";
  const { messages } = await client.conversation({ id: conversation, signal });
  const look = outLook(context);
  return messages
    .map(({ role, text }) => `${paint(look, "dim", `${role}:`)} ${renderMarkdown(look, text)}`)
    .join("\n");
}

async function conversations({ context, client, signal }: Chat): Promise<string> {
  const { conversations: rows } = await client.conversations({ signal });
  return renderTable(
    outLook(context),
    [
      { title: "ID", value: (row) => row.id },
      { title: "CHANGED", value: (row) => formatTime(row.changedAt) },
      { title: "TITLE", value: (row) => row.title },
    ],
    rows,
    "There are no conversations yet.",
  );
}
