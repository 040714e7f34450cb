// The node agent's loop: seeking -> enrolling -> greeting -> serving, and back to seeking for ever.
//
// AG1. Work in hand never depends on the session: models answer on and machines print on while the
//      hub is away, and what they had to say is said when it is back.
// AG2. A hub that does not answer heartbeats for TIMEOUT.leaseMs is lost, by a monotonic clock and not
//      counting the time in which our own loop stood still (session.ts).
// AG3. A hub that forgot this node (`unknown`) hears its whole registration again within one beat.
// AG4. A denial that asking again cannot change (removed, superseded, wrong code) ends the agent.
// AG5. A connection to every known hub is kept ready, and one session with the hub that leads. Orders
//      of any other hub are not done (stale-orders.ts).

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { RECONNECT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import { capabilitiesDigest } from "@gantry/shared/contract/capabilities.ts";
import type { HubFact } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeMailbox } from "@gantry/shared/flow/mailbox.ts";
import { makeScope, type Scope } from "@gantry/shared/flow/scope.ts";
import { makeAllegiance } from "./allegiance.ts";
import { type Arrival, Denied } from "./arrivals.ts";
import { hubPlaces } from "./hub-places.ts";
import type { Identity, OpenHubLink } from "./ports.ts";
import { type LastWord, seekLeader } from "./seeking.ts";
import { serveSession } from "./session.ts";
import { staleAnswer } from "./stale-orders.ts";
import { makeWarmLinks, type WarmLink } from "./warm-links.ts";
import type { WorkMessage, Works } from "./works.ts";

const INBOX_FRAMES_MAX = 4_096;
const FLUSH_MS = 1_000;

export interface AgentOptions {
  /** At least one; where to look until a hub has named them all, and when none of those answers. */
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
  /** On disk when it resolves. */
  readonly saveIdentity: (identity: Identity) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export type AgentState =
  | { readonly kind: "seeking" }
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

export function makeAgent(options: AgentOptions, ports: AgentPorts): Agent {
  const { works, clock, random, log } = ports;
  const { outbox } = works;
  const allegiance = makeAllegiance(options.identity, ports.saveIdentity);
  const faults = new Map<string, string>();
  let state: AgentState = { kind: "ended" };
  let serving: WarmLink | undefined;
  let toldDigest = "";

  function enter(next: AgentState): void {
    state = next;
    const { kind, ...where } = next;
    const isRetry = faults.size > 0 && kind !== "serving" && kind !== "ended";
    log[isRetry ? "debug" : "info"]({ state: kind, ...where }, "agent");
  }

  /** A hub that stays away is said once, not with each try. */
  function tellFault(address: string, { code, message }: GantryError): void {
    const isNews = faults.get(address) !== message;
    faults.set(address, message);
    log[isNews ? "warn" : "debug"]({ address, code }, message);
  }

  // --- the connections, until too much came at once or the agent is stopped ---

  /** True if it ever served. Throws Denied. */
  async function visit(signal: AbortSignal): Promise<boolean> {
    const inbox = makeMailbox<Arrival>(INBOX_FRAMES_MAX);
    await using scope: Scope = makeScope((task, error) => log.error({ task, error }, "agent"));
    const links = makeWarmLinks(
      {
        openLink: ports.openLink,
        clock,
        random,
        onEvent(from, event) {
          if (inbox.offer({ from, event }) === "full") inbox.close(); // nothing is dropped in silence
        },
      },
      scope,
    );
    const lookAround = (isLost: boolean): void =>
      links.use(hubPlaces(allegiance.identity, options.addresses, isLost), serving);
    let last: LastWord = {};
    let hasServed = false;

    function onHubs(hubs: readonly HubFact[]): void {
      scope.start("keep the hubs", () => allegiance.told(hubs));
      lookAround(false);
    }

    try {
      for (;;) {
        enter({ kind: "seeking" });
        const found = await seekLeader(
          { inbox, links, allegiance, greet, lookAround, refuse, tellFault, clock, random },
          last,
          signal,
        );
        serving = found.from;
        hasServed = true;
        faults.clear();
        lookAround(false);
        open(found.from, found.welcome.hub);
        const end = await serveSession(
          found,
          { inbox, works, clock, log, digest, tellCapabilities, onHubs, refuse },
          signal,
        );
        leave();
        last = end;
        log.warn({ address: found.from.place.address, code: end.fault.code }, end.fault.message);
      }
    } catch (error) {
      if (signal.aborted) await sayBye();
      else if (error instanceof Denied || !(error instanceof GantryError)) throw error;
      else log.warn({ code: error.code }, error.message);
      return hasServed;
    } finally {
      leave();
      await links.close();
    }
  }

  function greet({ link, place: { address } }: WarmLink): void {
    const { node, publicKey, secret } = allegiance.identity;
    const { bootId, labels, name, joinSecret: code } = options;
    if (node === undefined) {
      if (code === undefined) throw new Denied("join_code_invalid", "GANTRY_JOIN_CODE is not set");
      enter({ kind: "enrolling", address });
      link.greet({ type: "enrol", code, name, publicKey, secret });
      return;
    }
    enter({ kind: "greeting", address, node });
    const capabilities = structuredClone(works.capabilities());
    toldDigest = capabilitiesDigest(capabilities);
    link.greet({
      type: "hello",
      node,
      secret,
      bootId,
      labels: { name, ...labels },
      capabilities: writable(capabilities),
      holds: works.holds(),
    });
  }

  function open({ link, place: { address } }: WarmLink, hub: string): void {
    const { node = "" } = allegiance.identity; // a hub welcomes enrolled nodes only
    enter({ kind: "serving", address, node, hub });
    outbox.use(link);
    works.opened();
  }

  function leave(): void {
    if (serving === undefined) return;
    serving = undefined;
    outbox.use(undefined);
    works.lost();
  }

  /** AG5. */
  function refuse(from: WarmLink, message: WorkMessage): void {
    if (message.type === "stop") return works.do(message); // SO2
    const answer = staleAnswer(message);
    if (answer === undefined) return;
    log.warn({ address: from.place.address, type: message.type }, "an order of a hub we left");
    from.link.send([answer]);
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

  function digest(): string {
    capabilitiesChanged();
    return toldDigest;
  }

  async function sayBye(): Promise<void> {
    await works.stop();
    if (serving === undefined) return;
    const { link } = serving;
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
        for (let failures = 0; !signal.aborted;) {
          failures = (await visit(signal)) ? 1 : failures + 1;
          await clock.sleep(backoffMs(RECONNECT, failures, random), signal).catch(() => {});
        }
      } finally {
        enter({ kind: "ended" });
        await works.stop();
      }
    },
  };
}

/** The contract's schemas give mutable arrays; what is sent is never changed. */
const writable = <T>(value: T): Mutable<T> => value as Mutable<T>;
type Mutable<T> = T extends readonly (infer U)[]
  ? Mutable<U>[]
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T;
