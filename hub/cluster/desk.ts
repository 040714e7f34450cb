// The desk of a hub among others: any hub serves any request. What needs the leader's hands is done
// by the leader, and the answer, streamed or not, comes back through the hub that was asked.
//
// FW1. One hop: a request that was forwarded is never forwarded again; the hub that gets it answers
//      `no_leader` where it does not lead, and the sender looks for the leader anew.
// FW2. A request whose fate is unknown is repeated only if that is harmless: a read, or one under a
//      replay key. Requests that change something and have no key get one of the hub's own.
// FW3. While there is no leader a request waits HOLD_MS for one, then fails with Retry-After.
// FW4. After the first piece of a streamed answer nothing is repeated: the asker hears `interrupted`.
// FW5. A token that this hub does not know may have been made a moment ago at the leader: nobody is
//      turned away before the rows are current, and while that cannot be known the answer is 503.

import { randomUUID } from "node:crypto";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type RouteName, ROUTES } from "@gantry/shared/contract/routes.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { HubId } from "../consensus/types.ts";
import type { PeerCalls } from "../peers/calls.ts";
import type { Desk, DeskCallOptions, DeskRequest } from "../ports.ts";

/** The kind of a forwarded request among the calls between hubs. */
export const DESK_CALL = "desk";

export interface ForwardedRequest {
  readonly route: RouteName;
  readonly request: DeskRequest;
}

export interface ClusterDeskParts {
  /** What every hub answers from its own rows; undefined: it needs the leader. */
  readonly local: (route: RouteName, request: DeskRequest) => Desk | undefined;
  /** The whole desk while this hub leads. */
  readonly leading: () => Desk | undefined;
  /** Another hub that leads, as far as this one knows. */
  readonly leader: () => HubId | undefined;
  /** Resolves when `leading` or `leader` may have changed. */
  readonly change: (signal: AbortSignal) => Promise<void>;
  /** Before a request leaves this hub: blobs that it names must be where they are needed. */
  readonly prepare: (route: RouteName, request: DeskRequest, signal: AbortSignal) => Promise<void>;
  readonly calls: Pick<PeerCalls, "call">;
  /** By the rows of this hub. */
  readonly authenticate: Desk["authenticate"];
  /** Resolves when the rows show everything that was committed at the call. */
  readonly catchUp: () => Promise<void>;
  readonly watch: Desk["watch"];
  readonly clock: Clock;
}

const HOLD_MS = 500;
const FAILOVER_MS = 5_000;
const RETRY_MS = 20;

export function makeClusterDesk(parts: ClusterDeskParts): Desk {
  const { clock } = parts;

  async function call(
    route: RouteName,
    request: DeskRequest,
    options: DeskCallOptions,
  ): Promise<unknown> {
    const local = parts.local(route, request);
    if (local !== undefined) return local.call(route, request, options);
    await parts.prepare(route, request, options.signal);
    const repeatable = makeRepeatable(route, request);
    const endMs = clock.monotonic() + FAILOVER_MS;
    for (;;) {
      const place = await findLeader(options.signal);
      if (typeof place !== "string") return place.call(route, repeatable, options);
      const outcome = await forward(place, route, repeatable, options);
      if ("value" in outcome) return outcome.value;
      if (clock.monotonic() >= endMs) throw outcome.error;
      await clock.sleep(RETRY_MS, options.signal); // the old leader's name may linger
    }
  }

  /** This hub's desk, or the id of the hub that leads. FW3. */
  async function findLeader(signal: AbortSignal): Promise<Desk | HubId> {
    const hold = clock.timeout(HOLD_MS, signal);
    for (;;) {
      const place = parts.leading() ?? parts.leader();
      if (place !== undefined) return place;
      await parts.change(hold).catch(() => {});
      if (hold.aborted && parts.leading() === undefined && parts.leader() === undefined) {
        throw noLeader();
      }
    }
  }

  /** The answer, or an error after which it may be tried again. Throws what is final. */
  async function forward(
    to: HubId,
    route: RouteName,
    request: DeskRequest,
    { signal, onText }: DeskCallOptions,
  ): Promise<{ readonly value: unknown } | { readonly error: GantryError }> {
    let hasText = false;
    try {
      const body: ForwardedRequest = { route, request };
      const value = await parts.calls.call(to, DESK_CALL, body, {
        signal,
        timeoutMs: TIMEOUT.answerMs,
        onText(text) {
          hasText = true;
          onText?.(text);
        },
      });
      return { value };
    } catch (error) {
      if (!(error instanceof GantryError) || signal.aborted) throw error;
      if (error.code === "no_leader") return { error };
      if (error.code !== "unreachable" && error.code !== "stopping" && error.code !== "starting")
        throw error;
      if (hasText) throw interrupted(); // FW4
      return { error };
    }
  }

  /** FW5. */
  async function authenticate(secretSha256: string): ReturnType<Desk["authenticate"]> {
    const found = await parts.authenticate(secretSha256);
    if (found !== undefined) return found;
    const place = await findLeader(clock.timeout(FAILOVER_MS));
    if (typeof place === "string") await parts.catchUp().catch(() => Promise.reject(noLeader()));
    return parts.authenticate(secretSha256);
  }

  return { call, authenticate, watch: parts.watch };
}

/** FW2. */
function makeRepeatable(route: RouteName, request: DeskRequest): DeskRequest {
  const { method } = ROUTES[route];
  if (method === "GET" || request.replay !== undefined || request.session !== undefined) {
    return request;
  }
  // Not the request id: a client may use one id for many requests.
  const replay = { key: `request/${randomUUID()}`, requestSha256: "" };
  return { ...request, replay };
}

const noLeader = (): GantryError =>
  new GantryError("no_leader", "No hub leads now", { details: { retryAfterS: 1 } });

const interrupted = (): GantryError =>
  new GantryError("interrupted", "The hub that was answering is gone; ask again");
