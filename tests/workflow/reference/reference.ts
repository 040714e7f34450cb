// What a workflow run must come to, worked out from its whole log at once. It shares no code with the
// engine but the words of facts. It is slow and plain: for each node it asks, recursively, when the
// nodes before it ended, and reads the facts about its place in order. A position is the number of a
// fact in the log; 0 is the start.
//
// RI1. Everything about a node follows from: when it began, the facts about its place after that, the
//      times at which the run was paused, and `until`, the position at which its graph was cut off.
// RI2. Expressions are those that the generator writes: paths, literals, one comparison.

import type { Graph, WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { Fact } from "../../../hub/workflow/engine-types.ts";
import type { Json } from "../../../hub/workflow/json-value.ts";

export interface Outcome {
  readonly state: string;
  readonly output: Json;
  /** Position at which it was over; Infinity if it is not. */
  readonly endAt: number;
  readonly take?: string;
}

export interface Verdict {
  readonly state: "running" | "paused" | "undoing" | "done" | "failed" | "cancelled";
  readonly output: Json;
  readonly nodes: ReadonlyMap<string, Outcome>;
  /** Position at which the graph was cut off; nodes that the engine ended at it may stand otherwise. */
  readonly cutAt: number;
}

interface Scope {
  readonly vars: Readonly<Record<string, Json>>;
  readonly node: (id: string) => Outcome | undefined;
  readonly around: Scope | undefined;
}

const NEVER = Infinity;
const isOver = ({ state }: Outcome): boolean =>
  ["done", "failed", "skipped", "cancelled"].includes(state);

export function reference(
  graph: Graph,
  inputs: Readonly<Record<string, Json>>,
  log: readonly Fact[],
  nowMs: number,
  /** Nodes of the root that a patch brought, with the position of the patch. */
  added: ReadonlyMap<string, number> = new Map(),
): Verdict {
  return new Reference(graph, inputs, log, nowMs, added).verdict();
}

class Reference {
  readonly #graph: Graph;
  readonly #inputs: Readonly<Record<string, Json>>;
  readonly #log: readonly Fact[];
  readonly #nowMs: number;
  readonly #added: ReadonlyMap<string, number>;

  constructor(
    graph: Graph,
    inputs: Readonly<Record<string, Json>>,
    log: readonly Fact[],
    nowMs: number,
    added: ReadonlyMap<string, number>,
  ) {
    this.#added = added;
    this.#graph = graph;
    this.#inputs = inputs;
    this.#log = log;
    this.#nowMs = nowMs;
  }

  verdict(): Verdict {
    const free = this.#body(this.#graph, "", {}, undefined, 0, NEVER);
    const cancelAt = this.#first("cancelled");
    const cutAt = Math.min(free.endAt, cancelAt);
    const cut = this.#body(this.#graph, "", {}, undefined, 0, cutAt);
    const isCut = cutAt !== NEVER && (free.state === "failed" || cancelAt < free.endAt);
    if (!isCut) {
      const isDone = free.state === "done";
      const state = isDone ? "done" : this.#isPaused(this.#log.length) ? "paused" : "running";
      return { state, output: isDone ? free.output : null, nodes: free.nodes, cutAt: NEVER };
    }
    return this.#undone(cut.nodes, cutAt, cancelAt < free.endAt ? "cancelled" : "failed");
  }

  /** Last done, first undone; each begins when the one before it is over. */
  #undone(nodes: Map<string, Outcome>, cutAt: number, end: "failed" | "cancelled"): Verdict {
    const done = [...nodes]
      .filter(([place, { state }]) => state === "done" && this.#undoOf(place) !== undefined)
      .toSorted(([, a], [, b]) => b.endAt - a.endAt);
    const waits = end === "failed" && done.length > 0 && this.#isPaused(cutAt);
    let at = waits
      ? Math.min(this.#first("resumed", cutAt), this.#first("cancelled", cutAt))
      : cutAt;
    const state = at === NEVER ? "paused" : "undoing";
    for (const [place] of done) {
      if (at === NEVER) return { state, output: null, nodes, cutAt };
      const undo = this.#undoOf(place);
      if (undo === undefined) continue;
      const own = place.replace(/[^/]*$/, undo.id);
      const outcome =
        undo.node.type === "function"
          ? { state: "done", output: 1, endAt: at } // the only one that the generator writes
          : this.#executor(undo.node, own, at, NEVER, true);
      nodes.set(own, outcome);
      at = outcome.endAt;
    }
    return { state: at === NEVER ? "undoing" : end, output: null, nodes, cutAt };
  }

  #undoOf(place: string): { readonly id: string; readonly node: WorkflowNode } | undefined {
    let graph = this.#graph;
    const segments = place.split("/").map((segment) => segment.replace(/\[\d+\]$/, ""));
    const last = segments.pop() ?? "";
    for (const segment of segments) {
      const node = graph.nodes[segment];
      if (node?.type === "map" || node?.type === "loop") graph = node.body;
    }
    const id = graph.nodes[last]?.undo;
    const node = id === undefined ? undefined : graph.nodes[id];
    return id === undefined || node === undefined ? undefined : { id, node };
  }

  #first(kind: Fact["kind"], after = 0): number {
    const found = this.#log.findIndex((fact, at) => at + 1 > after && fact.kind === kind);
    return found < 0 ? NEVER : found + 1;
  }

  /** After the fact at this position. */
  #isPaused(position: number): boolean {
    const last = this.#log
      .slice(0, position)
      .findLast(({ kind }) => kind === "paused" || kind === "resumed");
    return last?.kind === "paused";
  }

  /** When something that may begin at this position does begin. */
  #beginAt(position: number): number {
    return this.#isPaused(position) ? this.#first("resumed", position) : position;
  }

  #body(
    graph: Graph,
    prefix: string,
    vars: Readonly<Record<string, Json>>,
    around: Scope | undefined,
    from: number,
    until: number,
  ): Outcome & { readonly nodes: Map<string, Outcome> } {
    const free = this.#nodes(graph, prefix, vars, around, from, until);
    const fails = Object.keys(graph.nodes).flatMap((id) => {
      const outcome = free.of(id);
      const goesOn = graph.edges.some(
        (e) => e.from === id && (e.on === "failed" || e.on === "always"),
      );
      return outcome?.state === "failed" && !goesOn ? [outcome.endAt] : [];
    });
    const failedAt = Math.min(NEVER, ...fails);
    if (failedAt <= until && failedAt !== NEVER) {
      const cut =
        until === failedAt ? free : this.#nodes(graph, prefix, vars, around, from, failedAt);
      return { state: "failed", output: null, endAt: failedAt, nodes: cut.places };
    }
    const ids = Object.keys(graph.nodes).filter((id) => !isUndo(graph, id));
    const outcomes = ids.map((id) => free.of(id));
    const isDone = outcomes.every(
      (outcome) => outcome !== undefined && isOver(outcome) && outcome.state !== "cancelled",
    );
    if (!isDone) return { state: "open", output: null, endAt: NEVER, nodes: free.places };
    const endAt = Math.max(from, ...outcomes.map((outcome) => outcome?.endAt ?? 0));
    const scope: Scope = { vars, node: (id) => free.of(id), around };
    const last = ids.filter((id) => !graph.edges.some((edge) => edge.from === id));
    const output =
      graph.output === undefined
        ? Object.fromEntries(last.map((id) => [id, free.of(id)?.output ?? null]))
        : this.#fill(graph.output, scope);
    return { state: "done", output, endAt, nodes: free.places };
  }

  #nodes(
    graph: Graph,
    prefix: string,
    vars: Readonly<Record<string, Json>>,
    around: Scope | undefined,
    from: number,
    until: number,
  ): { readonly of: (id: string) => Outcome | undefined; readonly places: Map<string, Outcome> } {
    const places = new Map<string, Outcome>();
    const of = (id: string): Outcome | undefined => {
      const node = graph.nodes[id];
      if (node === undefined || isUndo(graph, id)) return undefined;
      const known = places.get(prefix + id);
      if (known !== undefined) return known;
      const scope: Scope = { vars, node: of, around };
      const addedAt = prefix === "" ? (this.#added.get(id) ?? 0) : 0;
      const since = Math.max(from, addedAt);
      const outcome = this.#node(graph, id, node, prefix, scope, since, until, places);
      const shown =
        until !== NEVER && !isOver(outcome) && outcome.state !== "unknown"
          ? { ...outcome, state: "cancelled", endAt: until }
          : outcome;
      places.set(prefix + id, shown);
      return shown;
    };
    for (const id of Object.keys(graph.nodes)) of(id);
    return { of, places };
  }

  #node(
    graph: Graph,
    id: string,
    node: WorkflowNode,
    prefix: string,
    scope: Scope,
    from: number,
    until: number,
    places: Map<string, Outcome>,
  ): Outcome {
    const ins = graph.edges
      .filter((edge) => edge.to === id)
      .map((edge) => ({ edge, before: scope.node(edge.from) ?? PENDING }));
    const taken = ins.filter(
      ({ edge, before }) =>
        isOver(before) && before.endAt <= until && isTaken(edge.on, graph.nodes[edge.from], before),
    );
    const allAt = Math.max(
      from,
      ...ins.map(({ before }) => (isOver(before) ? before.endAt : NEVER)),
    );
    const count = node.type === "join" ? node.count : undefined;
    const isAny = node.type === "join" || node.needs === "any";
    let enabledAt = allAt;
    let goes = isAny ? taken.length > 0 || ins.length === 0 : taken.length === ins.length;
    if (count !== undefined) {
      const countAt = taken.map(({ before }) => before.endAt).toSorted((a, b) => a - b)[count - 1];
      goes = countAt !== undefined;
      if (countAt !== undefined) enabledAt = countAt;
    }
    if (enabledAt > until || enabledAt === NEVER) return PENDING;
    if (!goes) return { state: "skipped", output: null, endAt: enabledAt };
    const beganAt = this.#beginAt(enabledAt);
    if (beganAt > until || beganAt === NEVER) return PENDING;
    return this.#run(graph, id, node, prefix + id, scope, beganAt, until, places);
  }

  #run(
    graph: Graph,
    id: string,
    node: WorkflowNode,
    place: string,
    scope: Scope,
    beganAt: number,
    until: number,
    places: Map<string, Outcome>,
  ): Outcome {
    const done = (output: Json): Outcome => ({ state: "done", output, endAt: beganAt });
    const failed: Outcome = { state: "failed", output: null, endAt: beganAt };
    switch (node.type) {
      case "function": {
        const { of } = this.#fill(node.with, scope) as { readonly of: readonly Json[] };
        return of.every((item) => typeof item === "number")
          ? done(of.reduce((a: number, b) => a + b, 0))
          : failed;
      }
      case "artifact":
        return done({
          name: node.name,
          mediaType: node.mediaType,
          value: this.#fill(node.value, scope),
        });
      case "join": {
        const taken = graph.edges
          .filter((edge) => edge.to === id)
          .map((edge) => ({ edge, before: scope.node(edge.from) ?? PENDING }))
          .filter(
            ({ edge, before }) =>
              isOver(before) &&
              before.endAt <= beganAt &&
              isTaken(edge.on, graph.nodes[edge.from], before),
          );
        return done(
          node.count === undefined
            ? { taken: taken.map(({ edge }) => edge.from) }
            : {
                taken: taken.map(({ edge }) => edge.from),
                outputs: Object.fromEntries(
                  taken.map(({ edge, before }) => [edge.from, before.output]),
                ),
              },
        );
      }
      case "branch":
        for (const { when, take } of node.cases) {
          const value = this.#compare(when, scope);
          if (value === undefined) return failed;
          if (value) return { ...done({ take }), take };
        }
        return { ...done({ take: node.otherwise ?? null }), take: node.otherwise ?? "" };
      case "timer":
        return this.#timer(place, this.#nowMs + (node.delayMs ?? 0), beganAt, until);
      case "approval":
        return this.#approval(graph, id, node, place, beganAt, until);
      case "map":
        return this.#map(node, place, scope, beganAt, until, places);
      case "loop":
        return this.#loop(node, place, scope, beganAt, until, places);
      case "http":
      case "agent":
      case "task":
      case "document":
      case "subworkflow":
        return this.#executor(node, place, beganAt, until, false);
    }
  }

  /** Facts about a place after it began, and those about pauses. */
  *#facts(place: string, from: number, until: number): Generator<readonly [number, Fact]> {
    for (const [index, fact] of this.#log.entries()) {
      const at = index + 1;
      if (at <= from || at > until) continue;
      const isAbout = "place" in fact && fact.place === place;
      if (isAbout || fact.kind === "resumed") yield [at, fact];
    }
  }

  #timer(place: string, dueMs: number, from: number, until: number): Outcome {
    for (const [at, fact] of this.#facts(place, from, until)) {
      if (fact.kind === "timerFired" && fact.dueMs === dueMs) {
        return { state: "done", output: { dueMs }, endAt: at };
      }
    }
    return WAITING;
  }

  #approval(
    graph: Graph,
    id: string,
    node: Extract<WorkflowNode, { type: "approval" }>,
    place: string,
    from: number,
    until: number,
  ): Outcome {
    // A patch that came later changes nothing of what it meant then.
    const handles = (at: number): boolean =>
      graph.edges.some(
        (e) =>
          e.from === id &&
          (e.on === "rejected" || e.on === "always") &&
          (place.includes("/") || (this.#added.get(e.to) ?? 0) <= at),
      );
    const by: string[] = [];
    let escalated = false;
    const end = (approved: boolean, reason: string, timedOut: boolean, endAt: number): Outcome =>
      approved || handles(endAt)
        ? {
            state: "done",
            output: { approved, by: [...by], reason, timedOut },
            endAt,
            take: approved ? "approved" : "rejected",
          }
        : { state: "failed", output: null, endAt };
    for (const [at, fact] of this.#facts(place, from, until)) {
      if (fact.kind === "decided" && !by.includes(fact.by)) {
        by.push(fact.by);
        if (!fact.approve) return end(false, fact.reason, false, at);
        if (by.length >= node.approvals) return end(true, fact.reason, false, at);
      }
      if (fact.kind === "timerFired" && fact.dueMs === this.#nowMs + node.waitMs) {
        if (node.escalateTo !== undefined && !escalated) escalated = true;
        else if (node.onTimeout === "fail") return { state: "failed", output: null, endAt: at };
        else if (node.onTimeout === "approve") return end(true, "", true, at);
        else return end(false, "Nobody decided in time", true, at);
      }
    }
    return WAITING;
  }

  /** RI1. */
  #executor(
    node: WorkflowNode,
    place: string,
    from: number,
    until: number,
    isUndo: boolean,
  ): Outcome {
    let state = "ready" as "ready" | "running" | "waiting" | "resting" | "unknown"; // again() sets it, too
    let attempt = 1;
    let tries = 1;
    let losses = 0;
    let dueMs = 0;
    const again = (at: number): void => {
      if (this.#isPaused(at) && !isUndo) state = "resting";
      else {
        state = "ready";
        attempt += 1;
      }
    };
    for (const [at, fact] of this.#facts(place, from, until)) {
      const isOut = state === "ready" || state === "running";
      const counts =
        "attempt" in fact && fact.attempt === attempt && (isOut || state === "unknown");
      if (fact.kind === "resumed" && state === "resting") again(at);
      if (fact.kind === "taken" && counts && state === "ready") state = "running";
      if (fact.kind === "finished" && counts) {
        return { state: "done", output: fact.output, endAt: at };
      }
      if (fact.kind === "failed" && counts) {
        if (fact.retryAtMs === undefined || tries >= (node.retry?.attempts ?? 1)) {
          return { state: "failed", output: null, endAt: at };
        }
        state = "waiting";
        dueMs = fact.retryAtMs;
      }
      if (fact.kind === "lost" && counts && isOut) {
        losses += 1;
        if (node.effect === "once" && state === "running") {
          losses -= 1;
          state = "unknown";
        } else if (losses >= 10) return { state: "failed", output: null, endAt: at };
        else again(at);
      }
      if (fact.kind === "timerFired" && state === "waiting" && fact.dueMs === dueMs) {
        tries += 1;
        again(at);
      }
      if (fact.kind === "resolved" && state === "unknown") {
        if (fact.outcome.kind === "done") {
          return { state: "done", output: fact.outcome.output, endAt: at };
        }
        if (fact.outcome.kind === "failed") return { state: "failed", output: null, endAt: at };
        tries = 1;
        losses = 0;
        again(at);
      }
    }
    return { state: state === "resting" ? "pending" : state, output: null, endAt: NEVER };
  }

  /** Item k begins when so many of those before it are over that it finds room. */
  #map(
    node: Extract<WorkflowNode, { type: "map" }>,
    place: string,
    scope: Scope,
    beganAt: number,
    until: number,
    places: Map<string, Outcome>,
  ): Outcome {
    const items = this.#list(node.over, scope);
    if (items === undefined) return { state: "failed", output: null, endAt: beganAt };
    const attempt = (
      limit: number,
      into: Map<string, Outcome>,
    ): (Outcome & { readonly fault?: true })[] => {
      const ends: Outcome[] = [];
      for (const [index, item] of items.entries()) {
        const over = ends.map(({ endAt }) => endAt).toSorted((a, b) => a - b);
        const roomAt =
          index < node.maxParallel ? beganAt : (over[index - node.maxParallel] ?? NEVER);
        const startAt = roomAt === NEVER ? NEVER : this.#beginAt(Math.max(roomAt, beganAt));
        if (startAt === NEVER || startAt > limit) {
          ends.push(PENDING);
          continue;
        }
        const vars = { item, index };
        const body = this.#body(node.body, `${place}[${index}]/`, vars, scope, startAt, limit);
        for (const [inner, outcome] of body.nodes) into.set(inner, outcome);
        ends.push(body);
      }
      return ends;
    };
    const free = attempt(until, new Map());
    const fails = free
      .filter(({ state }) => state === "failed")
      .map(({ endAt }) => endAt)
      .toSorted((a, b) => a - b);
    const failedAt = fails[node.tolerate];
    const ends = attempt(failedAt ?? until, places);
    if (failedAt !== undefined) return { state: "failed", output: null, endAt: failedAt };
    if (ends.some(({ endAt }) => endAt === NEVER)) return WAITING;
    const endAt = Math.max(beganAt, ...ends.map((end) => end.endAt));
    const output = ends.map((end) => (end.state === "failed" ? { error: "some" } : end.output));
    return { state: "done", output, endAt };
  }

  #loop(
    node: Extract<WorkflowNode, { type: "loop" }>,
    place: string,
    scope: Scope,
    beganAt: number,
    until: number,
    places: Map<string, Outcome>,
  ): Outcome {
    let state: Json = (node.start as Json | undefined) ?? null;
    let at = beganAt;
    for (let round = 0; ; round += 1) {
      const from = this.#beginAt(at);
      if (from === NEVER || from > until) return WAITING;
      const rounds = Number(/^round < (\d+)$/.exec(node.while)?.[1]);
      if (!(round < rounds)) return { state: "done", output: state, endAt: from };
      if (round >= node.maxRounds) return { state: "failed", output: null, endAt: from };
      const vars = { state, round };
      const body = this.#body(node.body, `${place}[${round}]/`, vars, scope, from, until);
      for (const [inner, outcome] of body.nodes) places.set(inner, outcome);
      if (body.state === "failed") return { state: "failed", output: null, endAt: body.endAt };
      if (body.endAt === NEVER) return WAITING;
      state = body.output;
      at = body.endAt;
    }
  }

  /** RI2. */
  #fill(value: Json, scope: Scope): Json {
    if (typeof value === "string") {
      const path = /^\$\{(.+)\}$/.exec(value)?.[1];
      return path === undefined ? value : this.#path(path, scope);
    }
    if (Array.isArray(value)) return value.map((item: Json) => this.#fill(item, scope));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, this.#fill(member, scope)]),
    );
  }

  #path(path: string, scope: Scope): Json {
    const [root = "", id = ""] = path.split(".");
    if (root === "inputs") return this.#inputs[id] ?? null;
    for (let here: Scope | undefined = scope; here !== undefined; here = here.around) {
      const value = root === "nodes" ? here.node(id) : here.vars[root];
      if (value !== undefined)
        return root === "nodes" ? (value as Outcome).output : (value as Json);
    }
    return null;
  }

  #list(text: string, scope: Scope): readonly Json[] | undefined {
    const value = text.startsWith("[") ? (JSON.parse(text) as Json) : this.#path(text, scope);
    return Array.isArray(value) ? value : undefined;
  }

  /** Undefined: it cannot be compared. */
  #compare(text: string, scope: Scope): boolean | undefined {
    const [, path = "", number = ""] = /^(\S+) > (\d+)$/.exec(text) ?? [];
    const value = this.#path(path, scope);
    return typeof value === "number" ? value > Number(number) : undefined;
  }
}

const PENDING: Outcome = { state: "pending", output: null, endAt: NEVER };
const WAITING: Outcome = { state: "waiting", output: null, endAt: NEVER };

const isUndo = (graph: Graph, id: string): boolean =>
  Object.values(graph.nodes).some(({ undo }) => undo === id);

function isTaken(
  on: string | undefined,
  source: WorkflowNode | undefined,
  before: Outcome,
): boolean {
  const label = on ?? (source?.type === "approval" ? "approved" : "done");
  if (label === "always") return before.state !== "cancelled";
  if (["done", "failed", "skipped"].includes(label)) return before.state === label;
  return before.state === "done" && before.take === label;
}
