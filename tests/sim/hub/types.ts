// What the rest of the simulator sees of one hub, and what all hubs of a run have in common.

import type {
  Core,
  HubId,
  Input,
  MakeCore,
  Membership,
  Message,
  Role,
} from "../../../hub/consensus/types.ts";
import type { Disk } from "../disk.ts";
import type { Command, Machine, Result } from "../machine.ts";
import type { Mix } from "../mix.ts";
import type { Network } from "../network.ts";
import type { Oracle } from "../oracle.ts";
import type { World } from "../world.ts";

/** Faults planted into the driver, to try the simulator itself (mutants/). */
export type DriverFault = "ackBeforeSync" | "voteNotKept" | "appliedApart";

export interface Shared {
  readonly world: World;
  readonly mix: Mix;
  readonly network: Network;
  readonly oracle: Oracle;
  readonly makeCore: MakeCore;
  readonly driverFault: DriverFault | undefined;
  readonly commands: Command[];
  readonly hubs: Map<HubId, Hub>;
  readonly witnesses: ReadonlySet<HubId>;
  /** A hub has just become leader. */
  onLeader: (hub: Hub) => void;
  /** False once the storm is over. */
  isStormy: boolean;
}

export type Answer =
  | { readonly kind: "ok"; readonly index: number; readonly result: Result }
  | { readonly kind: "value"; readonly index: number; readonly value: string | undefined }
  /** Surely not done. */
  | { readonly kind: "refused"; readonly leader: HubId | null }
  /** Perhaps done. */
  | { readonly kind: "lost" };

export interface Hub {
  readonly id: HubId;
  readonly disk: Disk;
  /** Undefined while it is down. */
  core: Core | undefined;
  machine: Machine;
  /** Membership as of the last entry applied. */
  membership: Membership;
  role: Role;
  isPaused: boolean;
  clockRate: number;
  stallUntil: number;
  isDiskFull: boolean;
  readonly isWitness: boolean;
  /** Started with a damaged log: it takes entries and never votes, until it is started healed. */
  isBarred: boolean;
  start(): void;
  /** `keep`: unsynced writes that survive. */
  crash(keep: number): void;
  pause(ms: number): void;
  step(input: Input): ReturnType<Core["step"]>;
  receive(messages: readonly Message[]): void;
  propose(command: Command, answer: (answer: Answer) => void): void;
  read(key: string, answer: (answer: Answer) => void): void;
  checkpoint(): void;
}
