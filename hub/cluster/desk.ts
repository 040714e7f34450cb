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
// FW6. `no_leader` and its like say "surely not done". Once an attempt may have been done, only the log's
//      own word is believed (it knows the replay key): all else is `outcome_unknown`.
// FW7. Each sending names the reign it is for and its number: a late one does nothing (attempts.ts).
// FW8. A read that this hub cannot get confirmed though another hub leads (a link that works one way, a
//      disk that stands still) is answered by that hub.

import { randomUUID } from "node:crypto";
import { type ErrorCode, GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type RouteName, ROUTES } from "@gantry/shared/contract/routes.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { HubId } from "../consensus/types.ts";
import type { PeerCalls } from "../peers/calls.ts";
import type { Desk, DeskCallOptions, DeskRequest } from "../ports.ts";

export interface ServingParts {
  /** The whole desk while this hub leads. */
  readonly leading: () => Desk | undefined;
  /** It was elected, and its reign is about to serve. */
  readonly isElected: () => boolean;
  readonly change: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
}

/** What other hubs' requests are answered by. Waits as FW3 does; throws no_leader (FW1). */
export async function deskForOthers(
  { leading, isElected, change, clock }: ServingParts,
  signal: AbortSignal,
): Promise<Desk> {
  const hold = clock.timeout(HOLD_MS, signal);
  for (;;) {
    const desk = leading();
    if (desk !== undefined) return desk;
    if (!isElected() || hold.aborted)
      throw new GantryError("no_leader", "This hub does not lead now");
    await change(hold).catch(() => {});
  }
}

/** The kind of a forwarded request among the calls between hubs. */
export const DESK_CALL = "desk";

/** The kind by which the leader is asked whose token this is. */
export const WHO_CALL = "who";

export interface ForwardedRequest {
  readonly route: RouteName;
  readonly request: DeskRequest;
  /** Of the reign that it is for; a hub of an earlier release does not say. */
  readonly term?: number;
  /** 1, 2, ... for one request. */
  readonly attempt?: number;
}

export interface ClusterDeskParts {
  /** What every hub answers from its own rows; undefined: it needs the leader. */
  readonly local: (route: RouteName, request: DeskRequest) => Desk | undefined;
  /** The whole desk while this hub leads. */
  readonly leading: () => Desk | undefined;
  /** Another hub that leads, as far as this one knows. */
  readonly leader: () => HubId | undefined;
  /** The term that this hub is in. */
  readonly term: () => number;
  /** Resolves when `leading` or `leader` may have changed. */
  readonly change: (signal: AbortSignal) => Promise<void>;
  /** Before a request leaves this hub: blobs that it names must be where they are needed. */
  readonly prepare: (route: RouteName, request: DeskRequest, signal: AbortSignal) => Promise<void>;
  readonly calls: Pick<PeerCalls, "call">;
  /** By the rows of this hub. */
  readonly authenticate: Desk["authenticate"];
  readonly watch: Desk["watch"];
  readonly clock: Clock;
}

/** Begins the replay keys that a hub makes by itself (FW2): no client can ask again with one. */
export const OWN_KEY = "request/";

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
    if (local !== undefined) {
      try {
        return await local.call(route, request, options);
      } catch (error) {
        const isUnconfirmed = error instanceof GantryError && error.code === "no_leader";
        if (!isUnconfirmed || parts.leader() === undefined) throw error; // FW8
      }
    }
    await parts.prepare(route, request, options.signal);
    const repeatable = makeRepeatable(route, request);
    const endMs = clock.monotonic() + FAILOVER_MS;
    let mayBeDone = false;
    for (let number = 1; ; number += 1) {
      const outcome = await attempt({ route, request: repeatable, attempt: number }, options);
      if ("value" in outcome) return outcome.value;
      const { error, isFinal } = outcome;
      mayBeDone ||= outcome.mayBeDone;
      if (isFinal || clock.monotonic() >= endMs)
        throw mayBeDone && !isOfLog(error) ? outcomeUnknown(error) : error; // FW6
      // The old leader's name may linger.
      await parts.change(clock.timeout(RETRY_MS, options.signal)).catch(() => {});
    }
  }

  /** At whoever leads. Throws what is no word of a hub. */
  async function attempt(sending: ForwardedRequest, options: DeskCallOptions): Promise<Outcome> {
    const { route, request } = sending;
    const { signal, onText } = options;
    let hasText = false;
    try {
      const place = await findLeader(signal);
      if (place === undefined) return { error: noLeader(), mayBeDone: false, isFinal: true };
      const heard: DeskCallOptions = {
        ...options,
        onText(text) {
          hasText = true;
          onText?.(text);
        },
      };
      const value =
        typeof place === "string"
          ? await forward(place, { ...sending, term: parts.term() }, heard)
          : await place.call(route, request, heard);
      return { value };
    } catch (error) {
      if (!(error instanceof GantryError) || signal.aborted) throw error;
      if (!moves(error)) return { error, mayBeDone: false, isFinal: true };
      if (hasText) throw interrupted(); // FW4
      const isRead = ROUTES[route].method === "GET";
      const mayBeDone =
        !isRead && error.code === "unreachable" && error.details?.["isSent"] !== false;
      return { error, mayBeDone, isFinal: false };
    }
  }

  /** This hub's desk, or the id of the hub that leads. FW3. */
  async function findLeader(signal: AbortSignal): Promise<Desk | HubId | undefined> {
    const known = parts.leading() ?? parts.leader();
    if (known !== undefined && !signal.aborted) return known; // nearly always: no timer for it
    const hold = clock.timeout(HOLD_MS, signal);
    for (;;) {
      const place = parts.leading() ?? parts.leader();
      if (place !== undefined || hold.aborted) {
        if (signal.aborted) throw reasonOf(signal);
        return place;
      }
      await parts.change(hold).catch(() => {});
    }
  }

  function forward(
    to: HubId,
    sending: ForwardedRequest,
    { signal, onText }: DeskCallOptions,
  ): Promise<unknown> {
    const timeoutMs = TIMEOUT.answerMs;
    return parts.calls.call(to, DESK_CALL, sending, {
      signal,
      timeoutMs,
      ...(onText === undefined ? {} : { onText }),
    });
  }

  /** FW5. */
  async function authenticate(secretSha256: string): ReturnType<Desk["authenticate"]> {
    const found = await parts.authenticate(secretSha256);
    if (found !== undefined) return found;
    const limit = clock.timeout(FAILOVER_MS);
    for (;;) {
      const place = await findLeader(limit);
      if (place === undefined) throw noLeader();
      if (typeof place !== "string") return parts.authenticate(secretSha256);
      const told = await askWho(place, secretSha256, limit);
      if (told !== "no leader") return told;
      if (limit.aborted) throw noLeader();
      await clock.sleep(RETRY_MS, limit);
    }
  }

  async function askWho(
    to: HubId,
    secretSha256: string,
    signal: AbortSignal,
  ): Promise<Actor | undefined | "no leader"> {
    try {
      const options = { signal, timeoutMs: FAILOVER_MS };
      const told = await parts.calls.call(to, WHO_CALL, { secretSha256 }, options);
      return (told as { actor?: Actor }).actor; // made by a hub of this cluster
    } catch (error) {
      if (error instanceof GantryError && moves(error)) return "no leader";
      throw error;
    }
  }

  return { call, authenticate, watch: parts.watch };
}

type Outcome =
  | { readonly value: unknown }
  | { readonly error: GantryError; readonly mayBeDone: boolean; readonly isFinal: boolean };

/**
 * Another hub, or the same one in a moment, can do it. `unreachable` and `breaker_open` are of the link
 * between hubs only where they say what was sent: a node that cannot be reached is an answer.
 */
const moves = ({ code, details }: GantryError): boolean =>
  MOVES.has(code) || (OF_A_LINK.has(code) && "isSent" in details);
const OF_A_LINK: ReadonlySet<ErrorCode> = new Set(["unreachable", "breaker_open"]);
const MOVES: ReadonlySet<ErrorCode> = new Set(["no_leader", "stopping", "starting"]);

/** A refusal that the log gave: under a replay key it is the last word (hub.ts refusal). */
const isOfLog = ({ details }: GantryError): boolean => "position" in details;

/** FW2. */
function makeRepeatable(route: RouteName, request: DeskRequest): DeskRequest {
  const { method } = ROUTES[route];
  if (method === "GET" || request.replay !== undefined || request.session !== undefined) {
    return request;
  }
  // Not the request id: a client may use one id for many requests.
  const replay = { key: `${OWN_KEY}${randomUUID()}`, requestSha256: "" };
  return { ...request, replay };
}

const noLeader = (): GantryError =>
  new GantryError("no_leader", "No hub leads now", { details: { retryAfterS: 1 } });

const outcomeUnknown = (cause: GantryError): GantryError =>
  new GantryError(
    "outcome_unknown",
    "The hub that was doing it is gone, and nobody can say what became of it; ask again with the same Idempotency-Key",
    { cause, details: { retryAfterS: 1 } },
  );

const interrupted = (): GantryError =>
  new GantryError("interrupted", "The hub that was answering is gone; ask again");
