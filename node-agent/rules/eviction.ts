// Which models make room for another one. Pure.
//
// EV1. Never a pinned one, never one that somebody uses, never one that is younger than the others'
//      patience asks for.
// EV2. Of the rest, what costs least to be without: seconds to load again, times how probably it is
//      asked for in the next minutes, for each byte it holds. And no more of them than are needed.
// EV3. A model that was put out twice lately is not put out for a third one at once: who asks for that
//      waits longer, so that two that do not fit together take long turns and not short ones.

export interface Resident {
  readonly name: string;
  readonly bytes: number;
  readonly isPinned: boolean;
  readonly isBusy: boolean;
  readonly residentMs: number;
  readonly reloadMs: number;
  /** Requests per second, lately. */
  readonly usesPerS: number;
  readonly evictionsLately: number;
}

export interface Eviction {
  /** To be unloaded now. */
  readonly victims: readonly string[];
  /** Busy: they get nothing new, and go when they are done. */
  readonly drains: readonly string[];
}

export interface Claim {
  readonly bytes: number;
  /** How long the one who needs the room has waited. */
  readonly waitedMs: number;
  /** A person waits for it. */
  readonly isInteractive: boolean;
}

/** After this a model may be put out without anybody having waited for it. */
export const RESIDENT_MS = 60_000;
/** How long who needs the room lets the others go on (collation). */
const WAIT_MS = { interactive: 5_000, others: 30_000 } as const;
const USE_WINDOW_S = 600;
/** EV3. */
const THRASH_EVICTIONS = 2;

/** How long the claim waits before it may disturb this resident. */
export function patienceMs({ isInteractive }: Claim, { evictionsLately }: Resident): number {
  if (!isInteractive || evictionsLately >= THRASH_EVICTIONS) return WAIT_MS.others; // EV3
  return WAIT_MS.interactive;
}

export const probabilityOfUse = (usesPerS: number): number =>
  1 - Math.exp(-usesPerS * USE_WINDOW_S);

/** EV2: what is lost by being without it, for each byte. */
export const worth = ({ reloadMs, usesPerS, bytes }: Resident): number =>
  ((reloadMs / 1_000) * probabilityOfUse(usesPerS)) / Math.max(1, bytes);

/** What goes so that `bytes - freeBytes` come free; undefined: not now. */
export function chooseEviction(
  residents: readonly Resident[],
  claim: Claim,
  freeBytes: number,
): Eviction | undefined {
  const needed = claim.bytes - freeBytes;
  if (needed <= 0) return { victims: [], drains: [] };
  const idle = residents.filter((each) => !each.isPinned && !each.isBusy && mayGo(each, claim));
  const busy = residents.filter(
    (each) => !each.isPinned && each.isBusy && claim.waitedMs >= patienceMs(claim, each),
  );
  const ofIdle = cheapest(idle, needed);
  if (ofIdle !== undefined) return { victims: ofIdle, drains: [] };
  const rest = needed - idle.reduce((sum, { bytes }) => sum + bytes, 0);
  const ofBusy = cheapest(busy, rest);
  if (ofBusy === undefined) return undefined;
  return { victims: idle.map(({ name }) => name), drains: ofBusy };
}

/** EV1. */
const mayGo = (resident: Resident, claim: Claim): boolean =>
  claim.waitedMs >= patienceMs(claim, resident) ||
  (resident.residentMs >= RESIDENT_MS && resident.evictionsLately < THRASH_EVICTIONS);

/** EV2. */
function cheapest(residents: readonly Resident[], needed: number): string[] | undefined {
  const sorted = residents.toSorted((a, b) => worth(a) - worth(b) || b.bytes - a.bytes);
  const taken: Resident[] = [];
  let bytes = 0;
  for (const resident of sorted) {
    if (bytes >= needed) break;
    taken.push(resident);
    bytes += resident.bytes;
  }
  if (bytes < needed) return undefined;
  const spared = new Set<Resident>();
  for (const resident of taken.toSorted((a, b) => worth(b) - worth(a))) {
    if (bytes - resident.bytes < needed) continue;
    bytes -= resident.bytes;
    spared.add(resident);
  }
  return taken.filter((resident) => !spared.has(resident)).map(({ name }) => name);
}
