// What the hub's end of the agent link needs to be told.

import type { Random } from "@gantry/shared/base/prng.ts";
import type { HubFact } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { AgentLinkHandler } from "../ports.ts";
import type { CurveKeys } from "./hub-keys.ts";

export interface AgentLinkOptions {
  /** `tcp://HOST:PORT`; port 0 takes a free one, see `endpoint`. */
  readonly bind: string;
  readonly keys: CurveKeys;
  readonly handler: AgentLinkHandler;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** What `welcome` says of this hub. Default: its public key, term 0. */
  readonly identity?: () => {
    readonly hub: string;
    readonly term: number;
    readonly cluster?: string;
  };
  /** Whether this hub may have sessions (AL6 of agent-greeting.ts). Default: it always leads. */
  readonly leading?: () => { readonly isLeading: boolean; readonly leaderId?: string };
  /** Where nodes reach the hubs of the cluster. Default: none are named. */
  readonly hubs?: () => readonly HubFact[];
  /** Silence after which a session ends; default TIMEOUT.leaseMs. */
  readonly leaseMs?: number;
}
