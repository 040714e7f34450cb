// One seed of the replica-level simulation: the real replica, log store, ledger, sessions of requests
// and locks, on simulated time. Fewer and slower than the seeds of the core, with the same storm.
//
// RX1. One reign a term (O1), and the same events at the same position on every hub (O3).
// RX2. After healing a write is acknowledged within a bound, and all ledgers are equal.

import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { HubId } from "../../../hub/consensus/types.ts";
import { judge } from "../../lincheck/verdict.ts";
import { check, makeWorld } from "../world.ts";
import { startExpiry } from "./expiry.ts";
import { makeFinale } from "./finale.ts";
import { advanceOf, failureOf, makeHubs } from "./hubs.ts";
import { drawReplicaMix } from "./mix.ts";
import { startStorm, type Storm } from "./storm.ts";
import { startWorkload } from "./workload.ts";

export interface ReplicaOutcome {
  readonly seed: number;
  readonly failure: string | undefined;
  readonly hash: number;
  readonly events: number;
  readonly acknowledged: number;
  readonly reigns: number;
  readonly notes: readonly string[];
}

/** `fault`: what broke outside of any call, e.g. an assertion in a task of a hub. */
export async function runReplicaSeed(
  seed: number,
  isTelling: boolean,
  fault: () => Error | undefined,
): Promise<ReplicaOutcome> {
  const world = makeWorld(seed, isTelling);
  const mix = drawReplicaMix(seed);
  const draw = seededRandom(seed ^ 0x6a09e667);
  const hubs = makeHubs(world, mix);
  let storm: Storm | undefined;
  const reignOf = new Map<number, HubId>();
  const told = new Map<number, string>();
  const expiry = startExpiry(world, hubs.members, () => held());

  function onEvents(hub: HubId, events: readonly LedgerEvent[]): void {
    const byPosition = new Map<number, LedgerEvent[]>();
    for (const event of events) {
      expiry.saw(event);
      byPosition.set(event.id, [...(byPosition.get(event.id) ?? []), event]);
    }
    for (const [position, own] of byPosition) {
      const text = JSON.stringify(own);
      const known = told.get(position);
      check(
        known === undefined || known === text,
        () => `O3 ${hub} tells ${text} at ${position}, another told ${known}`,
      );
      told.set(position, text);
    }
  }

  function onReign(hub: HubId, term: number | undefined): void {
    expiry.reign(hub, term);
    if (term === undefined) return;
    world.note(() => `${hub} reigns in term ${term}`);
    const other = reignOf.get(term);
    check(other === undefined || other === hub, () => `O1 ${hub} and ${other} reign in ${term}`);
    reignOf.set(term, hub);
  }

  const all = hubs.start(draw, () => ({
    heartbeatTicks: 2,
    checkpointMs: between(draw, ...mix.checkpointMs),
    logEntries: between(draw, ...mix.logEntries),
    keptEntries: between(draw, ...mix.keptEntries),
    diskMs: () => 0.1 + world.random() * (storm?.isOver === true ? 2 : mix.diskMsMax),
    onEvents,
    onReign,
  }));
  const stateful = all.filter(({ isWitness }) => !isWitness);
  const work = startWorkload(world, stateful, mix.clients, mix.electionTicks * 10 * 3);
  const held = (): typeof work.held => work.held;

  const advance = advanceOf(world, fault);
  const finale = makeFinale(world, all, advance);
  const failure = await failureOf(async () => {
    storm = startStorm(world, mix, hubs.network, all);
    await advance(mix.stormMs, () => false);
    storm.heal();
    await finale.mustRecover("healing");
    if (mix.endsInStall) {
      await finale.mustMend(); // a hub that may not vote and a disk that stands still: no quorum is left
      await finale.mustServeThroughStall();
    }
    work.stop();
    await finale.mustMend();
    await finale.mustAgree();
    const verdict = judge(work.history(), { configurationsMax: 200_000 });
    check(
      verdict.kind !== "broken",
      () => `history: ${verdict.kind === "broken" ? verdict.words : ""}`,
    );
  });
  const { hash, events } = world;
  for (const member of all) member.crash(false);
  return {
    seed,
    failure,
    hash,
    events,
    acknowledged: work.acknowledged,
    reigns: reignOf.size,
    notes: world.notes(),
  };
}
