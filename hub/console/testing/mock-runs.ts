// Test equipment: runs, approvals and queues that do not exist, in the shapes of contract/schemas.

import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import type { QueueView } from "@gantry/shared/contract/schemas/queues.ts";
import type { ApprovalView, RunSummary, RunView } from "@gantry/shared/contract/schemas/runs.ts";
import type { RunPatch, RunTimeline } from "../src/core/views.ts";
import { job } from "./mock-facts.ts";

type Node = RunView["nodes"][number];
type Entry = RunTimeline["entries"][number];

export interface EngineFacts {
  runs: RunView[];
  patches: Record<string, RunPatch[]>;
  timelines: Record<string, Entry[]>;
  approvals: ApprovalView[];
  queues: QueueView[];
  deadWork: JobView[];
  workflows: readonly string[];
}

const SHA = "4be1d7c0a9f2385e6c7d10b2a4f5968033c1e6f0a4d2b59c7e8841f6a0b3d7c2";
const at = (secondsAgo: number): string => new Date(Date.now() - secondsAgo * 1_000).toISOString();

export const node = (
  place: string,
  type: string,
  state: Node["state"],
  more: Partial<Node> = {},
) => ({
  place,
  type,
  state,
  attempt: state === "pending" || state === "skipped" ? 0 : 1,
  ...more,
});

export function run(id: string, workflow: string, members: Partial<RunView> = {}): RunView {
  return {
    id,
    workflow,
    version: SHA,
    state: "running",
    revision: 0,
    by: "mara",
    createdAt: at(192),
    changedAt: at(4),
    fidelity: "full",
    tier: "memory",
    inputs: {},
    nodes: [],
    edges: [],
    approvals: {},
    children: {},
    ...members,
  };
}

export function approval(id: string, members: Partial<ApprovalView> = {}): ApprovalView {
  return {
    id,
    run: "run_orders",
    place: "release",
    workflow: "nightly-orders",
    state: "open",
    question: "Send 12 quotes to customers?",
    roles: ["maker"],
    people: [],
    approvals: 1,
    votes: [],
    escalated: false,
    dueAt: at(-3_720),
    createdAt: at(95),
    ...members,
  };
}

export const queue = (name: string, members: Partial<QueueView> = {}): QueueView => ({
  name,
  isPaused: false,
  policy: {},
  ready: 0,
  parked: 0,
  delayed: 0,
  waiting: 0,
  leased: 0,
  dead: 0,
  lagMs: 0,
  ...members,
});

const fault = { code: "http_status", message: "https://erp.local/stock answered 503 three times" };

/** One node in each state; a map with items, and a node that a patch put in. */
export const orders = (): RunView =>
  run("run_orders", "nightly-orders", {
    revision: 2,
    inputs: { day: "2026-11-21", limit: 12 },
    nodes: [
      node("fetch-orders", "http", "done", { output: { status: 200, orders: 12 } }),
      node("read-stock", "http", "failed", { attempt: 3, fault }),
      node("stock-from-cache", "function", "done", { output: { age: "2 h" } }),
      node("quote-each", "map", "waiting"),
      node("quote-each[0]/slice", "task", "done"),
      node("quote-each[0]/price", "function", "done", { output: { total: 118.4 } }),
      node("quote-each[1]/slice", "task", "running"),
      node("quote-each[1]/price", "function", "pending"),
      node("quote-each[2]/slice", "task", "failed", {
        attempt: 2,
        fault: { code: "command_failed", message: "slice ended with exit code 2" },
      }),
      node("quote-each[2]/price", "function", "skipped"),
      node("is-rush", "branch", "done", { take: "rush" }),
      node("call-courier", "task", "unknown"),
      node("standard-post", "task", "skipped"),
      node("summary", "agent", "ready"),
      node("cool-down", "timer", "waiting", { dueAt: at(-252) }),
      node("release", "approval", "waiting", { dueAt: at(-3_720) }),
      node("send-quotes", "http", "pending"),
      node("notify-workshop", "http", "pending"),
      node("file", "artifact", "pending"),
    ],
    edges: [
      { from: "fetch-orders", to: "read-stock" },
      { from: "read-stock", to: "stock-from-cache", on: "failed" },
      { from: "stock-from-cache", to: "quote-each" },
      { from: "fetch-orders", to: "is-rush" },
      { from: "is-rush", to: "call-courier", on: "rush" },
      { from: "is-rush", to: "standard-post", on: "normal" },
      { from: "quote-each", to: "summary" },
      { from: "fetch-orders", to: "cool-down" },
      { from: "fetch-orders", to: "release" },
      { from: "quote-each", to: "send-quotes" },
      { from: "release", to: "send-quotes" },
      { from: "cool-down", to: "send-quotes" },
      { from: "call-courier", to: "notify-workshop" },
      { from: "send-quotes", to: "notify-workshop" },
      { from: "notify-workshop", to: "file" },
      { from: "summary", to: "file" },
    ],
    approvals: { release: "apr_release" },
  });

export function engine(): EngineFacts {
  const done = { state: "done" as const, createdAt: at(86_400), endedAt: at(86_391) };
  return {
    runs: [
      orders(),
      run("run_paused", "reprint-lids", {
        state: "paused",
        createdAt: at(2_400),
        nodes: [node("check", "function", "done"), node("print", "task", "ready")],
        edges: [{ from: "check", to: "print" }],
      }),
      run("run_failed", "nightly-orders", {
        state: "failed",
        createdAt: at(88_000),
        endedAt: at(87_930),
        error: { ...fault, place: "read-stock" },
        nodes: [
          node("fetch-orders", "http", "done", { output: { orders: 4 } }),
          node("read-stock", "http", "failed", { attempt: 3, fault }),
          node("send-quotes", "http", "pending"),
        ],
        edges: [
          { from: "fetch-orders", to: "read-stock" },
          { from: "read-stock", to: "send-quotes" },
        ],
      }),
      run("run_done", "filament-report", { ...done, result: { spools: 14, low: ["PETG black"] } }),
      run("run_cancelled", "nightly-orders", { ...done, state: "cancelled", by: "jon" }),
    ],
    patches: {
      run_orders: [
        {
          number: 1,
          by: "mara",
          reason: "The workshop wants to know when quotes are out",
          at: at(160),
          operations: [
            { op: "addNode", id: "notify-workshop", node: { type: "http" } },
            { op: "addEdge", edge: { from: "send-quotes", to: "notify-workshop" } },
            { op: "addEdge", edge: { from: "notify-workshop", to: "file" } },
          ],
        },
        {
          number: 2,
          by: "agent summary",
          reason: "Shorter answers are enough for the file",
          at: at(40),
          operations: [{ op: "replace", path: "/nodes/summary/maxTokens", value: 400 }],
          approvedBy: "jon",
        },
      ],
    },
    timelines: {
      run_orders: [
        { position: 70, at: at(192), by: "mara", items: [{ what: "started" }] },
        entry(71, 191, { what: "taken", place: "fetch-orders", attempt: 1 }),
        entry(72, 189.4, { what: "finished", place: "fetch-orders", attempt: 1 }),
        entry(73, 189, { what: "taken", place: "read-stock", attempt: 3 }),
        entry(74, 176, {
          what: "failed",
          place: "read-stock",
          attempt: 3,
          note: "http_status: 503",
        }),
        entry(75, 160, { what: "patched", note: "revision 1" }),
      ],
    },
    approvals: [
      approval("apr_release"),
      approval("apr_patch", {
        place: "(patch)",
        question: "Patch this run? Ask the courier twice (an agent adds a call to the outside)",
        roles: ["maker", "safety"],
        escalated: true,
        approvals: 2,
        votes: [{ by: "jon", approve: true, reason: "harmless", at: at(20) }],
        dueAt: at(-140),
        createdAt: at(2_000),
      }),
      approval("apr_other", {
        run: "run_paused",
        workflow: "reprint-lids",
        place: "may-print",
        question: "Print 4 lids again tonight?",
        people: ["jon"],
      }),
    ],
    queues: [
      queue("default", { ready: 3, leased: 2, lagMs: 4_200, policy: { concurrency: 4 } }),
      queue("mail", { isPaused: true, ready: 41, delayed: 6, dead: 2, lagMs: 754_000 }),
      queue("slicing", { parked: 5, waiting: 1, leased: 1, policy: { attemptsMax: 5 } }),
    ],
    deadWork: ["job_mail_7", "job_mail_9"].map((id) =>
      job(id, {
        kind: "work",
        queue: "mail",
        needs: "queue:mail",
        state: "failed",
        dead: true,
        attempts: 3,
        data: { to: "workshop@example.org", subject: "Quotes of today", id },
        error: {
          code: "smtp_refused",
          message: "550 mailbox is full",
          details: { server: "mail.local" },
        },
      }),
    ),
    workflows: ["nightly-orders", "reprint-lids", "filament-report", "nightly-backup"],
  };
}

const entry = (position: number, secondsAgo: number, item: Entry["items"][number]): Entry => ({
  position,
  at: at(secondsAgo),
  by: "hub",
  items: [item],
});

export const noEngine = (): EngineFacts => ({
  runs: [],
  patches: {},
  timelines: {},
  approvals: [],
  queues: [],
  deadWork: [],
  workflows: [],
});

const summary = ({
  fidelity: _f,
  inputs: _i,
  nodes: _n,
  edges: _e,
  approvals: _a,
  children: _c,
  result: _r,
  ...row
}: RunView): RunSummary => row;

/** The answer to a GET; undefined where it is no business of the engine. */
export function readEngine(facts: EngineFacts, path: string, query: URLSearchParams): unknown {
  const [, , area = "", id = "", part, number] = path.split("/").map(decodeURIComponent);
  switch (area) {
    case "runs": {
      if (id === "") return runPage(facts, query);
      if (part === "patches" && number !== undefined)
        return { difference: { nodes: [], edges: [] } };
      if (part === "patches") return { patches: facts.patches[id] ?? [] };
      if (part === "timeline") return { entries: facts.timelines[id] ?? [] };
      return facts.runs.find((row) => row.id === id);
    }
    case "approvals": {
      const isAll = query.get("state") === "all";
      return { approvals: facts.approvals.filter(({ state }) => isAll || state === "open") };
    }
    case "queues": {
      if (part === "jobs") return { jobs: [job("job_open_1", { queue: id })] };
      if (id !== "") return facts.queues.find(({ name }) => name === id);
      return { queues: facts.queues };
    }
    case "workflows":
      return { workflows: facts.workflows.map((name) => ({ name })) };
    case "jobs": {
      const { deadWork } = facts;
      const wanted = query.get("queue");
      if (id !== "dead" || !query.has("limit")) return undefined;
      return { jobs: deadWork.filter(({ queue: of }) => wanted === null || of === wanted) };
    }
    default:
      return undefined;
  }
}

const PAGE = 50;

function runPage({ runs }: EngineFacts, query: URLSearchParams): unknown {
  const like = runs.filter(
    ({ state, workflow }) =>
      (query.get("state") ?? state) === state && (query.get("workflow") ?? workflow) === workflow,
  );
  const start = Number(query.get("after") ?? 0);
  const next = start + PAGE < like.length ? { next: String(start + PAGE) } : {};
  return { runs: like.slice(start, start + PAGE).map(summary), ...next };
}

type Tell = (type: "run.changed" | "approval.changed" | "queue.changed", id: string) => void;

/** Does what a POST or DELETE asks for, roughly as the hub does. */
export function actOnEngine(facts: EngineFacts, path: string, body: string, tell: Tell): unknown {
  const [, , area = "", id = "", verb = ""] = path.split("/").map(decodeURIComponent);
  switch (area) {
    case "runs": {
      const state = RUN_VERBS[verb];
      if (state === undefined) return undefined;
      facts.runs = facts.runs.map((row) => (row.id === id ? { ...row, state } : row));
      tell("run.changed", id);
      return { run: { id, state } };
    }
    case "approvals": {
      const state = verb === "approve" ? ("approved" as const) : ("rejected" as const);
      facts.approvals = facts.approvals.map((row) => (row.id === id ? { ...row, state } : row));
      tell("approval.changed", id);
      return facts.approvals.find((row) => row.id === id);
    }
    case "queues": {
      const isPaused = verb === "pause";
      facts.queues = facts.queues.map((row) => (row.name === id ? { ...row, isPaused } : row));
      tell("queue.changed", id);
      return facts.queues.find(({ name }) => name === id);
    }
    case "jobs": {
      const wish = id === "dead" ? (JSON.parse(body) as { preview?: boolean }) : undefined;
      const hit = facts.deadWork.filter((row) => wish !== undefined || row.id === id);
      if (wish?.preview !== true) {
        facts.deadWork = facts.deadWork.filter((row) => !hit.includes(row));
        tell("queue.changed", "mail");
      }
      return { count: hit.length, jobs: hit.map((row) => row.id) };
    }
    default:
      return undefined;
  }
}

const RUN_VERBS: Readonly<Record<string, RunView["state"]>> = {
  cancel: "cancelled",
  pause: "paused",
  resume: "running",
  retry: "running",
  resolve: "running",
  revert: "running",
};
