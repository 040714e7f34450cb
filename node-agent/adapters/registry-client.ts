// A registry client: small values, locks and watches of the cluster, for programs on an enrolled node.
// It holds a connection to every hub and follows the leader.
//
// RK1. A write has its effect once, however often it is sent (registry-lanes.ts). An error with the code
//      `outcome_unknown` means that it may have been done, any other that it surely was not.
// RK2. Without lanes (`isOnce` false) a write whose connection breaks ends with `outcome_unknown`.
// RK3. Who waits for a lock uses no lane of the writes: or those who wait would keep out who releases.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { FlagShown, ReadMode, RegistryOp } from "@gantry/shared/contract/registry-ops.ts";
import type { WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { HubPlace } from "../agent/hub-places.ts";
import type { Identity } from "../agent/ports.ts";
import {
  type CallOptions,
  type Exchange,
  openExchange,
  type Outcome,
} from "./registry-exchange.ts";
import { type Lane, makeLanes, stampOf } from "./registry-lanes.ts";
import { makeQueues, type QueueClient } from "./registry-queues.ts";
import { makeWatches, type WatchAsk } from "./registry-watch.ts";

export interface RegistryClientOptions {
  /** At least one; the hubs say where the others are. */
  readonly hubs: readonly HubPlace[];
  readonly identity: Required<Pick<Identity, "node" | "publicKey" | "secretKey" | "secret">>;
  /** Of a person or program; without it a node's rights. */
  readonly token?: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** RK1; default true. */
  readonly isOnce?: boolean;
  /** One frame for each call, or (default) one for all calls of a turn. */
  readonly framing?: "each" | "turn";
  /** For one call, once it is its turn; default TIMEOUT.proposeMs. */
  readonly timeoutMs?: number;
  /** Writes under way at once; more wait. Default 256. */
  readonly writesMax?: number;
}

export interface HeldLock {
  readonly name: string;
  readonly owner: string;
  /** The fencing token. */
  readonly token: number;
  readonly ttlMs: number;
}

export interface AcquireOptions {
  readonly ttlMs: number;
  readonly owner?: string;
  /** It ends when this node is lost. */
  readonly isOfNode?: boolean;
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/** Calls reject with GantryError: RK1. */
export interface RegistryClient extends AsyncDisposable {
  /** `ifRevision`: the revision it must be at, 0 for none; else revision_mismatch. */
  put(
    key: string,
    value: unknown,
    options?: { readonly ifRevision?: number },
  ): Promise<{ readonly revision: number }>;
  /** not_found, revision_mismatch. */
  delete(key: string, options?: { readonly ifRevision?: number }): Promise<void>;
  /** `revision` 0: there is none. Default: linearizable. */
  get(key: string, read?: ReadMode): Promise<FlagShown>;
  /**
   * lock_held; with `waitMs` (at most TIMEOUT.lockWaitMs) it waits in the lock's queue instead, and
   * rejects with lock_wait_over, deadlock, or cancelled when `signal` aborts. The wait ends with this
   * client.
   */
  acquire(name: string, options: AcquireOptions): Promise<HeldLock>;
  /** In the leader's memory. stale_token, not_found. */
  renew(name: string, token: number): Promise<HeldLock>;
  release(name: string, token: number): Promise<void>;
  /** Until the signal aborts or the client is closed; throws only if the watch is refused. */
  watch(ask: WatchAsk, signal: AbortSignal): AsyncIterable<WatchMessage>;
  /** Work of named queues. */
  readonly queues: QueueClient;
  close(): Promise<void>;
}

const LANES_MAX = 256;

export function openRegistryClient(options: RegistryClientOptions): RegistryClient {
  const { clock, random, log, identity, isOnce = true } = options;
  const writeLanes = makeLanes(options.writesMax ?? LANES_MAX);
  const waitLanes = makeLanes(LIMIT.lockQueue.max); // RK3
  const watches = makeWatches(() => exchange);
  const exchange: Exchange = openExchange({
    hubs: options.hubs,
    keys: identity,
    hello: {
      type: "registryHello",
      node: identity.node,
      secret: identity.secret,
      ...(options.token === undefined ? {} : { token: options.token }),
    },
    framing: options.framing ?? "turn",
    timeoutMs: options.timeoutMs ?? TIMEOUT.proposeMs,
    clock,
    random,
    log,
    onNews: (news) => watches.take(news),
    onWork: (work) => queues.take(work),
    onLinkLost(link) {
      watches.linkLost(link);
      queues.linkLost(link);
    },
    onLook: () => watches.look(),
  });

  const queues = makeQueues({
    exchange: () => exchange,
    write: (op) => write(op),
    clock,
    random,
    log,
  });

  async function ask(op: RegistryOp): Promise<unknown> {
    return valueOf(await exchange.call(op));
  }

  /** RK1. */
  async function write(
    op: RegistryOp,
    lanes = writeLanes,
    options: CallOptions = {},
  ): Promise<unknown> {
    if (!isOnce) return valueOf(await exchange.call(op, options));
    const lane = await lanes.take();
    for (;;) {
      if (!isOpen(lane)) {
        const opened = await exchange.call({ op: "openSession" });
        if ("fault" in opened) {
          lanes.give(lane);
          throw surelyNot(opened.fault);
        }
        lane.id = (opened.value as { session: string }).session; // domains/sessions.ts
        lane.seq = 0;
        continue;
      }
      const outcome = await exchange.call({ ...op, session: stampOf(lane) } as RegistryOp, options);
      const verdict = "fault" in outcome ? judge(lane, outcome) : "over";
      if (verdict === "again") continue;
      if (verdict === "over") lanes.give(lane);
      else lanes.leave(lane); // LN2
      if (verdict instanceof GantryError) throw verdict;
      return valueOf(outcome);
    }
  }

  async function close(): Promise<void> {
    watches.close();
    await exchange.close();
  }

  return {
    async put(key, value, { ifRevision } = {}) {
      const given = ifRevision === undefined ? {} : { ifRevision };
      return (await write({ op: "put", key, value, ...given })) as { revision: number }; // flags.ts
    },
    async delete(key, { ifRevision } = {}) {
      await write({ op: "delete", key, ...(ifRevision === undefined ? {} : { ifRevision }) });
    },
    async get(key, read = "linearizable") {
      return (await ask({ op: "get", key, read })) as FlagShown; // hands/registry-calls.ts
    },
    async acquire(name, { signal, ...given }) {
      signal?.throwIfAborted();
      const op: RegistryOp = { op: "acquire", name, ...given };
      const { waitMs } = given;
      const held = await (waitMs === undefined
        ? write(op)
        : write(op, waitLanes, { waitMs, signal }));
      return held as HeldLock; // domains/locks.ts
    },
    async renew(name, token) {
      return (await ask({ op: "renew", name, token })) as HeldLock; // domains/locks.ts
    },
    async release(name, token) {
      await write({ op: "release", name, token });
    },
    watch: watches.watch,
    queues,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function valueOf(outcome: Outcome): unknown {
  if ("fault" in outcome) throw outcome.fault;
  return outcome.value;
}

const isOpen = (lane: Lane): lane is Lane & { id: string } => lane.id !== undefined;

/** What may have been done was the opening of a session, not the write. */
const surelyNot = (fault: GantryError): GantryError =>
  fault.code === "outcome_unknown" ? new GantryError("timeout", fault.message) : fault;

/** `again`: surely nothing was done, and the lane is ready for another try. An error: nobody knows. */
function judge(
  lane: Lane,
  { fault, sent }: Extract<Outcome, { readonly fault: GantryError }>,
): "again" | "over" | GantryError {
  if (fault.code === "outcome_unknown") return fault;
  if (fault.code !== "sequence_gap" && fault.code !== "session_expired") return "over";
  // An earlier sending may have been done while the session was there.
  if (sent > 1) return new GantryError("outcome_unknown", fault.message);
  if (fault.code === "session_expired") lane.id = undefined;
  else lane.seq = Number(fault.details["next"] ?? 1) - 1; // LN1
  return "again";
}
