// How well G-code reaches printers: our bridge and Debian's printcore (package `printrun`) in one run,
// before the same simulated Marlin on pseudo terminals.
//
//   npm run bench:fabrication [-- ROUNDS [PART ...]]    prints one JSON document, keeps it in
//                                                       bench/fabrication.json when no part is named
//
// Everything is read at the firmware's end: when a line was executed, when M112 halted it, when its
// heater targets became 0. The bridge is the real program with its journal, scanner and heat watch.
// Not measured: USB chips, real planners, real heaters.
//
//   lines    lines a second, 44 bytes on the wire, at three speeds; beside them what the wire allows
//   gaps     not paced: the time between two lines
//   circle   0.2 mm segments at 60 mm/s, 115,200 baud, beside the machine's own time
//   noise    4 % of the lines arrive with a changed bit: what was executed, compared with the file
//   stop     order at the bridge's socket -> halted, while eight printers stream
//            (while 32 do: in `many`)
//   button   the program `gantry stop` with no hub: its start -> halted
//   many     32 printers at 115,200 baud: share of one core of the bridge's process; then the order to
//            stop all of them -> each one halted
//   heat     a job is cancelled while it heats up: order -> targets at 0
//   death    SIGKILL of the bridge while it heats: -> targets at 0

import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { formatLine } from "../firmware-bridge/protocols/marlin-line.ts";
import { cpuSecondsOf } from "./cluster/load.ts";
import {
  type BridgeSide,
  type Farm,
  hasPrintcore,
  pressStop,
  startNode,
  startBridge,
  startFarm,
  startPrintcore,
  startSupervisor,
  until,
  wallMs,
} from "./fabrication/sides.ts";
import { machine } from "./floors.ts";
import { medianOf, pause, percentileOf, rounded } from "./measure.ts";

/** One value of one round; `samples` where there are many. */
interface Found {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly p99?: number;
  readonly goal?: string;
  readonly note?: string;
}

const LINES = 1_500;
/** A file at 115,200 baud on a busy machine. */
const SLOWEST_MS = 300_000;
/** Both senders are at speed by then. */
const SKIPPED = 50;
const SPEEDS = [115_200, 250_000, 1_000_000] as const;

/** 44 bytes with number and sum; moves so short that no planner holds them up. */
const lineAt = (index: number): string =>
  `G1 X100.${String(index % 1_000).padStart(3, "0")} Y100.000 Z0.2500 F9000`;

const job = (count: number): readonly string[] => [
  "G28",
  ...Array.from({ length: count }, (_, index) => lineAt(index % 4)),
];

function boundOf(baud: number): number {
  const bytes = formatLine(1_500, lineAt(0)).length;
  return baud / 10 / bytes;
}

/** When each of the job's own lines was executed; `count` of them, or as many as came. */
async function moveTimes(farm: Farm, index: number, count: number): Promise<readonly number[]> {
  const times: number[] = [];
  let seenAtMs = performance.now();
  await until(
    `${count} lines`,
    async () => {
      await pause(50);
      const { lines, atMs } = await farm.take(index);
      for (const [at, line] of lines.entries()) {
        if (line.includes(" G1 ")) times.push(atMs[at] ?? 0);
      }
      if (lines.length > 0) seenAtMs = performance.now();
      return times.length >= count || performance.now() - seenAtMs > 10_000 ? true : undefined;
    },
    SLOWEST_MS,
  );
  return times;
}

const rateOf = (times: readonly number[]): number => {
  const [first, last] = [times[SKIPPED] ?? 0, times.at(-1) ?? 0];
  return ((times.length - 1 - SKIPPED) / (last - first)) * 1_000;
};

const gapsOf = (times: readonly number[]): readonly number[] =>
  times.slice(SKIPPED + 1).map((atMs, index) => atMs - (times[SKIPPED + index] ?? 0));

/** A part of what a line needs on the wire; without pacing each byte is answered as it comes. */
const tickOf = (baud: number): number => (baud === 0 ? 1 : Math.min(1, 60_000 / baud));

/** Moves as the firmware executed them. */
async function sendOurs(
  baud: number,
  lines: readonly string[],
  moves: number,
): Promise<readonly number[]> {
  await using farm = await startFarm({ marlin: { baud }, tickMs: tickOf(baud) });
  await using bridge = await startBridge(farm.ports, baud === 0 ? 1_000_000 : baud);
  await bridge.printersIn("idle");
  await bridge.start(0, "bench", lines);
  return await moveTimes(farm, 0, moves);
}

async function sendPrintcore(
  baud: number,
  lines: readonly string[],
  moves: number,
): Promise<readonly number[]> {
  await using farm = await startFarm({ marlin: { baud }, tickMs: tickOf(baud) });
  await using _core = startPrintcore(farm.ports[0] ?? "", baud === 0 ? 1_000_000 : baud, lines);
  return await moveTimes(farm, 0, moves);
}

const withPrintcore = await hasPrintcore();

async function lines(): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const baud of SPEEDS) {
    const count = baud > 250_000 ? 2 * LINES : LINES;
    const goal = baud > 250_000 ? ">= 1.7 x printcore" : `>= 90 % of ${rounded(boundOf(baud))}`;
    const ours = rateOf(await sendOurs(baud, job(count), count));
    found.push({ name: `lines ${baud}: bound`, unit: "1/s", value: boundOf(baud) });
    found.push({ name: `lines ${baud}: ours`, unit: "1/s", value: ours, goal });
    if (!withPrintcore) continue;
    const theirs = rateOf(await sendPrintcore(baud, job(count), count));
    found.push({ name: `lines ${baud}: printcore`, unit: "1/s", value: theirs });
    found.push({ name: `lines ${baud}: ours / printcore`, unit: "x", value: ours / theirs });
  }
  return found;
}

async function gaps(): Promise<readonly Found[]> {
  const found: Found[] = [];
  const count = 10_000;
  const sides = { ours: sendOurs, ...(withPrintcore ? { printcore: sendPrintcore } : {}) };
  for (const [side, send] of Object.entries(sides)) {
    const times = await send(0, job(count), count);
    const between = gapsOf(times);
    found.push({ name: `not paced: ${side}`, unit: "1/s", value: rateOf(times) });
    found.push({
      name: `gap between lines: ${side}`,
      unit: "ms",
      value: medianOf(between),
      p99: percentileOf(between, 0.99),
      ...(side === "ours" ? { goal: "p99 <= 0.4 ms" } : {}),
      note: `longest ${rounded(Math.max(...between))} ms`,
    });
  }
  return found;
}

const SEGMENT_MM = 0.2;
const SPEED_MM_S = 60;
const RADIUS_MM = 25.5;

function circleJob(): readonly string[] {
  const segments = Math.round((2 * Math.PI * RADIUS_MM) / SEGMENT_MM);
  const points = Array.from({ length: segments }, (_, index) => {
    const angle = ((index + 1) / segments) * 2 * Math.PI;
    const [x, y] = [110 + RADIUS_MM * Math.cos(angle), 110 + RADIUS_MM * Math.sin(angle)];
    return `G1 X${x.toFixed(3)} Y${y.toFixed(3)}`;
  });
  const start = `G0 X${(110 + RADIUS_MM).toFixed(3)} Y110.000 F6000`;
  return [
    "G28",
    "G0 Z0.2 F600",
    start,
    `G1 F${SPEED_MM_S * 60}`,
    "M400",
    ...points,
    "M400",
    "G4 P1",
  ];
}

/** From the first segment to the dwell behind the M400 that waits for the last one. */
async function circleTime(farm: Farm): Promise<number> {
  let fromMs: number | undefined;
  return await until("the circle", async () => {
    await pause(20);
    const { lines: executed, atMs } = await farm.take(0);
    for (const [index, line] of executed.entries()) {
      if (line.includes("G1 X")) fromMs ??= atMs[index];
      if (fromMs !== undefined && line.endsWith("G4 P1")) return (atMs[index] ?? 0) - fromMs;
    }
    return undefined;
  });
}

async function circle(): Promise<readonly Found[]> {
  const idealMs = ((2 * Math.PI * RADIUS_MM) / SPEED_MM_S) * 1_000;
  const found: Found[] = [{ name: "circle: the machine's own time", unit: "ms", value: idealMs }];
  const baud = 115_200;
  {
    await using farm = await startFarm({ marlin: { baud } });
    await using bridge = await startBridge(farm.ports, baud);
    await bridge.printersIn("idle");
    await bridge.start(0, "circle", circleJob());
    found.push({
      name: "circle: ours",
      unit: "ms",
      value: await circleTime(farm),
      goal: "<= 3200 ms",
    });
  }
  if (withPrintcore) {
    await using farm = await startFarm({ marlin: { baud } });
    await using _core = startPrintcore(farm.ports[0] ?? "", baud, circleJob());
    found.push({ name: "circle: printcore", unit: "ms", value: await circleTime(farm) });
  }
  return found;
}

async function noise(): Promise<readonly Found[]> {
  const count = 2_500;
  const sent = job(count);
  const baud = 250_000;
  await using farm = await startFarm({ marlin: { baud } });
  await using bridge = await startBridge(farm.ports, baud);
  await bridge.printersIn("idle");
  await farm.take(0);
  await farm.fault(0, { badLinesPpm: 40_000 });
  const fromMs = performance.now();
  await bridge.start(0, "noise", sent);
  const { phase } = await bridge.job("noise", ["done", "failed", "interrupted"], 240_000);
  const tookS = (performance.now() - fromMs) / 1_000;
  await farm.fault(0, { badLinesPpm: 0 });
  const executed = (await farm.take(0)).lines
    .filter((line) => line.startsWith("N"))
    .map((line) => line.slice(line.indexOf(" ") + 1))
    .filter((line) => /^G(?:1|28)\b/.test(line));
  const wrong = sent.filter((line, index) => executed[index] !== line).length;
  const missed = wrong + Math.abs(executed.length - sent.length);
  return [
    {
      name: "4 % bad lines: lines that differ",
      unit: "lines",
      value: missed,
      goal: "0",
      note: phase,
    },
    { name: "4 % bad lines: ours", unit: "1/s", value: count / tookS },
  ];
}

const STOP_PRINTERS = 8;
const STOP_ROUNDS = 3;

async function stop(): Promise<readonly Found[]> {
  const baud = 115_200;
  await using farm = await startFarm({ marlin: { baud }, count: STOP_PRINTERS });
  await using bridge = await startBridge(farm.ports, baud);
  const tookMs: number[] = [];
  for (let round = 0; round < STOP_ROUNDS; round += 1) {
    await bridge.printersIn("idle");
    for (let index = 0; index < STOP_PRINTERS; index += 1) {
      await bridge.start(index, `stop-${round}-${index}`, job(20_000));
    }
    await bridge.printersIn("printing");
    await pause(4_000 + Math.random() * 200); // G28 takes 3 s
    const atMs = wallMs();
    await bridge.ask({ type: "stop", id: "" });
    await pause(300);
    for (const { killedAtMs } of await farm.look()) tookMs.push(killedAtMs - atMs);
    await bridge.printersIn("stopped");
    for (let index = 0; index < STOP_PRINTERS; index += 1) {
      await bridge.ask({ type: "reset", id: "", printer: `p${index}` });
      await farm.take(index);
    }
  }
  return [
    {
      name: `stop: order -> halted, ${STOP_PRINTERS} printers stream`,
      unit: "ms",
      value: medianOf(tookMs),
      p99: percentileOf(tookMs, 0.99),
      goal: "p99 <= 15 ms",
      note: `${tookMs.length} samples, longest ${rounded(Math.max(...tookMs))} ms`,
    },
  ];
}

const PRESSES = 3;

/** From the start of the program `gantry stop p0`, with no hub anywhere. */
async function button(): Promise<readonly Found[]> {
  const baud = 115_200;
  await using farm = await startFarm({ marlin: { baud } });
  await using bridge = await startBridge(farm.ports, baud);
  const tookMs: number[] = [];
  for (let press = 0; press < PRESSES; press += 1) {
    await bridge.printersIn("idle");
    await bridge.start(0, `button-${press}`, job(20_000));
    await bridge.printersIn("printing");
    await pause(4_000);
    const atMs = wallMs();
    await pressStop(bridge.dir, "p0");
    tookMs.push(((await farm.look())[0]?.killedAtMs ?? Number.NaN) - atMs);
    await bridge.printersIn("stopped");
    await bridge.ask({ type: "reset", id: "", printer: "p0" });
  }
  const floorMs: number[] = [];
  for (let start = 0; start < PRESSES; start += 1) {
    const atMs = wallMs();
    await startNode();
    floorMs.push(wallMs() - atMs);
  }
  return [
    { name: "node -e 0", unit: "ms", value: medianOf(floorMs) },
    {
      name: "gantry stop p0 without a hub: start of the program -> halted",
      unit: "ms",
      value: medianOf(tookMs),
      goal: "<= 100 ms",
      note: `longest of ${PRESSES}: ${rounded(Math.max(...tookMs))} ms; Node's own start is in it`,
    },
  ];
}

const MANY = 32;
const MANY_PRESSES = 3;

/** All of them stream; one order stops all, and each is a sample. */
async function stopMany(farm: Farm, bridge: BridgeSide): Promise<Found> {
  const tookMs: number[] = [];
  for (let press = 0; press < MANY_PRESSES; press += 1) {
    if (press > 0) {
      await bridge.printersIn("idle");
      for (let index = 0; index < MANY; index += 1) {
        await bridge.start(index, `k${press}-${index}`, job(20_000));
      }
      await bridge.printersIn("printing");
      await pause(4_000 + Math.random() * 200); // G28 takes 3 s
    }
    const atMs = wallMs();
    await bridge.ask({ type: "stop", id: "" });
    await pause(400);
    for (const { killedAtMs } of await farm.look()) tookMs.push(killedAtMs - atMs);
    await bridge.printersIn("stopped");
    for (let index = 0; index < MANY; index += 1) {
      await bridge.ask({ type: "reset", id: "", printer: `p${index}` });
      await farm.take(index);
    }
  }
  return {
    name: `stop: order -> halted, ${MANY} printers stream`,
    unit: "ms",
    value: medianOf(tookMs),
    p99: percentileOf(tookMs, 0.99),
    goal: "p99 <= 15 ms",
    note: `${tookMs.length} samples, longest ${rounded(Math.max(...tookMs))} ms`,
  };
}

async function many(): Promise<readonly Found[]> {
  const baud = 115_200;
  await using farm = await startFarm({ marlin: { baud }, count: MANY });
  await using bridge = await startBridge(farm.ports, baud);
  await bridge.printersIn("idle");
  for (let index = 0; index < MANY; index += 1) await bridge.start(index, `j${index}`, job(20_000));
  await bridge.printersIn("printing");
  await pause(5_000);
  const total = async (): Promise<number> =>
    (await farm.look()).reduce((sum, { executed }) => sum + executed, 0);
  const [fromMs, fromCpuS, fromLines] = [
    performance.now(),
    cpuSecondsOf(bridge.pid),
    await total(),
  ];
  await pause(10_000);
  const seconds = (performance.now() - fromMs) / 1_000;
  const share = ((cpuSecondsOf(bridge.pid) - fromCpuS) / seconds) * 100;
  const perS = ((await total()) - fromLines) / seconds;
  const stopped = await stopMany(farm, bridge);
  return [
    stopped,
    {
      name: `${MANY} printers: lines`,
      unit: "1/s",
      value: perS,
      note: `${rounded(perS / MANY)} each`,
    },
    { name: `${MANY} printers: share of one core`, unit: "%", value: share, goal: "<= 60 %" },
    { name: `${MANY} printers: CPU of one line`, unit: "us", value: (share * 1e4) / perS },
  ];
}

const heatJob = ["M190 S60", "M109 S200", ...job(100)];

async function heating(farm: Farm, bridge: BridgeSide, name: string): Promise<void> {
  await bridge.printersIn("idle");
  await bridge.start(0, name, heatJob);
  await until("a hot bed", async () => ((await farm.look())[0]?.bedTargetC ? true : undefined));
}

async function heat(): Promise<readonly Found[]> {
  const baud = 115_200;
  await using farm = await startFarm({ marlin: { baud, hasEmergencyParser: false } });
  await using bridge = await startBridge(farm.ports, baud);
  const tookMs: number[] = [];
  for (let round = 0; round < 10; round += 1) {
    await heating(farm, bridge, `heat-${round}`);
    await pause(500 + Math.random() * 300);
    const atMs = wallMs();
    await bridge.ask({ type: "cancel", id: "", printer: "p0", job: `heat-${round}`, token: 1 });
    await bridge.job(`heat-${round}`, ["cancelled"]);
    tookMs.push(((await farm.look())[0]?.coldAtMs ?? Number.NaN) - atMs);
  }
  return [
    {
      name: "cancel while it heats -> targets at 0",
      unit: "ms",
      value: medianOf(tookMs),
      goal: "<= 200 ms",
      note: `longest of ${tookMs.length}: ${rounded(Math.max(...tookMs))} ms; no emergency parser`,
    },
  ];
}

const DEATHS = 3;

async function death(): Promise<readonly Found[]> {
  const baud = 115_200;
  const tookMs: number[] = [];
  for (let round = 0; round < DEATHS; round += 1) {
    // A board that opening does not reset: it must be told.
    await using farm = await startFarm({ marlin: { baud }, hasDtr: false });
    await using bridge = await startBridge(farm.ports, baud);
    await using _supervisor = startSupervisor(bridge.dir);
    await heating(farm, bridge, "death");
    await pause(1_500 + Math.random() * 500);
    const atMs = wallMs();
    await bridge.kill();
    const coldAtMs = await until("cold heaters", async () => {
      const [seen] = await farm.look();
      return seen?.nozzleTargetC === 0 && seen.bedTargetC === 0 ? seen.coldAtMs : undefined;
    });
    tookMs.push(coldAtMs - atMs);
  }
  return [
    {
      name: "bridge killed -> targets at 0",
      unit: "ms",
      value: medianOf(tookMs),
      goal: "<= 5000 ms",
      note: `longest of ${DEATHS}: ${rounded(Math.max(...tookMs))} ms; the supervisor, no restart`,
    },
  ];
}

const PARTS: Readonly<Record<string, () => Promise<readonly Found[]>>> = {
  lines,
  gaps,
  circle,
  noise,
  stop,
  button,
  many,
  heat,
  death,
};

function summary(all: readonly Found[]): object {
  const [first] = all;
  const values = all.map(({ value }) => rounded(value));
  const p99s = all.flatMap(({ p99 }) => (p99 === undefined ? [] : [rounded(p99)]));
  return {
    unit: first?.unit,
    median: medianOf(values),
    ...(p99s.length === 0 ? {} : { p99: medianOf(p99s) }),
    ...(values.length > 1 ? { all: values } : {}),
    ...(first?.goal === undefined ? {} : { goal: first.goal }),
    ...(first?.note === undefined ? {} : { note: first.note }),
  };
}

/** One round takes four to five minutes; medians of three are for the page of figures. */
const rounds = Number(process.argv[2] ?? 1);
const wanted = process.argv.slice(3);
const names = wanted.length === 0 ? Object.keys(PARTS) : wanted;
const found = new Map<string, Found[]>();
const loads: number[] = [];
if (!withPrintcore) process.stderr.write("printcore is not measured: apt-get install printrun\n");
for (let round = 0; round < rounds; round += 1) {
  for (const part of names) {
    loads.push(rounded(loadavg()[0] ?? 0));
    for (const figure of (await PARTS[part]?.()) ?? []) {
      found.set(figure.name, [...(found.get(figure.name) ?? []), figure]);
      const { name, unit, value, p99, note } = figure;
      const more = `${p99 === undefined ? "" : `, p99 ${rounded(p99)}`}${note === undefined ? "" : ` (${note})`}`;
      process.stderr.write(`${name}: ${rounded(value)} ${unit}${more}\n`);
    }
  }
}
const document = {
  bench: "fabrication",
  date: new Date().toISOString(),
  rounds,
  loads,
  report: Object.fromEntries([...found].map(([name, all]) => [name, summary(all)])),
  machine: machine(),
};
const text = `${JSON.stringify(document, null, 2)}\n`;
process.stdout.write(text);
if (wanted.length === 0) writeFileSync(join(import.meta.dirname, "fabrication.json"), text);
