// After the storm: does the cluster come back, does it come level, and does it stay up while one disk
// stands still?

import { isJoint, isMember } from "../../../hub/consensus/membership.ts";
import { command, NEVER } from "../../support/hub-parts.ts";
import { check, type World } from "../world.ts";
import type { Member } from "./member.ts";
import { STALL_MS } from "./mix.ts";

/** Advances the world to `untilMs` at most; stops early when `isDone`. */
export type Advance = (untilMs: number, isDone: () => boolean) => Promise<void>;

export interface Finale {
  /** A write is acknowledged within RECOVERY_MS_MAX. */
  mustRecover(what: string): Promise<void>;
  /** The leader's disk stands still for STALL_MS; a write every second must be acknowledged in time. */
  mustServeThroughStall(): Promise<void>;
  /** A later term lets a hub whose log was damaged count again. */
  mustMend(): Promise<void>;
  mustAgree(): Promise<void>;
}

const RECOVERY_MS_MAX = 4_000;
const PROBE_MS = 20;
const BETWEEN_PROBES_MS = 1_000;

export function makeFinale(world: World, all: readonly Member[], advance: Advance): Finale {
  const leading = (): Member | undefined =>
    all.find(({ replica }) => replica?.status().role === "leader");

  async function mustRecover(what: string): Promise<void> {
    let isDone = false;
    const probe = (): void => {
      if (isDone) return;
      for (const { replica } of all) {
        if (replica?.status().role !== "leader") continue;
        replica.propose(command({ type: "flagSet", key: "probe", value: world.now }), NEVER).then(
          () => (isDone = true),
          () => {},
        );
      }
      world.after(PROBE_MS, probe);
    };
    probe();
    await advance(world.now + RECOVERY_MS_MAX, () => isDone);
    check(isDone, () => `X1 no progress within ${RECOVERY_MS_MAX} ms of ${what}: ${tell(all)}`);
  }

  async function mustServeThroughStall(): Promise<void> {
    const slow = leading();
    if (slow === undefined) return;
    const untilMs = world.now + STALL_MS;
    world.note(() => `the disk of ${slow.id} stands still for ${STALL_MS} ms`);
    slow.logDisk.stallUntil = untilMs;
    slow.ledgerDisk.stallUntil = untilMs;
    while (world.now < untilMs) {
      await mustRecover("a stall of one disk");
      await advance(world.now + BETWEEN_PROBES_MS, () => false);
    }
  }

  const isMended = (): boolean => all.every(({ isDamaged }) => !isDamaged);

  async function mustMend(): Promise<void> {
    for (let tries = 0; tries < 3 && !isMended(); tries += 1) {
      await advance(world.now + RECOVERY_MS_MAX / 4, isMended); // it catches up first
      const able = all.filter((one) => !one.isDamaged && !one.isWitness && one !== leading());
      if (able[0] === undefined) restart(leading());
      else
        leading()
          ?.replica?.transfer(able[0].id, NEVER)
          .catch(() => {});
      await advance(world.now + RECOVERY_MS_MAX / 2, isMended);
    }
    check(isMended(), () => `RX3 a damaged log is never whole again: ${tell(all)}`);
  }

  async function mustAgree(): Promise<void> {
    await advance(world.now + RECOVERY_MS_MAX, isEven);
    check(isEven(), () => `X2 the hubs do not come level: ${tell(all)}`);
    const states = settled()
      .filter(({ isWitness }) => !isWitness)
      .map((member) => [member.id, stateOf(member)] as const);
    for (const [id, state] of states) {
      check(
        state === states[0]?.[1],
        () => `O3 ${id} and ${states[0]?.[0]} differ: ${state} ${states[0]?.[1]}`,
      );
    }
  }

  function settled(): Member[] {
    const status = leading()?.replica?.status();
    return all.filter(({ id }) => status !== undefined && isMember(status.membership, id));
  }

  function isEven(): boolean {
    const status = leading()?.replica?.status();
    if (status === undefined || isJoint(status.membership) || status.commitIndex < status.lastIndex)
      return false;
    return settled().every(({ replica }) => replica?.status().appliedIndex === status.appliedIndex);
  }

  return { mustRecover, mustServeThroughStall, mustMend, mustAgree };
}

function stateOf({ replica }: Member): string {
  if (replica === undefined) return "";
  const { rows, position } = replica.ledger;
  const hot = (["flag", "lock", "reign"] as const).map((table) =>
    [...rows.hot(table).entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
  return JSON.stringify([position, hot]);
}

/** As an operator does where nobody else may lead. */
function restart(member: Member | undefined): void {
  member?.crash(false);
  member?.start();
}

export function tell(all: readonly Member[]): string {
  return all
    .map(({ id, replica, isUp }) => {
      const status = replica?.status();
      if (status === undefined) return `${id} ${isUp ? "starting" : "down"}`;
      const { role, term, leader, commitIndex, appliedIndex, lastIndex, storedIndex, membership } =
        status;
      const { damage = "whole" } = status;
      return `${id} ${role} term ${term} leader ${leader} applied ${appliedIndex} commit ${commitIndex} stored ${storedIndex} last ${lastIndex} voters ${membership.voters.join()} was ${membership.outgoing.join()}, ${damage}`;
    })
    .join("\n    ");
}
