// One seed of the house: hubs with their real hands, machines with their real agents, through elections,
// crashes, cuts and stalls. The invariants are at the heads of truth.ts, bridge.ts and machine.ts; and:
//
// HX9. After healing every acknowledged job and print ends, on every hub alike, within a bound.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import type { HubId } from "../../../hub/consensus/types.ts";
import { makeFinale } from "../replica/finale.ts";
import { advanceOf, failureOf, makeHubs } from "../replica/hubs.ts";
import type { ReplicaOutcome } from "../replica/run-seed.ts";
import { EPOCH_MS } from "../replica/sim-clock.ts";
import { startStorm } from "../replica/storm.ts";
import { check, makeWorld } from "../world.ts";
import { leftOpen } from "./ending.ts";
import { addressOf } from "./hub-end.ts";
import { makeLines } from "./lines.ts";
import { makeMachine, type Machine } from "./machine.ts";
import { keyOf, type Office, startOffice } from "./office.ts";
import { brokenIn, insist } from "./insist.ts";
import { FILE_FACTS, houseBlobs, houseMix } from "./setting.ts";
import { startPeople } from "./people.ts";
import { makeTruth } from "./truth.ts";

const SETTING_UP_MS = 15_000;
/** Leases and their time-outs, a machine that is left alone for BREAKER.openMs, five tries with pauses. */
const ENDING_MS = 150_000;
/** A wake-up that was under way when the reign ended. */
const LAST_ORDER_MS = 50;

/** `fault`: what broke outside of any call. */
export async function runHandsSeed(
  seed: number,
  isTelling: boolean,
  fault: () => Error | undefined,
): Promise<ReplicaOutcome> {
  const world = makeWorld(seed, isTelling);
  const mix = houseMix(seed);
  const draw = seededRandom(seed ^ 0x51ed270b);
  const hubs = makeHubs(world, mix);
  const { network, members } = hubs;
  const lines = makeLines(world, network);
  const offices = new Map<HubId, Office>();
  const truth = makeTruth(world);
  let isStormy = true;
  const all = hubs.start(draw, () => ({
    heartbeatTicks: 5,
    checkpointMs: 500,
    logEntries: between(draw, 50, 300),
    keptEntries: between(draw, 0, 30),
    diskMs: () => 0.1 + world.random() * (isStormy ? mix.diskMsMax : 2),
    onEvents: (hub, events) => truth.saw(hub, events),
    onReign: (hub, term) => truth.reign(hub, term),
    onCrash(hub, isPower) {
      offices.delete(hub);
      lines.hangUp(hub, isPower);
    },
    live: (life) =>
      startOffice(life, {
        world,
        network,
        lines,
        ids: mix.ids,
        witnesses: mix.witnesses,
        electionTicks: mix.electionTicks,
        blobs: houseBlobs,
        offices,
        isPaused: (hub) => members.get(hub)?.isPaused === true,
        onSend: ({ hubId, deposedAt }, _node, messages) => {
          if (deposedAt === undefined || world.now - deposedAt <= LAST_ORDER_MS) return;
          for (const message of messages) {
            if (message.type !== "job" && message.type !== "print") continue;
            const leasedAt = truth.leasedAt(hubId, message.token) ?? world.now;
            insist(
              world,
              leasedAt >= deposedAt,
              () => `HX7 ${hubId} gives orders though its reign is over`,
            );
          }
        },
      }),
  }));
  const machines: Machine[] = Array.from({ length: between(draw, 1, 3) }, (_, n) =>
    makeMachine(`m${n + 1}`, {
      world,
      lines,
      hubKey: keyOf("h1"),
      addresses: mix.ids.filter((id) => !mix.witnesses.has(id)).map(addressOf),
      joinSecret: `code of m${n + 1}`,
      onCommand: (job, effect, machine) => truth.command(job, effect, machine),
      onOrder: (machine, message) => truth.order(machine, message),
    }),
  );
  const people = startPeople({
    world,
    offices,
    happens: (hub, run) => members.get(hub)?.happens(run),
    files: FILE_FACTS,
    locks: truth.locks,
    trust: mix.hasJumps || mix.drifting > 0 ? 0.7 : 1,
  });

  const wrong = (): Error | undefined => brokenIn(world) ?? fault();
  const advance = advanceOf(world, wrong);

  const isReady = (): boolean => machines.every(({ node }) => node !== undefined);

  /** Hubs lead, machines are enrolled. */
  async function setUp(): Promise<void> {
    void (async () => {
      for (const { id } of machines) {
        await people.ask({
          type: "joinCodeMade",
          code: `code_${id}`,
          name: id,
          secretSha256: sha256(`code of ${id}`),
          expiresAtMs: EPOCH_MS + 1e12,
        });
      }
      for (const machine of machines) machine.start();
    })();
    await advance(SETTING_UP_MS, isReady);
    check(isReady(), () => `HX9 no machine is enrolled after ${SETTING_UP_MS} ms`);
    await advance(world.now + 1_000, () => false);
  }

  function agentStorm(): void {
    if (!isStormy) return;
    const machine = machines[between(world.random, 0, machines.length - 1)];
    const choice = world.random();
    const aWhile = (): number => 100 + world.random() ** 2 * 8_000;
    if (machine === undefined) return;
    if (choice < 0.3) {
      machine.crash();
      world.after(aWhile() / 4, () => machine.start());
    } else if (choice < 0.45) machine.pause(aWhile());
    else if (choice < 0.6) machine.bridge.restart();
    else if (choice < 0.9) {
      const cut = mix.ids.filter(() => world.random() < 0.5);
      const isOneWay = world.random() < 0.3;
      for (const id of cut) {
        network.block(machine.id, id);
        if (!isOneWay) network.block(id, machine.id);
      }
      world.after(aWhile(), () => {
        for (const id of cut) {
          network.unblock(machine.id, id);
          network.unblock(id, machine.id);
        }
      });
    } else lines.slow = world.random() < 0.5 ? 0 : world.random() * 0.2;
    world.after(world.random() * 5_000, agentStorm);
  }

  const finale = makeFinale(world, all, advance);
  const failure = await failureOf(async () => {
    await setUp();
    people.begin(machines.map(({ bridge }) => bridge.printer));
    const storm = startStorm(world, mix, network, all);
    agentStorm();
    await advance(world.now + mix.stormMs, () => false);
    isStormy = false;
    storm.heal();
    lines.slow = 0;
    for (const machine of machines) machine.start();
    people.calm();
    await finale.mustRecover("healing");
    const left = (): string[] => leftOpen(offices.values(), people); // HX9
    await advance(world.now + ENDING_MS, () => left().length === 0);
    check(
      left().length === 0,
      () => `HX9 not ended after ${ENDING_MS} ms: ${left().join("\n    ")}`,
    );
    await finale.mustMend();
    await finale.mustAgree();
    for (const { hubId, disagreement } of offices.values()) {
      check(disagreement() === undefined, () => `HX8 ${hubId}: ${disagreement()}`);
    }
  });
  const { hash, events } = world;
  for (const member of all) member.crash(false);
  for (const machine of machines) machine.crash();
  return {
    seed,
    failure,
    hash,
    events,
    acknowledged: people.jobs.size + people.prints.size,
    reigns: truth.reigns,
    notes: world.notes(),
  };
}
