// gantry agent: a model that works towards a goal with tools, step by step before one's eyes.

import type { Client } from "@gantry/shared/client/client.ts";
import type { StepView, TurnView } from "@gantry/shared/contract/schemas/agents.ts";
import type { BodyOf } from "@gantry/shared/contract/schemas/table.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { settleConfirmation } from "../confirming.ts";
import { type Command, type Context, outLook, show, showLine, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { paint } from "../render/look.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";
import { argsOf } from "./jobs.ts";

const LOOK_EVERY_MS = 300;
const SHOWN_CHARS = 160;
const MODES = ["solo", "council", "debate", "pipeline"] as const;
const ENDED = new Set(["done", "failed", "cancelled"]);

export const agent: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [verb = "list"] = context.words;
  const id = (): string => wordAt(context, 1, "The turn's id");
  switch (verb) {
    case "run":
      return await run(context, client);
    case "list": {
      const query = { limit: intOption(context.options, "limit", { min: 1, max: 500 }) };
      const page = await client.agentTurns({ query, signal });
      return show(context, page, (look) =>
        renderTable(
          look,
          [
            { title: "ID", value: (row) => row.id },
            { title: "BY", value: (row) => row.by },
            { title: "MODE", value: (row) => row.mode },
            { title: "STATE", value: (row) => row.state },
            { title: "STEPS", value: (row) => String(row.steps.length), align: "right" },
            { title: "AT", value: (row) => formatTime(row.at) },
            { title: "GOAL", value: (row) => short(row.goal, 60) },
          ],
          page.turns,
          "No agent has worked yet.",
        ),
      );
    }
    case "show":
      return showTurn(context, await client.agentTurn({ id: id(), signal }));
    case "cancel":
      return showTurn(context, await client.agentCancelled({ id: id(), signal }));
    case "tools": {
      const reply = await client.tools({ signal });
      return show(context, reply, (look) =>
        renderTable(
          look,
          [
            { title: "TOOL", value: (row) => row.name },
            { title: "HAZARD", value: (row) => row.hazardClass },
            { title: "EFFECT", value: (row) => row.effect },
            { title: "WHAT IT DOES", value: (row) => cleanLine(row.description) },
          ],
          reply.tools,
          "There are no tools.",
        ),
      );
    }
    case "call":
      return await call(context, client);
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not one of its verbs`);
  }
};

const short = (text: string, chars = SHOWN_CHARS): string => {
  const line = cleanLine(text);
  return line.length <= chars ? line : `${line.slice(0, chars - 1)}…`;
};

const showTurn = (context: Context, turn: TurnView): void =>
  show(context, turn, () =>
    [...turn.steps.map((step) => line(context, step)), end(turn)].join("\n"),
  );

function wanted(context: Context): BodyOf<"agentStarted"> {
  const { options, words } = context;
  const goal = words.slice(1).join(" ");
  if (goal === "") throw badUsage(context.name, context.spec, "The goal is missing");
  const mode = textOption(options, "mode") ?? "solo";
  const known = MODES.find((name) => name === mode);
  if (known === undefined)
    throw badUsage(context.name, context.spec, `--mode is one of ${MODES.join(", ")}`);
  const model = textOption(options, "model");
  const tools = many(options["tool"]);
  const voices = many(options["voice"]).map((text) => {
    const [name = "", ...part] = text.split("=");
    return part.length === 0 ? { name } : { name, role: part.join("=") };
  });
  const steps = intOption(options, "steps", { min: 1, max: 64 });
  const tokens = intOption(options, "tokens", { min: 1, max: 10_000_000 });
  const timeS = intOption(options, "time", { min: 1, max: 3_600 });
  return {
    goal,
    mode: known,
    voices,
    ...(model === undefined ? {} : { model }),
    ...(tools.length === 0 ? {} : { tools }),
    budget: {
      ...(steps === undefined ? {} : { steps }),
      ...(tokens === undefined ? {} : { tokens }),
      ...(timeS === undefined ? {} : { timeS }),
    },
  };
}

const many = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];

async function run(context: Context, client: Client): Promise<number> {
  const { signal, clock, stderr, stdout } = context.world;
  const begun = await client.agentStarted({ body: wanted(context), signal });
  const { id } = begun;
  let turn = begun;
  let told = 0;
  let isAsked = false;
  for (;;) {
    const isSettled = ENDED.has(turn.state) || turn.state === "waiting";
    for (; told < turn.steps.length; told += 1) {
      const step = turn.steps[told];
      if (step === undefined || (step.state === "ready" && !isSettled)) break;
      if (context.isJson) showLine(context, { turn: id, step });
      else stdout.write(`${line(context, step)}\n`);
    }
    if (ENDED.has(turn.state)) break;
    if (turn.state !== "waiting") isAsked = false;
    const asked = turn.steps.at(-1)?.confirmation;
    if (turn.state === "waiting" && asked !== undefined && !isAsked) {
      isAsked = true;
      stderr.write(`A person must confirm: ${cleanLine(asked.summary)}\n`);
      stderr.write(`The phrase is: ${cleanLine(asked.phrase)}\n`);
      if (!(await settleConfirmation(context, client, asked))) return 0;
    }
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
    if (signal.aborted) {
      stderr.write(`No longer watching; the turn goes on: gantry agent show ${id}\n`);
      return 0;
    }
    turn = await client.agentTurn({ id, signal });
  }
  if (context.isJson) showLine(context, { turn });
  else stdout.write(`${end(turn)}\n`);
  return turn.state === "done" ? 0 : 1;
}

function line(context: Context, step: StepView): string {
  const look = outLook(context);
  const what =
    step.kind === "say"
      ? `${step.agent}: ${short(step.result ?? "")}`
      : `${cleanLine(step.tool ?? "")} ${short(JSON.stringify(step.arguments ?? {}))}`;
  const hue = step.state === "done" ? "green" : step.state === "waiting" ? "yellow" : "red";
  const result =
    step.kind === "say"
      ? ""
      : (step.error?.message ?? (step.result === undefined ? "" : short(step.result)));
  const doubt =
    step.suspicion === undefined ? "" : `\n    reads like an order: ${short(step.suspicion)}`;
  const tail = result === "" ? "" : `\n    ${cleanLine(result)}`;
  return `${step.n + 1}. ${what}  ${paint(look, hue, step.state)}${tail}${doubt}`;
}

function end({ state, answer, error, usage, tookMs, steps }: TurnView): string {
  const tokens = usage.promptTokens + usage.completionTokens;
  const cost = usage.costMicroUsd === 0 ? "" : `, $${(usage.costMicroUsd / 1e6).toFixed(6)}`;
  const facts = `${state}: ${steps.length} steps, ${tokens} tokens${cost}, ${(tookMs / 1_000).toFixed(1)} s`;
  const said = answer ?? error?.message ?? "";
  return said === "" ? facts : `${said.split("\n").map(cleanLine).join("\n")}\n${facts}`;
}

async function call(context: Context, client: Client): Promise<number> {
  const tool = wordAt(context, 1, "The tool's name");
  const { signal } = context.world;
  const body = { arguments: argsOf(context) };
  const reply = await client.toolCalled({ tool, body, signal });
  const { confirmation } = reply;
  if (confirmation !== undefined && !context.isJson) {
    context.world.stderr.write(`A person must confirm: ${cleanLine(confirmation.summary)}\n`);
    context.world.stderr.write(`The phrase is: ${cleanLine(confirmation.phrase)}\n`);
    await settleConfirmation(context, client, confirmation);
    return 0;
  }
  show(context, reply, () => JSON.stringify(reply.result ?? reply.error, undefined, 2));
  return reply.error === undefined ? 0 : 1;
}
