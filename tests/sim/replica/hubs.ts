// The hubs of a seed on their simulated network: what every simulation above the core begins with, how
// it goes on, and what it says when something broke.

import { makeRaft } from "../../../hub/consensus/raft.ts";
import type { HubId, Membership } from "../../../hub/consensus/types.ts";
import { makeNetwork, type Network } from "../network.ts";
import type { World } from "../world.ts";
import { advanceWorld } from "./advance.ts";
import type { Advance } from "./finale.ts";
import { makeMember, type Member, type MemberOptions } from "./member.ts";
import type { ReplicaMix } from "./mix.ts";

/** What the hubs of one simulation have of their own. */
export type OwnOptions = Omit<
  MemberOptions,
  "world" | "network" | "founders" | "witnesses" | "members" | "makeCore" | "electionTicks"
>;

export interface SimHubs {
  readonly network: Network;
  readonly members: ReadonlyMap<HubId, Member>;
  /** In the order of their ids. `draw`: decides whose clock is wrong. */
  start(draw: () => number, own: () => OwnOptions): readonly Member[];
}

export function makeHubs(world: World, mix: ReplicaMix): SimHubs {
  const founders: Membership = {
    voters: mix.founders,
    outgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const members = new Map<HubId, Member>();
  const network = makeNetwork(world, mix.weather, (to, messages) =>
    members.get(to)?.receive(messages),
  );
  return {
    network,
    members,
    start(draw, own) {
      for (const id of mix.ids) {
        const member = makeMember(id, {
          world,
          network,
          founders,
          witnesses: mix.witnesses,
          members,
          makeCore: makeRaft,
          electionTicks: mix.electionTicks,
          ...own(),
        });
        members.set(id, member);
        if (draw() < mix.drifting) member.time.rate = 0.8 + draw() * 0.5;
        member.start();
      }
      return [...members.values()];
    },
  };
}

/** `fault`: what broke outside of any call; it ends the advance. */
export function advanceOf(world: World, fault: () => Error | undefined): Advance {
  return async (untilMs, isDone) => {
    await advanceWorld(world, untilMs, () => isDone() || fault() !== undefined);
    const broken = fault();
    if (broken !== undefined) throw broken;
  };
}

/** Undefined if it ends well; the words of a broken invariant, or the stack of anything else. */
export async function failureOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    const { name, message, stack } = error as Error;
    return name === "Broken" ? message : (stack ?? message);
  }
}
