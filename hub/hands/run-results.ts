// What a run came to, as one value with its parts: agents, syntheses, the end, documents, artifacts.
//
// RR1. Agents come in pages: a result of a thousand agents is read and sent a page at a time, and what
//      is larger than LIMIT.runOutputBytes stays a blob that is named.
// RR2. What a place gave last counts: the try before it, and one before a retry by hand, is left out.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { ArtifactRow } from "@gantry/shared/contract/artifacts.ts";
import type {
  AgentResult,
  ArtifactView,
  RunResult,
} from "@gantry/shared/contract/schemas/artifacts.ts";
import type { TimelineItem } from "@gantry/shared/contract/run-rows.ts";
import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import { planOf } from "../ledger/domains/plans.ts";
import { numbersIn } from "../ledger/postings.ts";
import type { Rows, Tables } from "../ledger/rows.ts";
import { FREE_RUN } from "../ledger/domains/run-sums.ts";
import type { RecordedRow, RunRow } from "../ledger/run-row.ts";
import { type AgentPart, agentsIn, pathOf } from "../workflow/agents.ts";
import { nodesOf } from "../workflow/view.ts";

const FILES_MAX = 100;
const USD = 1_000_000;
const isoTime = (ms: number): string => new Date(ms).toISOString();

/** A run wherever its rows are: its row, and what is under `ID/PLACE` of a table. */
export interface RunSource {
  readonly row: RunRow;
  readonly get: <T extends "timeline" | "recorded">(
    table: T,
    place: string,
  ) => Tables[T] | undefined;
}

export interface ResultPage {
  /** Entries of the timeline that the page before has read. */
  readonly after: number;
  readonly limit: number;
}

export function resultOf(
  rows: Rows,
  source: RunSource,
  page: ResultPage,
  nowMs: number,
): RunResult {
  const { row } = source;
  const { state } = row;
  const plan = planOf(rows, state.graph);
  const parts = agentsIn(plan.graph);
  const { ended, next } =
    row.fidelity === "full" ? told(source, plan.graph, parts, page) : stood(rows, row, parts, page);
  const usage = row.usage ?? FREE_RUN;
  const files = filesOf(rows, row.id);
  return {
    taskId: row.id,
    title: row.workflow === "" ? row.id : row.workflow,
    status: state.state,
    agentResults: ended.filter(({ part }) => part === "agent").map(({ result }) => result),
    synthesisResults: ended.filter(({ part }) => part === "synthesis").map(({ result }) => result),
    ...(state.state === "done"
      ? { finalSynthesis: state.output as RunResult["finalSynthesis"] }
      : {}), // JSON, of the log
    executionTimeMs: (state.endedMs ?? nowMs) - state.startedMs,
    totalCostUsd: usage.costMicroUsd / USD,
    totalPromptTokens: usage.promptTokens,
    totalCompletionTokens: usage.completionTokens,
    metadata: {
      by: row.by,
      version: row.definition,
      revision: state.revision,
      startedAt: isoTime(state.startedMs),
      ...(state.endedMs === null ? {} : { endedAt: isoTime(state.endedMs) }),
      inputs: { ...state.inputs } as RunResult["metadata"]["inputs"], // JSON, of the log
      children: childrenOf(rows, row.id),
    },
    generatedDocuments: files.filter(({ kind }) => kind === "document"),
    artifacts: files.filter(({ kind }) => kind === "value"),
    ...(state.fault === null ? {} : { error: { ...state.fault } }),
    ...(next === undefined ? {} : { next: String(next) }),
  };
}

interface Ended {
  readonly part: AgentPart;
  readonly result: AgentResult;
}
interface Read {
  readonly ended: readonly Ended[];
  readonly next: number | undefined;
}

/** Of a run that keeps a timeline. */
function told(
  { row, get }: RunSource,
  graph: Graph,
  parts: ReadonlyMap<string, AgentPart>,
  { after, limit }: ResultPage,
): Read {
  const ended: Ended[] = [];
  let at = after;
  for (; at < row.entries && ended.length < limit && at - after < LIMIT.runLooks.max; at += 1) {
    const entry = get("timeline", String(at));
    for (const item of entry?.items ?? []) {
      const part = item.place === undefined ? undefined : parts.get(pathOf(item.place));
      if (entry === undefined || part === undefined || item.place === undefined) continue;
      const recorded = get("recorded", item.place);
      const result = resultAt(item, item.place, recorded, titleAt(graph, item.place), entry.atMs);
      if (result !== undefined) ended.push({ part, result });
    }
  }
  return { ended, next: at < row.entries ? at : undefined };
}

function resultAt(
  item: TimelineItem,
  place: string,
  recorded: RecordedRow | undefined,
  title: string,
  atMs: number,
): AgentResult | undefined {
  if (recorded === undefined || "votes" in recorded) return undefined;
  const isLast = recorded.attempt === undefined || recorded.attempt === item.attempt; // RR2
  const isThis = item.what === ("output" in recorded ? "finished" : "failed");
  if (!isLast || !isThis) return undefined;
  const base = { place, title, endedAt: isoTime(atMs), ...FREE };
  if ("fault" in recorded) return { ...base, status: "failed", error: { ...recorded.fault } };
  const { output, usage } = recorded;
  return {
    ...base,
    status: "done",
    output: output as AgentResult["output"], // JSON, of the log
    ...(usage === undefined
      ? {}
      : {
          promptTokens: usage.promptTokens,
          completionTokens: usage.completionTokens,
          costUsd: usage.costMicroUsd / USD,
          ...(usage.tookMs === undefined ? {} : { tookMs: usage.tookMs }),
        }),
  };
}
const FREE = { promptTokens: 0, completionTokens: 0, costUsd: 0 };

/** Of one that keeps none: what its places hold, without what each took. */
function stood(
  rows: Rows,
  row: RunRow,
  parts: ReadonlyMap<string, AgentPart>,
  { after, limit }: ResultPage,
): Read {
  const plan = planOf(rows, row.state.graph);
  const over = nodesOf(plan, row.state).filter(
    ({ type, state }) => type === "agent" && (state === "done" || state === "failed"),
  );
  const ended = over.slice(after, after + limit).map(({ place, state, output, fault }): Ended => ({
    part: parts.get(pathOf(place)) ?? "agent",
    result: {
      place,
      title: titleAt(plan.graph, place),
      status: state === "done" ? "done" : "failed",
      ...(state === "done" ? { output: output as AgentResult["output"] } : {}), // JSON, of the log
      ...(fault === undefined ? {} : { error: { ...fault } }),
      ...FREE,
    },
  }));
  return { ended, next: after + limit < over.length ? after + limit : undefined };
}

function titleAt(graph: Graph, place: string): string {
  let within: Graph | undefined = graph;
  let node: WorkflowNode | undefined;
  for (const id of pathOf(place).split("/")) {
    node = within !== undefined && Object.hasOwn(within.nodes, id) ? within.nodes[id] : undefined;
    within = node !== undefined && "body" in node && node.type !== "http" ? node.body : undefined;
  }
  return node?.title ?? place;
}

function childrenOf(rows: Rows, run: string): string[] {
  const list = `runs/below/${run}`;
  const count = Math.min(rows.get("count", list) ?? 0, FILES_MAX);
  return Array.from({ length: count }, (_, at) => rows.get("order", `${list}/${at}`) ?? "");
}

/** The newest first. */
function filesOf(rows: Rows, run: string): readonly ArtifactView[] {
  const numbers = numbersIn(rows, `artifacts/of/${run}`);
  const found: ArtifactView[] = [];
  for (let at = numbers.count - 1; at >= 0 && found.length < 2 * FILES_MAX; at -= 1) {
    const row = artifactAt(rows, numbers.at(at));
    if (row !== undefined) found.push(artifactView(row));
  }
  return found;
}

/** Undefined where it has left the list. */
export function artifactAt(rows: Rows, number: number): ArtifactRow | undefined {
  const id = rows.get("order", `artifacts/${number}`);
  const row = id === undefined ? undefined : rows.get("artifact", id);
  return row?.number === number ? row : undefined;
}

export const artifactView = (row: ArtifactRow): ArtifactView => ({
  id: row.id,
  kind: row.kind,
  name: row.name,
  mediaType: row.mediaType,
  by: row.by,
  ...(row.author === undefined ? {} : { author: row.author }),
  ...(row.run === undefined ? {} : { run: row.run }),
  ...(row.place === undefined ? {} : { place: row.place }),
  ...(row.workflow === undefined ? {} : { workflow: row.workflow }),
  at: isoTime(row.atMs),
  sizeBytes: row.sizeBytes,
  ...(row.words === undefined ? {} : { words: row.words }),
  ...(row.files === undefined ? {} : { files: { ...row.files } }),
});
