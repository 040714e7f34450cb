// Test equipment, loaded into a hub before its own code (node --import): the power goes at a chosen
// kind of log entry. What is still to be cut is read from the plan beside it at every write, so a hub
// that was started again goes on where the last one died.
//
//   before   the entry is in memory and nothing of it is on its way to the disk
//   during   the write was begun; whether it is there is found at the next start
//   after    it is synced; nobody has applied it, nobody was told
//   told     it is applied, and whoever waits for it was told
//
// CA1. SIGKILL from inside: no handler runs, nothing is flushed, exactly as kill -9 from outside.

import fs, { appendFileSync, readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { isMainThread } from "node:worker_threads";
import { HEAD_BYTES, readBody, RECORD_HEAD_BYTES } from "../../hub/adapters/segment-format.ts";

export const MOMENTS = ["before", "during", "after", "told"] as const;
export type Moment = (typeof MOMENTS)[number];

/** One line of `PLAN.deaths`. */
export interface Death {
  readonly moment: Moment;
  /** Those of the plan that were in the entry. */
  readonly kinds: readonly string[];
}

/** Names the plan: lines of `MOMENT KIND`, or `any KIND`. Empty or absent: nothing is cut. */
export const PLAN_VARIABLE = "CRASH_PLAN";

const textOf = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};
const linesOf = (path: string): string[] =>
  textOf(path)
    .split("\n")
    .filter((line) => line !== "");

export const deathsOf = (plan: string): Death[] =>
  linesOf(`${plan}.deaths`).map((line) => JSON.parse(line) as Death); // written below
export const kindsSeen = (plan: string): Set<string> => new Set(linesOf(`${plan}.seen`));

export function cellsLeft(plan: string): string[] {
  const deaths = deathsOf(plan);
  return linesOf(plan).filter((cell) => {
    const [moment, kind = ""] = cell.split(" ");
    return !deaths.some(
      (death) => death.kinds.includes(kind) && (moment === "any" || moment === death.moment),
    );
  });
}

/** What the power is cut at for this entry; undefined if it is let through. */
function deathFor(plan: string, kinds: readonly string[]): Death | undefined {
  const inside = new Set(kinds);
  const cells = cellsLeft(plan).map((cell) => cell.split(" ") as [Moment | "any", string]);
  const fitting = cells.filter(([, kind]) => inside.has(kind));
  const first = fitting[0]?.[0];
  if (first === undefined) return undefined;
  const moment = first === "any" ? momentOf(deathsOf(plan).length) : first;
  const cut = fitting.filter(([each]) => each === "any" || each === moment);
  return { moment, kinds: cut.map(([, kind]) => kind) };
}

/** Each in turn. */
const momentOf = (count: number): Moment => MOMENTS[count % MOMENTS.length] ?? "before";

const ENTRY_HEAD_BYTES = 29; // of an entry with commands: raft-log-records.ts and entry-codec.ts

/** `runsAdvanced` by the kind of each fact: `runsAdvanced.done`. */
function kindsIn(key: string, value: Uint8Array): string[] {
  if (!key.startsWith("l/") || value[1] !== 0 || value.length <= ENTRY_HEAD_BYTES) return [];
  const commands = JSON.parse(Buffer.from(value).toString("utf8", ENTRY_HEAD_BYTES)) as {
    type: string;
    facts?: readonly (readonly [string, string])[];
  }[];
  return commands.flatMap(({ type, facts }) =>
    type === "runsAdvanced" ? (facts ?? []).map(([, kind]) => `${type}.${kind}`) : [type],
  );
}

/** Of the record that is written to a segment, alone or behind the head; none for other writes. */
function kindsInWrite(bytes: Buffer): string[] {
  const from = bytes.subarray(0, 4).toString("latin1") === "GSEG" ? HEAD_BYTES : 0;
  const record = bytes.subarray(from);
  if (record.length < RECORD_HEAD_BYTES) return [];
  if (record.readUInt32LE(4) !== record.length - RECORD_HEAD_BYTES) return [];
  return (readBody(record) ?? []).flatMap(({ key, value }) =>
    value === undefined ? [] : kindsIn(key, record.subarray(value.at, value.at + value.size)),
  );
}

type Done = (error: Error | null, written: number) => void;
type Write = (
  fd: number,
  bytes: Buffer,
  offset: number,
  length: number,
  position: number,
  done: Done,
) => void;

function install(plan: string): void {
  const write = fs.write as unknown as Write;
  const seen = kindsSeen(plan);

  const die = (death: Death): void => {
    appendFileSync(`${plan}.deaths`, `${JSON.stringify(death)}\n`);
    process.kill(process.pid, "SIGKILL"); // CA1
  };

  const patched: Write = (fd, bytes, offset, length, position, done) => {
    const kinds = Buffer.isBuffer(bytes) && offset === 0 ? kindsInWrite(bytes) : [];
    const fresh = kinds.filter((kind) => !seen.has(kind));
    for (const kind of fresh) seen.add(kind);
    if (fresh.length > 0) appendFileSync(`${plan}.seen`, `${[...new Set(fresh)].join("\n")}\n`);
    const death = kinds.length === 0 ? undefined : deathFor(plan, kinds);
    if (death === undefined) return write(fd, bytes, offset, length, position, done);
    const { moment } = death;
    if (moment === "before") die(death);
    write(fd, bytes, offset, length, position, (error, written) => {
      if (moment === "after") die(death);
      done(error, written);
      // Behind what the write's end sets in motion within this turn: applied, answered.
      setImmediate(() => setImmediate(() => die(death)));
    });
    if (moment === "during") die(death);
    return undefined;
  };
  fs.write = patched as unknown as typeof fs.write;
  syncBuiltinESMExports();
}

const plan = process.env[PLAN_VARIABLE];
const isHub = process.argv[1]?.endsWith("hub.js") === true;
if (plan !== undefined && isMainThread && isHub) install(plan);
