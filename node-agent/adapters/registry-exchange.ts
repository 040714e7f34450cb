// The exchange of a registry client: connections to all hubs, calls under way, and who leads.
//
// RX1. A call that surely was not done is sent to the hub that leads. One whose connection broke, or
//      whose fate a hub cannot tell, is sent again only if that is harmless: a read, or a write with a
//      client session and a number.
// RX2. Every call ends within its time-out, and the number of calls is bounded.
// RX3. Who is denied by every hub it knows is told so at once. A hub that was not reached yet might still
//      let it in, and so might one that cannot know now: until then the time of the call runs.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { HubFact } from "@gantry/shared/contract/link.ts";
import type {
  RegistryCall,
  RegistryHello,
  RegistryNews,
  RegistryOp,
  RegistryReply,
  RegistryWork,
} from "@gantry/shared/contract/registry-ops.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { type HubPlace, placeKey } from "../agent/hub-places.ts";
import { faultOf, openRegistryLink, type RegistryLink } from "./registry-link.ts";

export interface ExchangeParts {
  readonly hubs: readonly HubPlace[];
  /** CURVE, Z85. */
  readonly keys: { readonly publicKey: string; readonly secretKey: string };
  readonly hello: RegistryHello;
  readonly framing: "each" | "turn";
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly onNews: (news: RegistryNews) => void;
  readonly onWork: (work: RegistryWork) => void;
  readonly onLinkLost: (link: RegistryLink) => void;
  /** Now and then: something may be possible that was not. */
  readonly onLook: () => void;
}

/** `sent`: how often it was sent and may have arrived; 1 with an answer to the only sending. */
export type Outcome =
  | { readonly value: unknown }
  | { readonly fault: GantryError; readonly sent: number };

export interface CallOptions {
  readonly waitMs?: number | undefined;
  /** The hub is told to give up a wait, once; the call ends with what it answers. */
  readonly signal?: AbortSignal | undefined;
  /** The hub has said ok to a call that opens a stream; before anything else that comes of it. */
  readonly onOpen?: ((id: number, link: RegistryLink) => void) | undefined;
}

export interface Exchange {
  /** Never rejects. `waitMs`: how long the hub may take beyond the time-out of a call. */
  call(op: RegistryOp, options?: CallOptions): Promise<Outcome>;
  /** Sends once, on a connection with a session; for watches. Undefined if there is none. */
  post(op: RegistryOp): { readonly id: number; readonly link: RegistryLink } | undefined;
  /** What the hub says to `post` comes here, once. */
  onAnswer(id: number, settle: (outcome: Outcome) => void): void;
  close(): Promise<void>;
}

interface Call {
  readonly id: number;
  readonly op: RegistryOp;
  readonly endMs: number;
  readonly settle: (outcome: Outcome) => void;
  readonly onOpen: CallOptions["onOpen"];
  sent: number;
  link: RegistryLink | undefined;
}

const SWEEP_MS = 100;
const LOOK_MS = 20;
const ELSEWHERE: ReadonlySet<string> = new Set(["no_leader", "stopping", "starting"]);

export function openExchange(parts: ExchangeParts): Exchange {
  const { clock, timeoutMs } = parts;
  const links = new Map<string, RegistryLink>();
  const open = new Map<number, Call>();
  const posted = new Map<number, (outcome: Outcome) => void>();
  let waiting = new Set<Call>(); // of `open`: to be sent
  const closed = new AbortController();
  let leader: string | undefined;
  let best: RegistryLink | undefined;
  let turn = 0; // whom to ask while no leader is known
  let nextId = 1;
  const denials = new Map<string, GantryError>(); // by place

  // ── hubs ──────────────────────────────────────────────────────────────────────────────────────

  function addHub(place: HubPlace): void {
    const key = placeKey(place);
    if (links.has(key) || closed.signal.aborted) return;
    const link: RegistryLink = openRegistryLink({
      ...parts,
      place,
      onOpen() {
        denials.delete(key);
        choose();
        sendWaiting();
        parts.onLook();
      },
      onLost() {
        choose();
        for (const call of open.values()) if (call.link === link) again(call);
        parts.onLinkLost(link);
        sendWaiting();
      },
      onDenied(error) {
        if (error.kind.retry) return;
        denials.set(key, error);
        tellDenied();
      },
      onReplies: (replies) => replies.forEach(take),
      onHubs: takeHubs,
    });
    links.set(key, link);
  }

  function takeHubs(hubs: readonly HubFact[]): void {
    if (hubs.length === 0) return;
    const named = new Set(hubs.map(placeKey));
    for (const hub of hubs) addHub(hub);
    for (const [key, link] of links) {
      if (named.has(key)) continue;
      links.delete(key);
      denials.delete(key);
      void link.close();
    }
    choose();
  }

  /** RX3. */
  function denial(): GantryError | undefined {
    return denials.size === links.size ? [...denials.values()].at(-1) : undefined;
  }

  function tellDenied(): void {
    const denied = denial();
    if (denied === undefined) return;
    for (const call of waiting) fail(call, mayBeDone(call) ? unknown(denied.message) : denied);
  }

  /** The leader if it is known, else any hub in turn. */
  function choose(): void {
    const ready = [...links.values()].filter(({ hub }) => hub !== undefined);
    best = ready.find(({ hub }) => hub === leader) ?? ready[turn % Math.max(1, ready.length)];
  }

  // ── calls ─────────────────────────────────────────────────────────────────────────────────────

  function send(call: Call, link: RegistryLink | undefined): boolean {
    if (link?.send(messageOf(call.id, call.op)) !== true) return false;
    call.link = link;
    call.sent += 1;
    return true;
  }

  function sendWaiting(): void {
    if (waiting.size === 0 || best === undefined) return;
    const all = waiting;
    waiting = new Set();
    for (const call of all) if (!send(call, best)) waiting.add(call);
  }

  /** RX1. It may have arrived. */
  function again(call: Call): void {
    call.link = undefined;
    if (isRepeatable(call.op)) waiting.add(call);
    else fail(call, unknown("The connection broke before the answer"));
  }

  /** What is not sent yet is not sent; else the hub ends it, or its time does. */
  function unwait(call: Call): void {
    if (!open.has(call.id)) return;
    if (call.sent === 0) return fail(call, new GantryError("cancelled", "The wait was given up"));
    call.link?.send(messageOf(nextId, { op: "unwait", call: call.id }));
    nextId += 1;
    return undefined;
  }

  function end(call: Call, outcome: Outcome): void {
    open.delete(call.id);
    if (waiting.size > 0) waiting.delete(call);
    call.settle(outcome);
  }
  const fail = (call: Call, fault: GantryError): void => end(call, { fault, sent: call.sent });

  function take(reply: RegistryReply): void {
    if (reply.type === "registryNews") return parts.onNews(reply);
    if (reply.type === "registryWork") return parts.onWork(reply);
    const { id } = reply;
    const call = open.get(id);
    if (call === undefined) {
      const settle = posted.get(id);
      posted.delete(id);
      settle?.(
        reply.result === "ok" ? { value: reply.value } : { fault: faultOf(reply.error), sent: 1 },
      );
      return undefined;
    }
    if (reply.result === "ok") {
      if (call.link !== undefined) call.onOpen?.(id, call.link);
      return end(call, { value: reply.value });
    }
    const fault = faultOf(reply.error);
    if (reply.result === "unknown") {
      if (isRepeatable(call.op)) waiting.add(call);
      else fail(call, unknown(fault.message));
    } else if (ELSEWHERE.has(fault.code)) goElsewhere(call, fault);
    else fail(call, fault);
    return undefined;
  }

  /** RX1. It surely was not done by this sending. */
  function goElsewhere(call: Call, { details }: GantryError): void {
    const from = call.link?.hub;
    const named = details["leader"];
    call.sent -= 1;
    call.link = undefined;
    if (typeof named === "string") leader = named;
    else if (leader === from) leader = undefined;
    if (leader === undefined) turn += 1;
    choose();
    // A hub that has just declined is asked again only after a pause.
    if (best?.hub === from || !send(call, best)) waiting.add(call);
  }

  async function keepTime(): Promise<void> {
    let sweptMs = clock.monotonic();
    for (;;) {
      await clock.sleep(LOOK_MS, closed.signal);
      sendWaiting();
      parts.onLook();
      const nowMs = clock.monotonic();
      if (nowMs - sweptMs < SWEEP_MS) continue;
      sweptMs = nowMs;
      for (const call of open.values()) if (call.endMs <= nowMs) fail(call, overdue(call)); // RX2
    }
  }

  const mayBeDone = ({ op, sent }: Call): boolean => sent > 0 && op.op !== "get";

  function overdue(call: Call): GantryError {
    if (mayBeDone(call)) return unknown(`No answer within ${timeoutMs} ms`);
    return (
      [...denials.values()].at(-1) ??
      new GantryError("no_leader", `No hub took it within ${timeoutMs} ms`)
    );
  }

  for (const place of parts.hubs) addHub(place);
  void keepTime().catch(() => {}); // closed

  return {
    call(op, { waitMs = 0, signal, onOpen } = {}) {
      const fault = closed.signal.aborted ? stopped() : (denial() ?? tooMany(open.size));
      if (fault !== undefined) return Promise.resolve({ fault, sent: 0 });
      return new Promise((settle) => {
        const id = nextId;
        nextId += 1;
        const endMs = clock.monotonic() + timeoutMs + waitMs;
        const call: Call = { id, op, endMs, settle, onOpen, sent: 0, link: undefined };
        open.set(id, call);
        signal?.addEventListener("abort", () => unwait(call), { once: true });
        if (!send(call, best)) waiting.add(call);
      });
    },
    post(op) {
      const id = nextId;
      nextId += 1;
      const link = best;
      return link?.send(messageOf(id, op)) === true ? { id, link } : undefined;
    },
    onAnswer: (id, settle) => void posted.set(id, settle),
    async close() {
      closed.abort();
      for (const call of open.values())
        fail(call, call.sent > 0 ? unknown("The client was closed") : stopped());
      await Promise.all([...links.values()].map((link) => link.close()));
    },
  };
}

const messageOf = (id: number, op: RegistryOp): RegistryCall => ({ type: "registry", id, ...op });

/** Ends and extensions of work carry a token; a stream that is opened twice is void the first time. */
const REPEATABLE: ReadonlySet<RegistryOp["op"]> = new Set([
  "get",
  "openSession",
  "work",
  "ended",
  "finish",
  "fail",
  "extend",
]);
const isRepeatable = (op: RegistryOp): boolean =>
  REPEATABLE.has(op.op) || ("session" in op && op.session !== undefined);

const unknown = (message: string): GantryError => new GantryError("outcome_unknown", message);
const stopped = (): GantryError => new GantryError("stopping", "The registry client is closed");
const tooMany = (count: number): GantryError | undefined =>
  count < LIMIT.registryCalls.max
    ? undefined
    : new GantryError("busy", "Too many registry calls are under way");
