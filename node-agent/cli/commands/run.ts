// gantry run: runs of workflows.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import { REPLAY_MODES, RUN_PHASES, type RunBudget } from "@gantry/shared/contract/run-rows.ts";
import type { ReplyOf } from "@gantry/shared/contract/schemas/table.ts";
import type { RunSummary, RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { badUsage, intOption, isOn, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { isFile, readJson, readJsonFile } from "../json-file.ts";
import { openClient } from "../opening.ts";
import { renderComparison } from "../render/comparison.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { clean, cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";
import { exitOfRun, followRun } from "../run-follow.ts";

export const run: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const id = (): string => wordAt(context, 1, "The run's id");
  const accepted = (reply: { run: { id: string; state: string } }): void =>
    show(context, reply, () => `${reply.run.id} is ${reply.run.state}`);
  const verb = wordAt(context, 0, "What to do");
  switch (verb) {
    case "start":
      return await start(context, client);
    case "list":
      return await list(context, client);
    case "show": {
      const view = await client.run({ id: id(), signal });
      return show(context, view, (look) => describe(look, view));
    }
    case "result": {
      const result = await client.runResult({ id: id(), query: { limit: 500 }, signal });
      return show(context, result, (look) => describeResult(look, result));
    }
    case "cancel": {
      const reason = textOption(context.options, "reason") ?? "";
      return accepted(await client.runCancelled({ id: id(), body: { reason }, signal }));
    }
    case "restore":
      return accepted(await client.runRestored({ id: id(), signal }));
    case "pause":
      return accepted(await client.runPaused({ id: id(), signal }));
    case "resume":
      return accepted(await client.runResumed({ id: id(), signal }));
    case "retry": {
      const node = textOption(context.options, "node");
      const body = node === undefined ? {} : { node };
      return accepted(await client.runRetried({ id: id(), body, signal }));
    }
    case "resolve": {
      const place = wordAt(context, 2, "The place");
      const outcome = oneOf(context, wordAt(context, 3, "What became of it"), [
        "done",
        "failed",
        "again",
      ] as const);
      const body = { place, outcome, reason: reasonOf(context) };
      return accepted(await client.runResolved({ id: id(), body, signal }));
    }
    case "replay": {
      const mode = oneOf(context, textOption(context.options, "mode") ?? "freeze", REPLAY_MODES);
      const from = textOption(context.options, "from");
      const at = intOption(context.options, "at", { min: 0, max: Number.MAX_SAFE_INTEGER });
      const body = {
        mode,
        ...(from === undefined ? {} : { from }),
        ...(at === undefined ? {} : { at }),
      };
      return accepted(await client.runReplayed({ id: id(), body, signal }));
    }
    case "compare": {
      const query = { with: wordAt(context, 2, "The other run's id") };
      const view = await client.runCompared({ id: id(), query, signal });
      return show(context, view, (look) => renderComparison(look, view));
    }
    case "patch": {
      const operations = readJsonFile(context, wordAt(context, 2, "The file with the operations"));
      if (!Array.isArray(operations))
        throw new GantryError("bad_request", "The file has no list of operations");
      const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
      const ifRevision = intOption(context.options, "if-revision", range);
      const reply = await client.runPatched({
        id: id(),
        body: { operations, reason: reasonOf(context) },
        ...(ifRevision === undefined ? {} : { ifRevision }),
        signal,
      });
      return show(context, reply, () => saysPatched(reply));
    }
    case "patches": {
      const reply = await client.runPatches({ id: id(), signal });
      return show(context, reply, (look) =>
        renderTable(
          look,
          [
            { title: "N", value: (row) => String(row.number), align: "right" },
            { title: "BY", value: (row) => row.by },
            { title: "AT", value: (row) => formatTime(row.at) },
            { title: "OPERATIONS", value: (row) => String(row.operations.length), align: "right" },
            {
              title: "NOTE",
              value: (row) => (row.reverts === undefined ? "" : `takes back ${row.reverts}`),
            },
            { title: "REASON", value: (row) => row.reason },
          ],
          reply.patches,
          "It has no patches.",
        ),
      );
    }
    case "revert": {
      const patch = Number(wordAt(context, 2, "The patch's number"));
      const body = { patch, reason: reasonOf(context) };
      const reply = await client.runPatchReverted({ id: id(), body, signal });
      return show(context, reply, () => saysPatched(reply));
    }
    default:
      throw badUsage(context.name, context.spec, `There is no "run ${cleanLine(verb)}"`);
  }
};

const saysPatched = (reply: ReplyOf<"runPatched">): string =>
  reply.approval === undefined
    ? `${reply.run.id} has revision ${reply.revision}`
    : `It waits for a person: gantry approve ${reply.approval} approve|reject --reason TEXT`;

async function start(context: Context, client: Client): Promise<number | undefined> {
  const { signal } = context.world;
  const what = wordAt(context, 1, "The file or name of the workflow");
  const given = textOption(context.options, "inputs");
  const inputs = (given === undefined ? {} : readJson(context, given)) as Record<string, never>; // the hub checks it
  const source = isFile(context, what) ? { graph: graphIn(context, what) } : { workflow: what };
  const bounds = textOption(context.options, "budget");
  const budget = bounds === undefined ? {} : { budget: readJson(context, bounds) as RunBudget }; // the hub checks it
  const reply = await client.runStarted({ body: { ...source, inputs, ...budget }, signal });
  const { id } = reply.run;
  if (!isOn(context.options, "follow")) {
    show(context, reply, () => `${id} is ${reply.run.state}`);
    return undefined;
  }
  if (!context.isJson) context.world.stdout.write(`${id}\n`);
  const view = await followRun(context, client, id);
  if (view === undefined) return undefined;
  show(context, view, (look) => describe(look, view));
  return exitOfRun(view);
}

/** `{graph: ...}` as the hub gives workflows, or the graph itself. */
export function graphIn(context: Context, path: string): unknown {
  const given = readJsonFile(context, path);
  const isWrapped = typeof given === "object" && given !== null && "graph" in given;
  return isWrapped ? given.graph : given;
}

async function list(context: Context, client: Client): Promise<void> {
  const { options, world } = context;
  const state = textOption(options, "state");
  const workflow = textOption(options, "workflow");
  const after = textOption(options, "after");
  const by = textOption(options, "by");
  const endedFrom = timeOption(context, "ended-from");
  const endedTo = timeOption(context, "ended-to");
  const from = timeOption(context, "from");
  const to = timeOption(context, "to");
  const text = textOption(options, "text");
  const sort = textOption(options, "sort");
  const page = await client.runs({
    query: {
      limit: intOption(options, "limit", { min: 1, max: 500 }),
      ...(state === undefined ? {} : { state: oneOf(context, state, RUN_PHASES) }),
      ...(workflow === undefined ? {} : { workflow }),
      ...(by === undefined ? {} : { by }),
      ...(from === undefined ? {} : { from }),
      ...(endedFrom === undefined ? {} : { endedFrom }),
      ...(endedTo === undefined ? {} : { endedTo }),
      ...(to === undefined ? {} : { to }),
      ...(text === undefined ? {} : { text }),
      ...(sort === undefined ? {} : { sort: oneOf(context, sort, ["time", "cost"] as const) }),
      ...(after === undefined ? {} : { after }),
    },
    signal: world.signal,
  });
  show(context, page, (look) => {
    const rows = table(look, page.runs);
    return page.next === undefined ? rows : `${rows}\nmore: gantry run list --after ${page.next}`;
  });
}

/** A day is its beginning in UTC. */
function timeOption(
  context: Context,
  name: "from" | "to" | "ended-from" | "ended-to",
): string | undefined {
  const given = textOption(context.options, name);
  if (given === undefined) return undefined;
  const ms = Date.parse(given);
  if (Number.isNaN(ms))
    throw badUsage(context.name, context.spec, `--${name}: "${cleanLine(given)}" is no time`);
  return new Date(ms).toISOString();
}

const table = (look: Look, rows: readonly RunSummary[]): string =>
  renderTable(
    look,
    [
      { title: "RUN", value: (row) => row.id },
      { title: "STATE", value: (row) => row.state },
      { title: "WORKFLOW", value: (row) => row.workflow ?? row.version.slice(0, 12) },
      { title: "PATCHES", value: (row) => String(row.revision), align: "right" },
      { title: "MADE", value: (row) => formatTime(row.createdAt) },
      { title: "BY", value: (row) => row.by },
      { title: "ERROR", value: (row) => row.error?.message ?? "" },
    ],
    rows,
    "There are no such runs.",
  );

function describe(look: Look, view: RunView): string {
  const fault = view.error;
  const facts = renderFacts(look, [
    ["run", view.id],
    ["workflow", view.workflow],
    ["version", view.version],
    ["state", view.state],
    ["patches", view.revision === 0 ? undefined : String(view.revision)],
    ["by", view.by],
    ["made", formatTime(view.createdAt)],
    ["kept in", view.tier],
    ["cost", view.costUsd === undefined ? undefined : `${view.costUsd.toFixed(4)} USD`],
    ["ended", view.endedAt === undefined ? undefined : formatTime(view.endedAt)],
    [
      "error",
      fault === undefined ? undefined : `${fault.place ?? ""} ${fault.message} (${fault.code})`,
    ],
  ]);
  const nodes = renderTable(
    look,
    [
      { title: "NODE", value: (node) => node.place },
      { title: "TYPE", value: (node) => node.type },
      { title: "STATE", value: (node) => node.state },
      {
        title: "TRY",
        value: (node) => (node.attempt > 1 ? String(node.attempt) : ""),
        align: "right",
      },
      { title: "NOTE", value: (node) => noteOf(view, node) },
    ],
    view.nodes,
    "It has no nodes.",
  );
  if (view.result === undefined) return `${facts}\n\n${nodes}`;
  return `${facts}\n\n${nodes}\n\n${clean(JSON.stringify(view.result, null, 2))}`;
}

function describeResult(look: Look, result: ReplyOf<"runResult">): string {
  const agents = [...result.agentResults, ...result.synthesisResults];
  const facts = renderFacts(look, [
    ["run", result.taskId],
    ["state", result.status],
    ["took", `${result.executionTimeMs} ms`],
    ["tokens", `${result.totalPromptTokens} in, ${result.totalCompletionTokens} out`],
    ["cost", `${result.totalCostUsd.toFixed(4)} USD`],
  ]);
  const table = renderTable(
    look,
    [
      { title: "AGENT", value: (row) => cleanLine(row.title) },
      { title: "PLACE", value: (row) => row.place },
      { title: "STATE", value: (row) => row.status },
      { title: "MS", value: (row) => String(row.tookMs ?? ""), align: "right" },
      {
        title: "TOKENS",
        value: (row) => String(row.promptTokens + row.completionTokens),
        align: "right",
      },
    ],
    agents,
    "No agent has ended in it.",
  );
  const files = [...result.generatedDocuments, ...result.artifacts].map(
    ({ id, name }) => `${cleanLine(name)}: gantry documents download ${id}`,
  );
  const said = result.finalSynthesis;
  const text = typeof said === "string" ? said : JSON.stringify(said, null, 2);
  const parts = [facts, table, ...files, ...(said === undefined ? [] : [clean(text)])];
  return parts.join("\n\n");
}

function noteOf({ approvals }: RunView, node: RunView["nodes"][number]): string {
  const ticket = approvals[node.place];
  if (ticket !== undefined) return `gantry approve ${ticket} approve|reject --reason TEXT`;
  if (node.fault !== undefined) return `${node.fault.message} (${node.fault.code})`;
  if (node.dueAt !== undefined && node.state === "waiting")
    return `until ${formatTime(node.dueAt)}`;
  return node.take ?? "";
}

function reasonOf(context: Context): string {
  const reason = textOption(context.options, "reason");
  if (reason === undefined || reason === "")
    throw badUsage(context.name, context.spec, "--reason TEXT is missing");
  return reason;
}

function oneOf<T extends string>(context: Context, given: string, among: readonly T[]): T {
  const found = among.find((each) => each === given);
  if (found !== undefined) return found;
  const message = `"${cleanLine(given)}" is none of ${among.join(", ")}`;
  throw badUsage(context.name, context.spec, message);
}
