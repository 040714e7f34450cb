// How many facts per second the workflow engine takes in process: no log, no disk, no executor. Run by
// hand: node bench/workflow/engine.ts [seconds]
//
// The graph is that of the prototype in our notes: 0 -> {1,2,3} -> 4 -> {5,6} -> 7 -> 8 -> 9, ten tasks,
// each fact one `finished`. A new run starts for each that ends; 1,000 are in flight. Each task reads
// the output of a node before it, so that expressions are part of the figure.

import { compile } from "../../hub/workflow/compile.ts";
import type { Effect, RunState } from "../../hub/workflow/engine-types.ts";
import { advance, start } from "../../hub/workflow/engine.ts";

const IN_FLIGHT = 1_000;
const seconds = Number(process.argv[2] ?? 5);

const LINKS = [
  [0, 1], [0, 2], [0, 3], [1, 4], [2, 4], [3, 4], [4, 5], [4, 6], [5, 7], [6, 7], [7, 8], [8, 9],
] as const; // prettier-ignore

const before = (to: number): string => {
  const from = LINKS.find((link) => link[1] === to)?.[0];
  return from === undefined ? "${inputs.part}" : `\${nodes.n${from}.output.ok}`;
};

const plan = compile({
  nodes: Object.fromEntries(
    Array.from({ length: 10 }, (_, at) => [
      `n${at}`,
      { type: "task", capability: "no-op", with: { value: before(at) } },
    ]),
  ),
  edges: LINKS.map(([from, to]) => ({ from: `n${from}`, to: `n${to}` })),
});

interface Live {
  run: RunState;
}

let ids = 0;
let ended = 0;
const waiting: { live: Live; place: string; attempt: number }[] = [];

function take(live: Live, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.kind === "dispatch") {
      waiting.push({ live, place: effect.place, attempt: effect.attempt });
    } else if (effect.kind === "ended") {
      ended += 1;
      begin();
    }
  }
}

function begin(): void {
  ids += 1;
  const { run, effects } = start(plan, `run-${ids}`, { part: "bracket" }, 1_700_000_000_000);
  take({ run }, effects);
}

for (let at = 0; at < IN_FLIGHT; at += 1) begin();

let facts = 0;
const output = { ok: true, grams: 12.5 };
function turn(untilMs: number): void {
  while (performance.now() < untilMs) {
    const batch = waiting.splice(0, 1_000);
    for (const { live, place, attempt } of batch) {
      const after = advance(
        plan,
        live.run,
        { kind: "finished", place, attempt, output },
        1_700_000_000_000 + facts,
      );
      live.run = after.run;
      take(live, after.effects);
    }
    facts += batch.length;
  }
}

turn(performance.now() + 1_000); // warm
const [factsBefore, endedBefore] = [facts, ended];
const startedMs = performance.now();
const cpuBefore = process.cpuUsage();
turn(startedMs + seconds * 1_000);
const tookMs = performance.now() - startedMs;
const cpu = process.cpuUsage(cpuBefore);
const sample = waiting[0]?.live.run;
process.stdout.write(
  `${JSON.stringify({
    factsPerSecond: Math.round(((facts - factsBefore) / tookMs) * 1_000),
    /** What a core of its own would do: the machine may be shared. */
    factsPerCpuSecond: Math.round((facts - factsBefore) / ((cpu.user + cpu.system) / 1e6)),
    runsPerSecond: Math.round(((ended - endedBefore) / tookMs) * 1_000),
    inFlight: IN_FLIGHT,
    runJsonBytes: JSON.stringify(sample ?? null).length,
  })}\n`,
);
