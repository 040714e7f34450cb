// A simulated cluster, ready to be started: world, network, oracle and hubs of one mix.

import type { HubId, MakeCore, Membership } from "../../hub/consensus/types.ts";
import { whatOf } from "./hub/content.ts";
import { makeHub } from "./hub/hub.ts";
import type { DriverFault, Hub, Shared } from "./hub/types.ts";
import type { Mix } from "./mix.ts";
import { makeNetwork } from "./network.ts";
import { makeOracle } from "./oracle.ts";
import { makeWorld } from "./world.ts";

export interface ClusterOptions {
  readonly makeCore: MakeCore;
  readonly driverFault?: DriverFault | undefined;
  readonly isTelling?: boolean | undefined;
}

export function makeCluster(seed: number, mix: Mix, options: ClusterOptions): Shared {
  const world = makeWorld(seed, options.isTelling === true);
  const hubs = new Map<HubId, Hub>();
  const count = mix.founders + mix.spares + mix.learners;
  const ids = Array.from({ length: count }, (_, n) => `h${n + 1}`);
  const founders: Membership = {
    voters: ids.slice(0, mix.founders),
    outgoing: [],
    learners: ids.slice(mix.founders, mix.founders + mix.learners),
    learnersNext: [],
    autoLeave: false,
  };
  const shared: Shared = {
    world,
    mix,
    network: makeNetwork(world, mix.weather, (to, messages) => hubs.get(to)?.receive(messages)),
    oracle: makeOracle(world, whatOf),
    makeCore: options.makeCore,
    driverFault: options.driverFault,
    commands: [],
    hubs,
    witnesses: new Set(mix.hasWitness ? [ids[mix.founders - 1] ?? ""] : []),
    onLeader: () => {},
    isStormy: true,
  };
  for (const id of ids) hubs.set(id, makeHub(id, founders, shared));
  return shared;
}
