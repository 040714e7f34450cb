// What may stand behind a slash in `gantry chat`. One table: help, completion and work are of it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import { DATA_CLASSES } from "@gantry/shared/contract/route.ts";
import type { QueryReply, QueryRequest } from "@gantry/shared/contract/schemas/asking.ts";
import { renderRoute } from "./answering.ts";
import { giveWord } from "./confirming.ts";
import { type Context, outLook } from "./context.ts";
import { paint } from "./render/look.ts";
import { renderMarkdown } from "./render/markdown.ts";
import { type Column, renderTable } from "./render/table.ts";
import { cleanLine } from "./render/text.ts";
import { formatTime } from "./render/units.ts";
import { writeTextFile } from "./text-file.ts";

export interface Chat {
  readonly context: Context;
  readonly client: Client;
  readonly signal: AbortSignal;
  /** Kept from line to line. */
  readonly state: ChatState;
}

export interface ChatState {
  conversation: string | undefined;
  /** Go with each question. */
  terms: Pick<QueryRequest, "model" | "provider" | "verbosity" | "dataClass" | "toolMode">;
  /** Show the route of every answer. */
  isTracing: boolean;
  last: QueryReply | undefined;
}

interface SlashCommand {
  readonly usage: string;
  readonly help: string;
  /** First words that complete. */
  readonly words?: readonly string[];
  /** What is said of it. */
  readonly run: (chat: Chat, words: readonly string[]) => Promise<string> | string;
}

const auto = (word: string): string | undefined => (word === "auto" ? undefined : word);

/** Sets one term, or says what it is. */
const term =
  <K extends keyof ChatState["terms"]>(
    key: K,
    read: (word: string) => ChatState["terms"][K] | undefined,
  ): SlashCommand["run"] =>
  ({ state }, [word]) => {
    if (word !== undefined) {
      const { [key]: _, ...others } = state.terms;
      const value = read(word);
      state.terms = value === undefined ? others : { ...others, [key]: value };
    }
    return `${key}: ${cleanLine(String(state.terms[key] ?? "auto"))}`;
  };

function oneOf<const W extends string>(word: string, ...words: readonly W[]): W {
  const known = words.find((one) => one === word);
  if (known === undefined)
    throw new GantryError("bad_request", `"${word}" is none of ${words.join(", ")}`);
  return known;
}

export const SLASH_COMMANDS: Readonly<Record<string, SlashCommand>> = {
  "/help": { usage: "", help: "this list", run: () => helpText() },
  "/new": {
    usage: "",
    help: "begin a new conversation",
    run({ state }) {
      state.conversation = undefined;
      return "A new conversation begins.";
    },
  },
  "/clear": {
    usage: "",
    help: "the same, with a clear screen",
    run({ state, context }) {
      state.conversation = undefined;
      const { isRich } = outLook(context);
      return `${isRich ? "\u001b[2J\u001b[H" : ""}A new conversation begins.`;
    },
  },
  "/model": {
    usage: "[NAME | auto]",
    help: "which model answers; alone: which there are",
    words: ["auto"],
    async run(chat, words) {
      const told = await term("model", auto)(chat, words);
      return words.length > 0 ? told : `${await modelList(chat)}\n${told}`;
    },
  },
  "/provider": {
    usage: "[NAME | local | auto]",
    help: "who answers: this house or a cloud provider; alone: which there are",
    words: ["local", "auto"],
    async run(chat, words) {
      const told = await term("provider", auto)(chat, words);
      return words.length > 0 ? told : `${await providerList(chat)}\n${told}`;
    },
  },
  "/class": {
    usage: "[local-only | may-leave | auto]",
    help: "whether questions may leave this house",
    words: [...DATA_CLASSES, "auto"],
    run: term("dataClass", (word) => (word === "auto" ? undefined : oneOf(word, ...DATA_CLASSES))),
  },
  "/verbosity": {
    usage: "[1-5 | auto]",
    help: "1: the bare answer, 5: everything",
    words: ["1", "2", "3", "4", "5", "auto"],
    run: term("verbosity", (word) =>
      word === "auto" ? undefined : Number(oneOf(word, "1", "2", "3", "4", "5")),
    ),
  },
  "/tools": {
    usage: "[on | off | auto]",
    help: "off: words only talk and start nothing",
    words: ["on", "off", "auto"],
    run: term("toolMode", (word) => oneOf(word, "on", "off", "auto")),
  },
  "/trace": {
    usage: "[on | off]",
    help: "why the last answer came this way; on: for each one",
    words: ["on", "off"],
    run({ state, context }, [word]) {
      if (word !== undefined) {
        state.isTracing = oneOf(word, "on", "off") === "on";
        return `trace: ${word}`;
      }
      if (state.last === undefined) return "Nothing was answered yet.";
      return renderRoute(outLook(context), state.last);
    },
  },
  "/council": {
    usage: "QUESTION",
    help: "several voices answer, and one sums up",
    run: council,
  },
  "/memory": {
    usage: "[WORDS]",
    help: "what is remembered of you, or of it what is like these words",
    run: memory,
  },
  "/devices": { usage: "", help: "printers and what they do", run: devices },
  "/budget": { usage: "", help: "money for cloud providers", run: budgetList },
  "/history": { usage: "", help: "what was said in this conversation", run: history },
  "/conversations": {
    usage: "[ID]",
    help: "list them, or go on with one",
    async run(chat, [id]) {
      if (id === undefined) return conversations(chat);
      chat.state.conversation = id;
      return `Going on with ${cleanLine(id)}.`;
    },
  },
  "/save": { usage: "FILE", help: "this conversation as Markdown", run: save },
  "/confirm": {
    usage: "PHRASE",
    help: "give the word (or just type the phrase)",
    async run(chat, words) {
      await giveWord(chat.context, chat.client, await pendingOf(chat), words.join(" "));
      return "";
    },
  },
  "/cancel": {
    usage: "",
    help: "withdraw what waits for a word",
    async run(chat) {
      await chat.client.confirmationCancelled({ id: await pendingOf(chat), signal: chat.signal });
      return "Withdrawn.";
    },
  },
  "/stop": { usage: "[PRINTER]", help: "EMERGENCY STOP", run: stop },
  "/exit": { usage: "", help: "leave (or Ctrl-D, or Ctrl-C twice)", run: () => "" },
};

function helpText(): string {
  const rows = Object.entries(SLASH_COMMANDS).map(([name, { usage, help }]) => ({
    left: `${name} ${usage}`.trimEnd(),
    help,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return [
    ...rows.map(({ left, help }) => `${left.padEnd(width)}  ${help}`),
    String.raw`A line that ends in \ goes on; """ begins and ends a text of several lines.`,
    "Ctrl-C stops the answer; between answers it leaves. Tab completes.",
  ].join("\n");
}

/** Of the beginning of a line, as readline wants it. */
export function completeLine(line: string): [string[], string] {
  const [command = "", word, ...more] = line.split(" ");
  if (!line.startsWith("/") || more.length > 0) return [[], line];
  if (word === undefined) {
    const fitting = Object.keys(SLASH_COMMANDS).filter((name) => name.startsWith(command));
    return [fitting.map((name) => `${name} `), line];
  }
  const words = SLASH_COMMANDS[command]?.words ?? [];
  return [words.filter((one) => one.startsWith(word)), word];
}

/** Throws what the command failed with. */
export async function obey(chat: Chat, line: string): Promise<void> {
  const [name = "", ...words] = line.trim().split(/\s+/);
  const say = (text: string): void => {
    if (text !== "") chat.context.world.stdout.write(`${text}\n`);
  };
  const command = Object.hasOwn(SLASH_COMMANDS, name) ? SLASH_COMMANDS[name] : undefined;
  if (command === undefined) return say(`There is no ${cleanLine(name)} here: /help`);
  say(await command.run(chat, words));
}

// ── what they do ────────────────────────────────────────────────────────────────────────────────

const table = <Row>(
  { context }: Chat,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  whenEmpty: string,
): string => renderTable(outLook(context), columns, rows, whenEmpty);

async function modelList(chat: Chat): Promise<string> {
  const { machines } = await chat.client.modelMachines({ signal: chat.signal });
  const rows = machines.flatMap(({ name: machine, models }) =>
    models.map((model) => ({ machine, ...model })),
  );
  return table(
    chat,
    [
      { title: "MODEL", value: (row) => row.name },
      { title: "MACHINE", value: (row) => row.machine },
      { title: "STATE", value: (row) => row.state },
      {
        title: "TOKENS/S",
        value: (row) => (row.tokensPerS === undefined ? "" : row.tokensPerS.toFixed(1)),
        align: "right",
      },
    ],
    rows,
    "No machine has told of a model.",
  );
}

async function providerList(chat: Chat): Promise<string> {
  const { providers, defaultClass } = await chat.client.providers({ signal: chat.signal });
  const rows = providers.flatMap(({ name, isUp, hasKey, models }) =>
    models.map((model) => ({ provider: name, isUp, hasKey, ...model })),
  );
  const list = table(
    chat,
    [
      { title: "PROVIDER", value: (row) => row.provider },
      { title: "MODEL", value: (row) => row.name },
      { title: "IN $/M", value: (row) => String(row.inputUsdPerMillion), align: "right" },
      { title: "OUT $/M", value: (row) => String(row.outputUsdPerMillion), align: "right" },
      {
        title: "STATE",
        value: (row) => (!row.hasKey ? "no key" : row.isUp ? "ready" : "left alone for now"),
      },
    ],
    rows,
    "No provider is configured.",
  );
  return `${list}\nQuestions that say nothing are ${defaultClass}.`;
}

async function budgetList(chat: Chat): Promise<string> {
  const { budgets } = await chat.client.budgets({ signal: chat.signal });
  return table(
    chat,
    [
      { title: "BUDGET", value: (row) => row.id },
      { title: "PERIOD", value: (row) => row.period },
      { title: "SPENT $", value: (row) => row.spentUsd.toFixed(4), align: "right" },
      { title: "RESERVED $", value: (row) => row.reservedUsd.toFixed(4), align: "right" },
      { title: "OF $", value: (row) => row.maxUsd.toFixed(2), align: "right" },
    ],
    budgets.flatMap(({ id, use }) => use.map((each) => ({ id, ...each }))),
    "No budget is set: no provider is asked.",
  );
}

async function devices(chat: Chat): Promise<string> {
  const reply = await chat.client.devices({ signal: chat.signal });
  return table(
    chat,
    [
      { title: "PRINTER", value: (row) => row.id },
      { title: "STATE", value: (row) => (row.online ? row.phase : "offline") },
      { title: "MACHINE", value: (row) => row.machine },
    ],
    reply.devices,
    "There is no printer yet.",
  );
}

/** All of it, or what is like these words. */
async function memory(chat: Chat, words: readonly string[]): Promise<string> {
  const { client, signal } = chat;
  const { memories } =
    words.length === 0
      ? await client.memories({ signal })
      : await client.memorySearched({ query: { q: words.join(" ") }, signal });
  return table(
    chat,
    [
      { title: "ID", value: (row) => row.id },
      { title: "REMEMBERED", value: (row) => row.text },
    ],
    memories,
    words.length === 0 ? "Nothing is remembered of you." : "Nothing was found.",
  );
}

async function council(
  { context, client, signal, state }: Chat,
  words: readonly string[],
): Promise<string> {
  const goal = words.join(" ");
  if (goal === "") throw new GantryError("bad_request", "/council needs a question");
  const { model } = state.terms;
  const turn = await client.agentStarted({
    body: { goal, mode: "council", wait: true, ...(model === undefined ? {} : { model }) },
    signal,
  });
  const look = outLook(context);
  const said = turn.steps.flatMap(({ agent, result, error }) => {
    const text = result ?? error?.message;
    return text === undefined
      ? []
      : [`${paint(look, "bold", cleanLine(agent))}: ${renderMarkdown(look, text).trimEnd()}`];
  });
  const end = turn.answer ?? turn.error?.message ?? `It is ${turn.state}.`;
  return [...said, paint(look, "bold", "Together:"), renderMarkdown(look, end).trimEnd()].join(
    "\n",
  );
}

async function stop({ client, signal }: Chat, [printer]: readonly string[]): Promise<string> {
  const stopped = await client.stop({ body: printer === undefined ? {} : { printer }, signal });
  const missed = stopped.unreachable.map((id) => `NOT REACHED: ${id}`);
  return cleanLine([`Stopped: ${stopped.stopped.join(", ") || "none"}`, ...missed].join(". "));
}

/** The confirmation that this conversation waits for. Throws not_found. */
async function pendingOf({ client, state, signal }: Chat): Promise<string> {
  if (state.conversation === undefined) {
    throw new GantryError("not_found", "This conversation has not begun: nothing waits for a word");
  }
  return (await client.confirmation({ id: state.conversation, signal })).id;
}

async function history({ context, client, state, signal }: Chat): Promise<string> {
  if (state.conversation === undefined) return "Nothing was said yet.";
  const { messages } = await client.conversation({ id: state.conversation, signal });
  const look = outLook(context);
  return messages
    .map(({ role, text }) => `${paint(look, "dim", `${role}:`)} ${renderMarkdown(look, text)}`)
    .join("\n");
}

async function conversations(chat: Chat): Promise<string> {
  const { conversations: rows } = await chat.client.conversations({ signal: chat.signal });
  return table(
    chat,
    [
      { title: "ID", value: (row) => row.id },
      { title: "CHANGED", value: (row) => formatTime(row.changedAt) },
      { title: "TITLE", value: (row) => row.title },
    ],
    rows,
    "There are no conversations yet.",
  );
}

async function save(
  { client, state, signal, context }: Chat,
  [file]: readonly string[],
): Promise<string> {
  if (file === undefined) throw new GantryError("bad_request", "/save needs the name of a file");
  if (state.conversation === undefined) return "Nothing was said yet.";
  const { title, messages } = await client.conversation({
    id: state.conversation,
    query: { limit: 500 },
    signal,
  });
  const told = messages.map(({ role, text, error, routing, at }) => {
    const who = role === "user" ? "You" : `Gantry (${routing?.model ?? "no answer"})`;
    return `## ${who}, ${at}\n\n${error === undefined ? text : `*${error.message}*`}\n`;
  });
  const path = writeTextFile(context.world.cwd, file, `# ${title}\n\n${told.join("\n")}`);
  return `Saved ${messages.length} messages in ${cleanLine(path)}.`;
}
