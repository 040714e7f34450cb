// Gives the core its ticks, and the rows their checkpoints.
//
// D5. Checkpoints and snapshots run beside everything else and never hold up a commit.

import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Driver } from "./driver.ts";
import type { HandOver } from "./hand-over.ts";
import { TICK_MS } from "./options.ts";
import type { Reads } from "./reads.ts";
import type { Upkeep } from "./upkeep.ts";

export interface TimekeeperParts {
  readonly driver: Driver;
  readonly handOver: HandOver;
  readonly reads: Reads;
  readonly upkeep: Upkeep;
  /** The rows are being replaced: no checkpoint (IN3 of install.ts). */
  readonly isInstalling: () => boolean;
  readonly checkpointMs: number;
  readonly electionTicks: number;
  readonly clock: Clock;
}

/** Runs until the signal aborts; rejects with its reason. */
export async function keepTime(parts: TimekeeperParts, signal: AbortSignal): Promise<never> {
  const { driver, handOver, reads, upkeep, checkpointMs, electionTicks, clock } = parts;
  let sinceCheckpointMs = 0;
  let readTicks = 0;
  let lastMs = clock.monotonic();
  let dueMs = lastMs;
  for (;;) {
    const { role, progress } = driver.status;
    const isLone = role === "leader" && progress.size === 0;
    // Timers are late, under load by several ms: a tick that was is followed by a shorter one. Without
    // this no leader that fell silent was replaced within 424 ms on a busy machine, 25 ticks or not.
    dueMs += TICK_MS;
    const dueInMs = Math.max(1, dueMs - lastMs);
    await clock.sleep(isLone ? checkpointMs : dueInMs, signal);
    const nowMs = clock.monotonic();
    if (nowMs - dueMs >= TICK_MS) dueMs = nowMs; // V5 of election.ts: what was missed is not caught up
    const lateTicks = isLone ? 0 : Math.max(0, Math.floor((nowMs - lastMs) / TICK_MS) - 1);
    sinceCheckpointMs += nowMs - lastMs;
    lastMs = nowMs;
    driver.step({ type: "tick", lateTicks });
    handOver.leaveSlowDisk();
    readTicks = (readTicks + 1) % electionTicks;
    if (readTicks === 0) reads.askAgain();
    if (sinceCheckpointMs < checkpointMs || parts.isInstalling()) continue;
    sinceCheckpointMs = 0;
    void upkeep.checkpoint().then(() => upkeep.maintain()); // D5
  }
}
