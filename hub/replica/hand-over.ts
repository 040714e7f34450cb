// Hands leadership to another hub: because somebody says so, or because our disk is slow.
//
// D8. A leader whose own write takes longer than an election hands over to a hub with a faster disk. Who
//     has just done so is patient, or two slow disks would hand over to each other; but not for ever: it
//     may have been elected again since, and its disk stand still.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { HubId, Status } from "../consensus/types.ts";
import type { DiskQueue } from "./disk-queue.ts";
import type { Driver } from "./driver.ts";
import { noLeader } from "./faults.ts";
import { TICK_MS } from "./options.ts";
import { until } from "./until.ts";

/** For so long after a hand-over a write must be as old as PATIENCE elections. */
const PAUSE_TICKS = 500;
const PATIENCE = 4;

export interface HandOverParts {
  readonly driver: Driver;
  readonly disk: DiskQueue;
  readonly witnesses: ReadonlySet<HubId> | undefined;
  readonly electionTicks: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface HandOver {
  /** To `to`, or to the hub that is furthest; resolves when another hub leads. */
  transfer(to: HubId | undefined, signal: AbortSignal): Promise<void>;
  /** D8; once a tick. */
  leaveSlowDisk(): void;
}

export function makeHandOver(parts: HandOverParts): HandOver {
  const { driver, disk, witnesses, electionTicks, clock, log } = parts;
  let pauseTicks = 0;

  return {
    async transfer(to, signal) {
      const { status } = driver;
      if (status.role !== "leader") throw noLeader(status.leader);
      const target = to ?? furthest(status, witnesses);
      const isVoter = target !== undefined && status.membership.voters.includes(target);
      if (!isVoter) throw new GantryError("conflict", "There is no other hub that could lead");
      if (driver.step({ type: "transfer", to: target }) !== "taken")
        throw new GantryError("conflict", `Leadership cannot go to ${target}`);
      await until(() => isHandedOver(driver.statusNow()), clock, signal);
      if (driver.status.role === "leader")
        throw new GantryError("timeout", `${target} did not take over in time`);
      await until(() => isLed(driver.status), clock, signal);
    },
    leaveSlowDisk() {
      const { status } = driver;
      pauseTicks = Math.max(0, pauseTicks - 1);
      if (status.role !== "leader" || status.progress.size === 0) return;
      const { busySinceMs } = disk;
      if (busySinceMs === undefined || status.transferTo !== null) return;
      const ageMs = clock.monotonic() - busySinceMs;
      const elections = pauseTicks > 0 ? PATIENCE : 1;
      if (ageMs < elections * electionTicks * TICK_MS) return;
      const to = furthest(status, witnesses);
      if (to === undefined) return;
      pauseTicks = PAUSE_TICKS;
      log.warn({ to, ageMs: Math.round(ageMs) }, "our disk is slow: handing over");
      driver.step({ type: "transfer", to });
    },
  };
}

/**
 * The voter that has most of the log, of those in touch; never a witness. `isActive` is false for all
 * of them between a check of the quorum and the next heartbeat: then the one with most of the log.
 */
function furthest(
  { membership, progress }: Status,
  witnesses: ReadonlySet<HubId> | undefined,
): HubId | undefined {
  const able = [...progress].filter(
    ([hub]) => membership.voters.includes(hub) && witnesses?.has(hub) !== true,
  );
  const inTouch = able.filter(([, { isActive }]) => isActive);
  const among = inTouch.length > 0 ? inTouch : able;
  return among.toSorted(([, a], [, b]) => b.match - a.match)[0]?.[0];
}

const isHandedOver = ({ role, transferTo }: Status): boolean =>
  role !== "leader" || transferTo === null;

const isLed = ({ role, leader }: Status): boolean => leader !== null || role === "leader";
