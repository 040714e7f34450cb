// Do all hubs of a running cluster hold the same? The leader names a log entry, each hub takes its rows
// at exactly that entry and hashes them, and the leader compares.
//
// EX1. Hashes are compared at one equal log entry or not at all.
// EX2. The entry must not be past when the last hub hears of it: it lies some entries ahead while
//      commands come, and is the present one when none come. Which of both it is, is found by trying.
// EX3. A hub that holds something else is named by what most hubs hold; of two, both are.

import { statfs } from "node:fs/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { ClusterExam, HubExam } from "@gantry/shared/contract/schemas/cluster.ts";
import { z } from "zod";
import type { HubId } from "../consensus/types.ts";
import type { HubCore } from "../roots/core.ts";

export const EXAM_FACTS = "exam.facts";
export const EXAM_STATE = "exam.state";

const FACTS_MS = 2_000;
const REACH_MS = 1_500;
const HASH_MS = 240_000;
/** Entries ahead, one try after the other. */
const AHEAD = [0, 4, 0, 16, 0, 64, 0, 256] as const;
const CLOCK_MS_MAX = 2_000;
const DISK_SHARE_MAX = 0.9;

export interface ExamParts {
  readonly core: Pick<HubCore, "hub" | "members" | "calls" | "isWitness">;
  readonly version: string;
  /** The data folder. */
  readonly root: string;
}

const factsSchema = z.object({
  role: z.string(),
  term: z.number(),
  version: z.string(),
  nowMs: z.number(),
  appliedIndex: z.number(),
  voters: z.array(z.string()),
  freeBytes: z.number(),
  totalBytes: z.number(),
});
type Facts = z.infer<typeof factsSchema>;
const stateSchema = z.object({ position: z.number(), sha256: z.string() });
type State = z.infer<typeof stateSchema>;

export async function examFacts({ core, version, root }: ExamParts): Promise<Facts> {
  const { hub, isWitness } = core;
  const { role, term, appliedIndex, membership } = hub.replica.status();
  const { blocks, bavail, bsize } = await statfs(root);
  return {
    role: isWitness ? "witness" : role,
    term,
    version,
    nowMs: hub.clock.now(),
    appliedIndex,
    voters: [...membership.voters],
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
  };
}

const wishSchema = z.object({ index: z.number().int().positive() });

/** Throws gone when that entry is past, timeout when it does not come, capability_missing at a witness. */
export async function examState(
  { core }: ExamParts,
  body: unknown,
  signal: AbortSignal,
): Promise<State> {
  if (core.isWitness) throw new GantryError("capability_missing", "A witness holds no rows");
  const { hub } = core;
  const { index } = wishSchema.parse(body);
  const state = await hub.replica.stateAt(index, hub.clock.timeout(REACH_MS, signal));
  return { position: state.position, sha256: await state.sha256(signal) };
}

/** At the leader. Takes as long as reading all rows once, on each hub at the same time. */
export async function examineCluster(parts: ExamParts, signal: AbortSignal): Promise<ClusterExam> {
  const { core } = parts;
  const { hub, members, calls } = core;
  const all = [hub.id, ...members.others()].toSorted();
  const hubs = await Promise.all(all.map((id) => look(parts, id, signal)));
  const stateful = hubs.filter(({ isReachable, role }) => isReachable && role !== "witness");
  const ask = async (id: HubId, index: number): Promise<State> =>
    id === hub.id
      ? examState(parts, { index }, signal)
      : stateSchema.parse(
          await calls.call(id, EXAM_STATE, { index }, { signal, timeoutMs: HASH_MS }),
        );
  for (const ahead of AHEAD) {
    const index = hub.replica.status().appliedIndex + ahead;
    const asked = stateful.map(async ({ hub: id }) => ({ id, state: await ask(id, index) }));
    const settled = await Promise.allSettled(asked);
    if (settled.some(({ status }) => status === "rejected")) {
      signal.throwIfAborted();
      continue; // EX2
    }
    const states = new Map(
      settled.flatMap((each) =>
        each.status === "fulfilled" ? [[each.value.id, each.value.state] as const] : [],
      ),
    );
    return verdictOf(
      hubs.map((one) => ({ ...one, ...states.get(one.hub) })),
      index,
    );
  }
  return verdictOf(hubs, null);
}

async function look(parts: ExamParts, id: HubId, signal: AbortSignal): Promise<HubExam> {
  const { hub, calls } = parts.core;
  const startMs = hub.clock.now();
  try {
    const told =
      id === hub.id
        ? await examFacts(parts)
        : factsSchema.parse(await calls.call(id, EXAM_FACTS, {}, { signal, timeoutMs: FACTS_MS }));
    const { nowMs, ...facts } = told;
    // Half of the way there and back: on a LAN the error is below a millisecond.
    const clockAheadMs = Math.round(nowMs - (startMs + hub.clock.now()) / 2);
    return { hub: id, isReachable: true, ...facts, clockAheadMs };
  } catch (error) {
    if (signal.aborted) throw error;
    return { hub: id, isReachable: false };
  }
}

/** EX1, EX3. Exported for tests; pure. */
export function verdictOf(hubs: readonly HubExam[], index: number | null): ClusterExam {
  const faults: string[] = [];
  const warnings: string[] = [];
  const hashes = hubs.flatMap(({ sha256 }) => sha256 ?? []);
  const groups = [...Map.groupBy(hashes, (hash) => hash)].toSorted(
    ([, a], [, b]) => b.length - a.length,
  );
  const [first, second] = groups;
  const isSame = index !== null && groups.length === 1;
  if (index === null) {
    warnings.push("The hubs did not come to one log entry together; try again with less load");
  } else if (first !== undefined && groups.length > 1) {
    const isTie = first[1].length === second?.[1].length;
    for (const { hub, sha256 } of hubs) {
      if (sha256 === undefined || (!isTie && sha256 === first[0])) continue;
      faults.push(`${hub} holds ${sha256.slice(0, 12)} at entry ${index}, and not all hubs do`);
    }
  }
  const reached = hubs.filter(({ isReachable }) => isReachable);
  for (const { hub, isReachable } of hubs)
    if (!isReachable) warnings.push(`${hub} does not answer`);
  const voters = new Set(reached.map((each) => JSON.stringify(each.voters?.toSorted())));
  if (voters.size > 1) warnings.push("The hubs count different voters: a change may be under way");
  const versions = new Set(reached.map(({ version }) => version));
  if (versions.size > 1) warnings.push(`The hubs run ${[...versions].join(" and ")}`);
  for (const { hub, clockAheadMs = 0, freeBytes = 1, totalBytes = 1 } of reached) {
    if (Math.abs(clockAheadMs) > CLOCK_MS_MAX)
      warnings.push(`The clock of ${hub} is ${clockAheadMs} ms off the leader's`);
    if (1 - freeBytes / totalBytes > DISK_SHARE_MAX)
      warnings.push(
        `The disk of ${hub} is ${Math.round(100 * (1 - freeBytes / totalBytes))} % full`,
      );
  }
  return { index, isSame, faults, warnings, hubs: [...hubs] };
}
