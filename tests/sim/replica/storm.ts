// The storm over a seed of the replica-level simulation, and how all is healed.

import { isJoint, isMember } from "../../../hub/consensus/membership.ts";
import type { MembershipStep } from "../../../hub/consensus/types.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { command, NEVER } from "../../support/hub-parts.ts";
import type { Network } from "../network.ts";
import { check, type World } from "../world.ts";
import type { Member } from "./member.ts";
import { type ReplicaMix, STALL_MS } from "./mix.ts";

export interface Storm {
  readonly isOver: boolean;
  /** Everything runs, hears everybody, has room and writes quickly. */
  heal(): void;
}

const JUMP_MS_MAX = 3_600_000;

export function startStorm(
  world: World,
  mix: ReplicaMix,
  network: Network,
  all: readonly Member[],
): Storm {
  const { random } = world;
  let isOver = false;
  let isDamageDone = !mix.hasDamage;

  const any = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const leading = (): Member | undefined =>
    all.find(({ replica }) => replica?.status().role === "leader");
  const aWhile = (): number => mix.electionTicks * 10 * (0.2 + random() ** 2 * 5);
  const later = (ms: number, act: () => void): void =>
    world.after(ms, () => {
      if (!isOver) act();
    });

  function cut(some: readonly Member[]): void {
    const pairs = some.flatMap((a) =>
      all
        .filter((b) => !some.includes(b))
        .flatMap((b): [string, string][] => [
          [a.id, b.id],
          [b.id, a.id],
        ]),
    );
    for (const [from, to] of pairs) network.block(from, to);
    later(aWhile(), () => {
      for (const [from, to] of pairs) network.unblock(from, to);
    });
  }

  function harm(member: Member | undefined): void {
    if (member?.isUp !== true) return;
    const choice = random();
    if (choice < 0.3) member.pause(aWhile());
    else if (choice < 0.5) cut([member]);
    else {
      member.crash(choice < 0.8);
      later(aWhile(), () => member.start());
    }
  }

  function stall(member: Member | undefined): void {
    if (member === undefined) return;
    const ms = random() < 0.2 ? random() * STALL_MS : aWhile() * 2;
    world.note(() => `the disk of ${member.id} stands still for ${ms.toFixed(0)} ms`);
    member.logDisk.stallUntil = world.now + ms;
    if (random() < 0.5) member.ledgerDisk.stallUntil = world.now + ms;
  }

  /** RX4. */
  function fill(member: Member | undefined): void {
    if (member === undefined) return;
    world.note(() => `the disk of ${member.id} is full`);
    member.logDisk.isFull = true;
    member.ledgerDisk.isFull = random() < 0.5;
    const roomAfterMs = aWhile() * 2;
    later(random() * roomAfterMs, () => member.happens(() => tryWhenLow(member)));
    later(roomAfterMs, () => empty(member));
  }

  function empty(member: Member): void {
    if (member.isRoomLow) world.note(() => `${member.id} has room again`);
    member.isRoomLow = false;
    member.logDisk.isFull = false;
    member.ledgerDisk.isFull = false;
  }

  function jump(member: Member | undefined): void {
    if (member === undefined) return;
    if (random() < 0.5) member.time.rate = 0.8 + random() * 0.5;
    else member.time.jump((random() - 0.5) * 2 * JUMP_MS_MAX);
  }

  function damage(member: Member | undefined): void {
    if (isDamageDone || member?.isUp !== true || member.isWitness) return;
    isDamageDone = true;
    member.damage();
    later(aWhile(), () => member.start());
  }

  function extra(): void {
    const faults = [
      ...(mix.hasFullDisks ? [() => fill(random() < 0.5 ? leading() : any(all))] : []),
      ...(mix.hasJumps ? [() => jump(any(all))] : []),
      ...(mix.hasDamage ? [() => damage(any(all))] : []),
      ...(mix.hasSpare ? [changeMembership] : []),
    ];
    any(faults)?.();
  }

  function powerCut(): void {
    for (const one of all) {
      one.crash(true);
      later(aWhile(), () => one.start());
    }
  }

  function handOver(): void {
    const leader = leading();
    leader?.happens(() => {
      leader.replica?.transfer(undefined, NEVER).catch(() => {});
    });
  }

  function changeMembership(): void {
    const leader = leading();
    leader?.happens(() => {
      const { replica } = leader;
      if (replica === undefined || replica.status().role !== "leader") return;
      const now = replica.status().membership;
      if (isJoint(now)) return;
      const out = any(now.voters) ?? "";
      const into = any(mix.ids.filter((id) => !isMember(now, id)));
      const steps: MembershipStep[] = into === undefined ? [] : [{ type: "addVoter", hub: into }];
      if (now.voters.length > 3 || into !== undefined) steps.push({ type: "remove", hub: out });
      if (steps.length === 0) return;
      world.note(() => `${leader.id} changes the membership: ${JSON.stringify(steps)}`);
      replica.change({ steps, transition: "joint" }, NEVER).catch(() => {});
    });
  }

  function next(): void {
    const choice = random();
    if (choice < 0.22) harm(leading());
    else if (choice < 0.44) harm(any(all));
    else if (choice < 0.54) cut(all.filter(() => random() < 0.5));
    else if (choice < 0.64) stall(random() < 0.5 ? leading() : any(all));
    else if (choice < 0.73) handOver();
    else if (choice < 0.93) extra();
    else if (choice < 0.96) powerCut();
    later(random() * mix.faultEveryMs * 2, next);
  }
  later(random() * mix.faultEveryMs * 2, next);

  return {
    get isOver() {
      return isOver;
    },
    heal() {
      isOver = true;
      network.heal();
      network.weather = {
        drop: 0,
        repeat: 0,
        delayMin: 0.1,
        delayMax: 2,
        slow: 0,
        isReordered: false,
      };
      for (const member of all) {
        member.logDisk.stallUntil = 0;
        member.ledgerDisk.stallUntil = 0;
        empty(member);
        if (member.isPaused) member.crash(false);
        member.start();
      }
      world.note(() => "healed");
    },
  };
}

/** RX4. */
function tryWhenLow(member: Member): void {
  const { replica } = member;
  if (!member.isRoomLow || replica?.status().role !== "leader") return;
  replica.propose(command({ type: "flagSet", key: "low", value: 1 }), NEVER).then(
    () => check(false, () => `RX4 ${member.id} begins something on a full disk`),
    (error: unknown) => check(codeOf(error) === "disk_full", () => `RX4 ${String(error)}`),
  );
  replica.propose(command({ type: "flagDeleted", key: "low" }), NEVER).catch((error: unknown) => {
    const isServed = codeOf(error) !== "disk_full" || member.logDisk.isFull;
    check(isServed, () => `RX4 ${member.id} refuses to delete on a full disk`);
  });
}

const codeOf = (error: unknown): string => (error instanceof GantryError ? error.code : "");
