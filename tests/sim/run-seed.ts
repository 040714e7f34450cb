// One seed from start to verdict: storm, healing, agreement, finale, history.

import type { MakeCore } from "../../hub/consensus/types.ts";
import type { Operation } from "../lincheck/history.ts";
import { judge } from "../lincheck/verdict.ts";
import { startClients } from "./clients.ts";
import { heal, startStorm } from "./faults.ts";
import { mustAgree, mustRecover, playFinale } from "./finale.ts";
import { makeCluster } from "./cluster.ts";
import type { DriverFault, Shared } from "./hub/types.ts";
import { drawMix, type Fault, type Mix, TICK_MS } from "./mix.ts";
import { Broken, check } from "./world.ts";

export interface SeedOptions {
  readonly makeCore: MakeCore;
  readonly driverFault?: DriverFault | undefined;
  /** Faults that the seed drew and that are left out. */
  readonly without?: ReadonlySet<Fault> | undefined;
  /** The storm ends no later, ms. */
  readonly stormMsMax?: number | undefined;
  readonly isTelling?: boolean | undefined;
  /** Search the whole history for an order that explains it. */
  readonly isJudged?: boolean | undefined;
}

export interface SeedOutcome {
  readonly seed: number;
  readonly mix: Mix;
  readonly failure: string | undefined;
  readonly atMs: number;
  readonly hash: number;
  readonly events: number;
  readonly committed: number;
  readonly acknowledged: number;
  readonly leaders: number;
  readonly frames: number;
  /** Virtual ms from healing to the first commit. */
  readonly recoveryMs: number;
  readonly history: readonly Operation[];
  readonly notes: readonly string[];
}

export function runSeed(seed: number, options: SeedOptions): SeedOutcome {
  const mix = drawMix(seed, options.without);
  const shared = makeCluster(seed, mix, options);
  const { world, hubs, network } = shared;
  let failure: string | undefined;
  let recoveryMs = 0;
  let history: readonly Operation[] = [];
  let acknowledged = 0;
  try {
    for (const hub of hubs.values()) hub.start();
    const clients = startClients(shared);
    startStorm(shared);
    world.run(Math.min(mix.stormMs, options.stormMsMax ?? Infinity));
    heal(shared);
    recoveryMs = mustRecover(shared);
    clients.stop();
    ({ acknowledged } = clients);
    mustAgree(shared);
    noStorm(shared);
    playFinale(shared);
    history = clients.history();
    if (options.isJudged !== false) mustBeLinearizable(history);
  } catch (error) {
    if (!(error instanceof Broken) && !(error instanceof Error)) throw error;
    failure = error instanceof Broken ? error.message : (error.stack ?? error.message);
  }
  return {
    seed,
    mix,
    failure,
    atMs: world.now,
    hash: world.hash,
    events: world.events,
    committed: shared.oracle.committed,
    acknowledged,
    leaders: shared.oracle.leaders,
    frames: network.frames,
    recoveryMs,
    history,
    notes: world.notes(),
  };
}

/**
 * O7. Cause to send: a heartbeat, a request, a write, each to every other hub and back. Frames, not
 * messages, are counted, since a turn's messages to one hub leave as one.
 */
function noStorm({ world, mix, commands, hubs, network }: Shared): void {
  const others = hubs.size - 1;
  const beats = (world.now / TICK_MS / mix.heartbeatTicks) * hubs.size;
  const causes = beats + commands.length * 2 + 50;
  const frames = network.frames / (causes * Math.max(1, others));
  check(
    frames < FRAMES_PER_CAUSE_MAX,
    () => `O7 storm: ${network.frames} frames for ${Math.round(causes)} causes`,
  );
}
const FRAMES_PER_CAUSE_MAX = 12;

function mustBeLinearizable(history: readonly Operation[]): void {
  const verdict = judge(history, { configurationsMax: 200_000 });
  check(
    verdict.kind !== "broken",
    () => `history: ${verdict.kind === "broken" ? verdict.words : ""}`,
  );
}
