// Faults for a cluster of real processes, one after the other, each healed before the next begins.

import type { ClusterHub, TestCluster } from "../support/cluster.ts";
import type { Hosts } from "../support/netns.ts";

export const PROCESS_FAULTS = [
  "kill leader",
  "kill any",
  "pause leader",
  "pause any",
  "restart all",
] as const;
export const NETWORK_FAULTS = [
  "isolate leader",
  "isolate any",
  "split",
  "one way from leader",
  "one way to leader",
  "chain",
] as const;
export type Fault = (typeof PROCESS_FAULTS)[number] | (typeof NETWORK_FAULTS)[number];

export interface FaultScene {
  readonly cluster: TestCluster;
  /** Without, only faults of processes are possible. */
  readonly hosts?: Hosts | undefined;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log?: (line: string) => void;
}

/** Ms that a fault lasts: shorter and longer than an election. */
const LASTS_MS = { min: 300, max: 3_000 };

/** Does one fault and heals it. Resolves when all processes run and all links are whole. */
export async function doFault(scene: FaultScene, fault: Fault): Promise<void> {
  const { cluster, hosts, random, log = () => {} } = scene;
  const leader = await cluster.leader();
  const any = pick(cluster.hubs, random);
  const rest = cluster.hubs.filter((hub) => hub !== leader);
  const other = pick(rest, random);
  const lastMs = LASTS_MS.min + random() * (LASTS_MS.max - LASTS_MS.min);
  log(`${fault}: leader ${leader.id}, any ${any.id}, other ${other.id}, ${Math.round(lastMs)} ms`);
  const numbersOf = (...hubs: readonly ClusterHub[]): number[] =>
    hubs.map((hub) => cluster.hubs.indexOf(hub) + 1);
  const [leaderHost = 0, anyHost = 0, otherHost = 0] = numbersOf(leader, any, other);

  async function whileCut(cut: (links: Hosts) => Promise<void>): Promise<void> {
    if (hosts === undefined) throw new Error(`"${fault}" needs hosts of their own`);
    await cut(hosts);
    await pause(lastMs);
    await hosts.heal();
  }

  switch (fault) {
    case "kill leader":
    case "kill any": {
      const victim = fault === "kill any" ? any : leader;
      await victim.kill("SIGKILL");
      await pause(lastMs);
      return victim.start();
    }
    case "pause leader":
    case "pause any": {
      const victim = fault === "pause any" ? any : leader;
      victim.signal("SIGSTOP");
      await pause(lastMs);
      return victim.signal("SIGCONT");
    }
    case "restart all":
      for (const hub of cluster.hubs) {
        await hub.kill("SIGTERM");
        await hub.start();
        await cluster.leader();
      }
      return undefined;
    case "isolate leader":
      return whileCut((links) => links.isolate(leaderHost));
    case "isolate any":
      return whileCut((links) => links.isolate(anyHost));
    case "split": {
      // The smaller side has the leader.
      const few = [leader, ...rest].slice(0, Math.ceil(cluster.hubs.length / 2) - 1);
      const many = cluster.hubs.filter((hub) => !few.includes(hub));
      return whileCut((links) => links.split(numbersOf(...few), numbersOf(...many)));
    }
    case "one way from leader":
      return whileCut((links) => links.cutOneWay(leaderHost, otherHost));
    case "one way to leader":
      return whileCut((links) => links.cutOneWay(otherHost, leaderHost));
    case "chain":
      // Of three hubs, a row in which each sees its neighbours; the leader is at one end.
      return whileCut((links) => links.cut(leaderHost, otherHost));
  }
}

const pick = <T>(list: readonly T[], random: () => number): T => {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new Error("nothing to pick from");
  return found;
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
