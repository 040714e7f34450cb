// The node agent's loop: seeking -> enrolling -> greeting -> serving, and back to seeking for ever.
//
// AG1. Work in hand never depends on the session: models answer on and machines print on while the
//      hub is away, and what they had to say is said when it is back.
// AG2. A hub that does not answer heartbeats for TIMEOUT.leaseMs is lost, by a monotonic clock and not
//      counting the time in which our own loop stood still.
// AG3. A hub that forgot this node (`unknown`) hears its whole registration again within one beat.
// AG4. A denial that asking again cannot change (removed, superseded, wrong code) ends the agent.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { ERRORS, fromErrorRecord, GantryError, isErrorCode } from "@gantry/shared/base/errors.ts";
import { RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import { capabilitiesDigest } from "@gantry/shared/contract/capabilities.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { type Mailbox, makeMailbox } from "@gantry/shared/flow/mailbox.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { HubLink, Identity, LinkEvent, OpenHubLink } from "./ports.ts";
import type { WorkMessage, Works } from "./works.ts";

const INBOX_FRAMES_MAX = 4_096;
const STALL_SLACK_MS = 250;
const FLUSH_MS = 1_000;

export interface AgentOptions {
  /** At least one; tried in turn. */
  readonly addresses: readonly string[];
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** New with each start. */
  readonly bootId: string;
  readonly identity: Identity;
  /** Secret of the join code; needed while the identity has no node id. */
  readonly joinSecret?: string;
}

export interface AgentPorts {
  readonly openLink: OpenHubLink;
  readonly works: Works;
  /** The hub has enrolled this node: on disk when it resolves. */
  readonly saveIdentity: (identity: Identity) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export type AgentState =
  | { readonly kind: "seeking"; readonly address: string }
  | { readonly kind: "enrolling"; readonly address: string }
  | { readonly kind: "greeting"; readonly address: string; readonly node: string }
  | {
      readonly kind: "serving";
      readonly address: string;
      readonly node: string;
      readonly hub: string;
    }
  | { readonly kind: "ended" };

export interface Agent {
  readonly state: AgentState;
  /** Resolves when `signal` aborts. Throws what a hub denied for good (AG4). */
  run(signal: AbortSignal): Promise<void>;
  /** Something this node can do came or went: the hub is told at once. */
  capabilitiesChanged(): void;
}

/** A hub said no, for good. */
class Denied extends GantryError {}

export function makeAgent(options: AgentOptions, ports: AgentPorts): Agent {
  const { works, clock, random, log } = ports;
  const { outbox } = works;
  let identity = options.identity;
  let state: AgentState = { kind: "ended" };
  let toldDigest = "";
  let lastFault: string | undefined;

  function enter(next: AgentState): void {
    state = next;
    const { kind, ...where } = next;
    const isRetry = lastFault !== undefined && kind === "seeking";
    log[isRetry ? "debug" : "info"]({ state: kind, ...where }, "agent");
  }

  // --- one connection ---

  /** From dialling to the end of the connection. True if it ever served. Throws Denied. */
  async function visit(address: string, signal: AbortSignal): Promise<boolean> {
    const inbox = makeMailbox<LinkEvent>(INBOX_FRAMES_MAX);
    const link = ports.openLink(address, (event) => {
      if (inbox.offer(event) === "full") inbox.close(); // ends as lost: nothing is dropped in silence
    });
    let hasServed = false;
    try {
      enter({ kind: "seeking", address });
      await awaitConnected(inbox, signal);
      const node = identity.node ?? (await enrol(link, inbox, address, signal));
      for (;;) {
        const rest = await greet(link, inbox, address, node, signal);
        hasServed = true;
        await serve(link, inbox, rest, signal);
        log.warn({ address }, "the hub has forgotten this node; saying hello again"); // AG3
      }
    } catch (error) {
      if (signal.aborted) await sayBye(link);
      else if (error instanceof Denied) throw error;
      else if (error instanceof GantryError) tellFault(address, error);
      else throw error;
      return hasServed;
    } finally {
      outbox.use(undefined);
      works.lost();
      await link.close(0);
    }
  }

  /** A hub that stays away is said once, not with each try. */
  function tellFault(address: string, { code, message }: GantryError): void {
    const isNews = message !== lastFault;
    lastFault = message;
    log[isNews ? "warn" : "debug"]({ address, code }, message);
  }

  async function awaitConnected(inbox: Mailbox<LinkEvent>, signal: AbortSignal): Promise<void> {
    const event = await next(inbox, clock.timeout(TIMEOUT.leaseMs, signal));
    if (event.kind !== "connected") throw lost("it spoke before it was connected");
  }

  async function enrol(
    link: HubLink,
    inbox: Mailbox<LinkEvent>,
    address: string,
    signal: AbortSignal,
  ): Promise<string> {
    const { name, joinSecret: code } = options;
    if (code === undefined) throw new Denied("join_code_invalid", "GANTRY_JOIN_CODE is not set");
    enter({ kind: "enrolling", address });
    const { publicKey, secret } = identity;
    link.greet({ type: "enrol", code, name, publicKey, secret });
    const { message } = await reply(inbox, "enrolled", clock.timeout(TIMEOUT.proposeMs, signal));
    identity = { ...identity, node: message.node };
    await ports.saveIdentity(identity);
    log.info({ node: message.node }, "enrolled");
    return message.node;
  }

  /** What came in one frame with `welcome`, after it. */
  async function greet(
    link: HubLink,
    inbox: Mailbox<LinkEvent>,
    address: string,
    node: string,
    signal: AbortSignal,
  ): Promise<readonly HubMessage[]> {
    enter({ kind: "greeting", address, node });
    outbox.use(undefined);
    const capabilities = structuredClone(works.capabilities());
    toldDigest = capabilitiesDigest(capabilities);
    const { secret } = identity;
    const { bootId, labels } = options;
    link.greet({
      type: "hello",
      node,
      secret,
      bootId,
      labels: { name: options.name, ...labels },
      capabilities: writable(capabilities),
      holds: works.holds(),
    });
    const { message, rest } = await reply(
      inbox,
      "welcome",
      clock.timeout(TIMEOUT.proposeMs, signal),
    );
    lastFault = undefined;
    enter({ kind: "serving", address, node, hub: message.hub });
    return rest;
  }

  /** Returns when the hub has forgotten this node; throws when it is lost. */
  async function serve(
    link: HubLink,
    inbox: Mailbox<LinkEvent>,
    first: readonly HubMessage[],
    signal: AbortSignal,
  ): Promise<void> {
    outbox.use(link);
    works.opened();
    let answeredMs = clock.monotonic();
    let isForgotten = false;

    function receive(message: HubMessage): void {
      if (!isAboutSession(message)) return works.do(message);
      switch (message.type) {
        case "beat":
          answeredMs = clock.monotonic();
          isForgotten ||= message.answer === "unknown";
          if (message.answer === "mismatch") tellCapabilities();
          return;
        case "denied":
          throw deniedBy(message.error);
        case "enrolled":
        case "welcome":
        case "hubs":
        case "notLeader":
          return; // the answer to an older question
      }
    }

    async function beat(signal: AbortSignal): Promise<void> {
      for (let seq = 1; ; seq += 1) {
        capabilitiesChanged();
        link.send([{ type: "beat", seq, digest: toldDigest }]);
        works.beat(seq);
        const beforeMs = clock.monotonic();
        await clock.sleep(TIMEOUT.heartbeatMs, signal);
        const nowMs = clock.monotonic();
        const lateMs = nowMs - beforeMs - TIMEOUT.heartbeatMs;
        if (lateMs > STALL_SLACK_MS) answeredMs += lateMs; // AG2
        if (nowMs - answeredMs > TIMEOUT.leaseMs) return inbox.close();
      }
    }

    await using beating = makeScope((task, error) => log.error({ task, error }, "agent"), signal);
    beating.start("beat", beat);
    for (const message of first) receive(message);
    while (!isForgotten) {
      const event = await next(inbox, signal);
      if (event.kind === "messages") for (const message of event.messages) receive(message);
    }
  }

  // --- capabilities ---

  function tellCapabilities(): void {
    const capabilities = works.capabilities();
    const isTold = outbox.tell({ type: "capabilities", capabilities: writable(capabilities) });
    if (isTold) toldDigest = capabilitiesDigest(capabilities);
  }

  function capabilitiesChanged(): void {
    if (state.kind !== "serving") return; // `hello` will say them
    if (capabilitiesDigest(works.capabilities()) !== toldDigest) tellCapabilities();
  }

  async function sayBye(link: HubLink): Promise<void> {
    await works.stop();
    if (state.kind !== "serving") return;
    link.send([{ type: "bye" }]);
    await link.close(FLUSH_MS);
  }

  return {
    get state() {
      return state;
    },
    capabilitiesChanged,
    async run(signal) {
      try {
        for (let turn = 0, failures = 0; !signal.aborted; turn += 1) {
          const address = options.addresses[turn % options.addresses.length] ?? "";
          const fromMs = clock.monotonic();
          failures = (await visit(address, signal)) ? 1 : failures + 1;
          // The socket has redialled all the time: only a visit that ended early is followed by a wait.
          const waitMs = fromMs + backoffMs(RECONNECT, failures, random) - clock.monotonic();
          if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => {});
        }
      } finally {
        enter({ kind: "ended" });
        await works.stop();
      }
    },
  };
}

/** The next event. Throws unreachable when the link is lost, timeout, or the signal's reason. */
async function next(
  inbox: Mailbox<LinkEvent>,
  signal: AbortSignal,
): Promise<Exclude<LinkEvent, { kind: "lost" }>> {
  const event = await inbox.take(signal);
  if (event === undefined) throw lost("it does not answer heartbeats");
  if (event.kind === "lost") throw lost(event.why);
  return event;
}

/** The first message of this type, and what came with it. Throws Denied, unreachable, timeout. */
async function reply<T extends HubMessage["type"]>(
  inbox: Mailbox<LinkEvent>,
  type: T,
  signal: AbortSignal,
): Promise<{ message: Extract<HubMessage, { type: T }>; rest: readonly HubMessage[] }> {
  const isReply = (message: HubMessage): message is Extract<HubMessage, { type: T }> =>
    message.type === type;
  for (;;) {
    const event = await next(inbox, signal);
    if (event.kind !== "messages") continue;
    for (const [index, message] of event.messages.entries()) {
      if (message.type === "denied") throw deniedBy(message.error);
      if (isReply(message)) return { message, rest: event.messages.slice(index + 1) };
    }
  }
}

const isAboutSession = (message: HubMessage): message is Exclude<HubMessage, WorkMessage> =>
  message.type === "beat" ||
  message.type === "denied" ||
  message.type === "enrolled" ||
  message.type === "welcome" ||
  message.type === "hubs" ||
  message.type === "notLeader";

const lost = (why: string): GantryError =>
  new GantryError("unreachable", `The hub is not there: ${why}`);

/** A denial that may change by itself is an ordinary fault; any other ends the agent (AG4). */
function deniedBy({ code, message }: { code: string; message: string }): GantryError {
  if (!isErrorCode(code)) return new GantryError("unreachable", `The hub denied: ${message}`);
  return ERRORS[code].retry ? fromErrorRecord({ code, message }) : new Denied(code, message);
}

/** The contract's schemas give mutable arrays; what is sent is never changed. */
const writable = <T>(value: T): Mutable<T> => value as Mutable<T>;
type Mutable<T> = T extends readonly (infer U)[]
  ? Mutable<U>[]
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T;
