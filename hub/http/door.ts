// What the HTTP door is made of: its configuration, what it needs from outside, and what one request
// carries from middleware to handler.

import type { IncomingMessage } from "node:http";
import type { Context } from "hono";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { BlobStore, Desk } from "../ports.ts";

/** Plain data: it crosses to the worker thread. */
export interface DoorConfig {
  /** Host names that are ours, lower case, without port. Loopback names and IP addresses always are. */
  readonly names: readonly string[];
  /** True behind TLS: cookies are then `Secure` and bound to the host. */
  readonly isTls: boolean;
  /** Folder of the built console; it may be missing. */
  readonly consoleDir: string;
  readonly version: string;
}

export interface DoorDeps {
  readonly desk: Desk;
  readonly blobs: BlobStore;
  readonly config: DoorConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Owns the door's background work; once it is left, streams end and waits give up. */
  readonly scope: Scope;
}

export interface DoorEnv {
  Bindings: { readonly incoming?: IncomingMessage };
  Variables: { requestId: string; actor: Actor | null; secretSha256: string };
}

export type DoorContext = Context<DoorEnv>;

/** A route's own way of answering, for those that are more than one desk call. */
export type Handler = (c: DoorContext) => Response | Promise<Response>;

/** The address the request came from; `local` where there is no socket (tests). */
export const remoteOf = (c: DoorContext): string =>
  c.env?.incoming?.socket.remoteAddress ?? "local";
