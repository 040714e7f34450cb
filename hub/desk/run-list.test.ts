import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import { applyEntry } from "../ledger/apply.ts";
import { graph, http, kept, started } from "../ledger/testing/flows.ts";
import { command, type LedgerRig, makeLedgerRig, START_MS } from "../ledger/testing/rig.ts";
import type { DeskParts } from "./context.ts";
import { runs } from "./run-list.ts";

const call = graph({ call: http() }, [], { output: "${nodes.call.output}" });
const WORKFLOWS = ["alpha", "beta", "gamma"];
const PEOPLE = ["ada", "bob", "eve"];

const second = (n: number): string => new Date(START_MS + n * 1_000).toISOString();
const costOf = (n: number): number => (n * 7_919) % 100_003;

interface Made {
  readonly id: string;
  readonly workflow: string;
  readonly by: string;
  readonly atMs: number;
  readonly state: string;
}

/** Runs that began a second apart; every 7th fails, every 11th is cancelled, the last ten are live. */
function fill(rig: LedgerRig, count: number): readonly Made[] {
  for (const name of WORKFLOWS) rig.act(kept(call, { name }));
  const made: Made[] = [];
  for (let n = 0; n < count; n += 1) {
    const id = `run_${n}`;
    const workflow = WORKFLOWS[n % 3] ?? "";
    const by = PEOPLE[Math.floor(n / 2) % 3] ?? "";
    const atMs = START_MS + n * 1_000;
    const inputs = { title: `bracket number ${n}`, kind: n % 50 === 0 ? "rare" : "usual" };
    const begin = command(started({ run: id, workflow, inputs }), { actor: by, atMs });
    const isLive = n >= count - 10;
    const state = isLive ? "running" : n % 7 === 0 ? "failed" : n % 11 === 0 ? "cancelled" : "done";
    const usage = { promptTokens: 1, completionTokens: 2, costMicroUsd: costOf(n) };
    const fact: RunFact =
      state === "failed"
        ? [id, "failed", "call", 1, { code: "timeout", message: "too late" }, null]
        : [id, "done", "call", 1, 1, usage];
    const end =
      state === "cancelled"
        ? command({ type: "runCancelled", run: id, reason: "" }, { atMs })
        : command({ type: "runsAdvanced", facts: [fact] }, { atMs });
    applyEntry(rig.ledger, isLive ? [begin] : [begin, end]);
    made.push({ id, workflow, by, atMs, state });
  }
  return made;
}

interface Asked {
  readonly ids: readonly string[];
  readonly next: string | undefined;
  readonly gets: number;
}

function asker(rig: LedgerRig): (query: object) => Asked {
  return (query) => {
    let gets = 0;
    const rows: typeof rig.rows = {
      ...rig.rows,
      get(table, id) {
        gets += 1;
        return rig.rows.get(table, id);
      },
    };
    const parts = { hub: { rows, stampMs: () => START_MS } } as unknown as DeskParts; // what it reads
    const reply = runs(parts, {
      actor: null,
      requestId: "req_1",
      params: {},
      query: { limit: 50, ...query },
      body: undefined,
    }) as { runs: { id: string }[]; next?: string };
    return { ids: reply.runs.map(({ id }) => id), next: reply.next, gets };
  };
}

function all(ask: (query: object) => Asked, query: object): readonly string[] {
  const ids: string[] = [];
  for (let after: string | undefined; ;) {
    const page = ask({ ...query, ...(after === undefined ? {} : { after }) });
    ids.push(...page.ids);
    if (page.next === undefined) return ids;
    after = page.next;
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** Of so many runs, one has a word in its result that no other has. */
function search(count: number): Asked & { readonly wanted: string } {
  const rig = makeLedgerRig();
  rig.act(kept(graph({ call: http() }, [], { output: "${nodes.call.output}" }), { name: "alpha" }));
  for (let n = 0; n < count; n += 1) {
    const id = `run_${n}`;
    const verdict = n === count >> 1 ? "warped" : "flat";
    applyEntry(rig.ledger, [
      command(started({ run: id, workflow: "alpha" }), { actor: PEOPLE[n % 3] ?? "" }),
      command({
        type: "runsAdvanced",
        facts: [[id, "done", "call", 1, { text: `The bed is ${verdict}`, layer: n }]],
      }),
    ]);
  }
  rig.restart();
  const ask = asker(rig);
  expect(all(ask, { text: "warped bed", by: "nobody" })).toEqual([]);
  return { ...ask({ text: "WARPED bed", state: "done" }), wanted: `run_${count >> 1}` };
}

describe("lists of runs", () => {
  const small = makeLedgerRig();
  const large = makeLedgerRig();
  let made: readonly Made[] = [];
  beforeAll(() => {
    fill(small, 300);
    made = fill(large, 20_000);
    small.restart();
    large.restart(); // what is over is read from the disk
  }, 120_000);

  it.each([
    ["all", {}],
    ["failed", { state: "failed" }],
    ["live", { state: "running" }],
    ["of a workflow", { workflow: "beta" }],
    ["of a person", { by: "eve" }],
    ["failed ones of a person", { state: "failed", by: "bob" }],
    ["of a workflow and a person", { workflow: "alpha", by: "ada" }],
    ["of a time", { from: second(100), to: second(160) }],
    ["of a time and a workflow", { from: second(100), to: second(160), workflow: "gamma" }],
    ["with a word of the inputs", { text: "rare" }],
    ["with two words", { text: "Number 150" }],
    ["with a word of the fault", { text: "late", state: "failed" }],
  ])("[M46] %s cost as many reads with 20,000 ended runs as with 300", (_, query) => {
    const few = asker(small)({ limit: 20, ...query });
    const many = asker(large)({ limit: 20, ...query });
    expect(many.ids.length).toBeGreaterThanOrEqual(Math.min(few.ids.length, 1));
    // Each probe of a binary search is two reads; 20,000 needs six more of them than 300, in three searches.
    expect(many.gets).toBeLessThanOrEqual(few.gets + 60);
    expect(many.gets).toBeLessThan(600);
  });

  it("[M79] are found by fields and by words of their results: over 10,000 results, with as many reads as over 100", () => {
    const few = search(100);
    const many = search(10_000);
    expect([few.ids, many.ids]).toEqual([[few.wanted], [many.wanted]]);
    expect(many.gets).toBeLessThanOrEqual(few.gets + 10);
    expect(many.gets).toBeLessThan(40);
  }, 60_000);

  it("[M55] that ended in the last day, or in any time, are those a scan gives, the last end first", () => {
    const rig = makeLedgerRig();
    const ended: { readonly id: string; readonly atMs: number }[] = [];
    rig.act(kept(call, { name: "alpha" }));
    for (let n = 0; n < 60; n += 1) {
      const id = `run_${n}`;
      const beginMs = START_MS + n * 1_000;
      const atMs = START_MS + 100_000 + n * 3_600_000; // an hour apart, far from where it began
      applyEntry(rig.ledger, [command(started({ run: id, workflow: "alpha" }), { atMs: beginMs })]);
      ended.push({ id, atMs });
    }
    for (const { id, atMs } of ended)
      applyEntry(rig.ledger, [
        command({ type: "runsAdvanced", facts: [[id, "done", "call", 1, 1]] }, { atMs }),
      ]);
    applyEntry(rig.ledger, [command(started({ run: "run_live", workflow: "alpha" }))]);
    const lastMs = ended.at(-1)?.atMs ?? 0;
    const ask = asker(rig);
    const scan = (fromMs: number, toMs: number): string[] =>
      ended
        .filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
        .map(({ id }) => id)
        .toReversed();
    const dayAgo = lastMs - 86_400_000;
    expect(all(ask, { endedFrom: iso(dayAgo), limit: 7 })).toEqual(scan(dayAgo, Infinity));
    expect(scan(dayAgo, Infinity)).toHaveLength(25);
    expect(all(ask, { endedFrom: iso(dayAgo), endedTo: iso(lastMs), limit: 7 })).toEqual(
      scan(dayAgo, lastMs),
    );
    expect(all(ask, { endedTo: iso(dayAgo), state: "done" })).toEqual(scan(0, dayAgo));
    expect(all(ask, { endedFrom: iso(lastMs), workflow: "beta" })).toEqual([]);
  });

  it("[M48] [M52] [M53] [M77] any filter gives what a scan gives, page by page", () => {
    const ask = asker(small);
    const facts = fill(makeLedgerRig(), 300);
    const query = fc.record(
      {
        state: fc.constantFrom("done", "failed", "cancelled", "running"),
        workflow: fc.constantFrom(...WORKFLOWS),
        by: fc.constantFrom(...PEOPLE),
        from: fc.nat(320).map(second),
        to: fc.nat(320).map(second),
        limit: fc.integer({ min: 1, max: 60 }),
      },
      { requiredKeys: ["limit"] },
    );
    fc.assert(
      fc.property(query, (asked) => {
        const wanted = facts
          .filter(
            (run) =>
              (asked.state === undefined || run.state === asked.state) &&
              (asked.workflow === undefined || run.workflow === asked.workflow) &&
              (asked.by === undefined || run.by === asked.by) &&
              (asked.from === undefined || run.atMs >= Date.parse(asked.from)) &&
              (asked.to === undefined || run.atMs < Date.parse(asked.to)),
          )
          .map(({ id }) => id)
          .toReversed();
        expect(all(ask, asked)).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it("[M54] the ten dearest are the ten dearest", () => {
    const paid = made
      .map((run, n) => ({ ...run, n }))
      .filter(({ state }) => state === "done")
      .toSorted((a, b) => costOf(b.n) - costOf(a.n));
    const { ids, gets } = asker(large)({ sort: "cost", limit: 10 });
    expect(gets).toBeLessThan(3 * LIMIT.runLooks.max);
    expect(ids).toEqual(paid.slice(0, 10).map(({ id }) => id));
  });

  it("a cursor goes on where it was, whatever began or ended meanwhile", () => {
    const rig = makeLedgerRig();
    fill(rig, 60);
    const ask = asker(rig);
    const first = ask({ state: "failed", limit: 3 });
    const rest = all(ask, { state: "failed", limit: 3, after: first.next });
    rig.act(started({ run: "run_new", workflow: "alpha" }));
    const fault = { code: "timeout", message: "late" };
    rig.act({ type: "runsAdvanced", facts: [["run_new", "failed", "call", 1, fault, null]] });
    expect(all(ask, { state: "failed", limit: 3, after: first.next })).toEqual(rest);
    expect(ask({ state: "failed", limit: 1 }).ids).toEqual(["run_new"]);
  });

  it("what was retried is in the lists of its last end alone", () => {
    const rig = makeLedgerRig();
    fill(rig, 20);
    const ask = asker(rig);
    expect(all(ask, { state: "failed" })).toContain("run_7");
    rig.act({ type: "runRetried", run: "run_7" });
    expect(all(ask, { state: "failed" })).not.toContain("run_7");
    expect(all(ask, { state: "running" })).toContain("run_7");
    const fault = { code: "timeout", message: "late again" };
    rig.act({ type: "runsAdvanced", facts: [["run_7", "failed", "call", 2, fault, null]] });
    expect(all(ask, { state: "failed" }).filter((id) => id === "run_7")).toHaveLength(1);
    expect(all(ask, { text: "again" })).toEqual(["run_7"]);
  });
});
