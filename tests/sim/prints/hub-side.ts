// The hubs of the simulated workshop: one log that is committed or lost, and on each hub the real fold,
// the real duties of prints and the real inbox. One leads; another may believe for a while that it still
// does, acts on rows of the past, and sends what comes of it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import type { Command, CommandBody, Reply } from "@gantry/shared/contract/commands.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { makeFeed } from "../../../hub/feed/feed.ts";
import { makeSoftState } from "../../../hub/feed/soft.ts";
import type { Calls } from "../../../hub/hands/calls.ts";
import type { Duties } from "../../../hub/hands/duties.ts";
import { type InboxParts, makeInbox } from "../../../hub/hands/inbox.ts";
import { makeOrders } from "../../../hub/hands/orders.ts";
import { makePrintDuties } from "../../../hub/hands/print-duties.ts";
import { byHub, type Hub, propose } from "../../../hub/hub.ts";
import { applyEntry, type Ledger } from "../../../hub/ledger/apply.ts";
import { makeRows, type Rows } from "../../../hub/ledger/rows.ts";
import { makeMetrics } from "../../../hub/metrics.ts";
import type { AgentLink, AgentLinkHandler } from "../../../hub/ports.ts";
import { EPOCH_MS, makeSimClock, makeSimTime } from "../replica/sim-clock.ts";
import type { World } from "../world.ts";
import type { Chaos } from "./chaos.ts";

export const HUBS = ["h1", "h2", "h3"] as const;
export type HubName = (typeof HUBS)[number];

/** One reign of one hub, as it sees itself. */
export interface Reigning {
  readonly hub: Hub;
  readonly handler: AgentLinkHandler;
  readonly isOver: () => boolean;
  /** It does not lead, whatever it believes. */
  readonly isDeposed: () => boolean;
  /** A node has a session here, or has one no more. */
  session(node: string, isOpen: boolean): void;
}

export interface HubSide {
  /** The true leader; undefined between two. */
  readonly leading: Reigning | undefined;
  /** By all that is committed. */
  readonly truth: Rows;
  /** One command by a person; undefined if no answer came. */
  ask(body: CommandBody): Promise<Reply | undefined>;
  crash(hub: string): void;
  start(hub: HubName): void;
  /** Another leads; the one before learns of it later. */
  depose(): void;
  /** Who leads, or led last. */
  readonly chief: HubName;
}

export interface HubParts {
  readonly world: World;
  readonly chaos: Chaos;
  readonly send: (from: Reigning, node: string, messages: readonly HubMessage[]) => void;
}

const COMMIT_MS_MAX = 6;
const FOLLOW_MS_MAX = 25;
const ELECTION_MS_MAX = 150;
const UNAWARE_MS_MAX = 400;
const SWEEP_MS = 300;
const ASK_MS = 900;
/** Of the commands that were under way when a leader went, this share is committed all the same. */
const KEPT = 0.5;

interface Proposal {
  readonly command: Command;
  readonly settle: (reply: Reply) => void;
  readonly fail: (error: Error) => void;
}

interface Process {
  readonly ledger: Ledger;
  applied: number;
}

export function makeHubSide({ world, chaos, send }: HubParts): HubSide {
  const { random } = world;
  const time = makeSimTime(world);
  const metrics = makeMetrics();
  const log: Command[] = [];
  const replies: Reply[] = [];
  const truth: Ledger = newLedger();
  const processes = new Map<HubName, Process>();
  let pending: Proposal[] = [];
  let leading: (Reigning & { readonly name: HubName; end(): void }) | undefined;
  let chief: HubName = "h1";
  let term = 0;
  let isElecting = false;

  function commit(command: Command): Reply {
    log.push(command);
    const [reply] = applyEntry(truth, [structuredClone(command)]).replies;
    if (reply === undefined) throw new Error("no reply");
    replies.push(reply);
    for (const [name, process] of processes) {
      if (leading?.name === name) follow(process);
      else world.after(random() * FOLLOW_MS_MAX, () => follow(process));
    }
    return reply;
  }

  /** What is committed becomes rows here. */
  function follow(process: Process): void {
    for (; process.applied < log.length; process.applied += 1) {
      const command = log[process.applied];
      if (command !== undefined) applyEntry(process.ledger, [structuredClone(command)]);
    }
  }

  function proposeAt(name: HubName, own: number, command: Command): Promise<Reply> {
    return new Promise((settle, fail) => {
      if (own !== term || leading?.name !== name) {
        world.after(50, () => fail(new GantryError("not_leader", "Another hub leads")));
        return;
      }
      chaos.atWrite("hub", name); // before it is anywhere
      if (own !== term) return;
      const proposal = { command: structuredClone(command), settle, fail };
      pending.push(proposal);
      world.after(random() * COMMIT_MS_MAX, () => {
        if (own !== term || !pending.includes(proposal)) return;
        for (const next of pending.splice(0, pending.indexOf(proposal) + 1)) {
          const reply = commit(next.command);
          chaos.atWrite("hub", name); // committed, and nobody was told
          if (own !== term) return;
          next.settle(reply);
          wake?.();
        }
      });
    });
  }

  let wake: (() => void) | undefined;

  /** The reign ends, whether its hub knows or not. */
  function endReign(isUnaware: boolean): void {
    term += 1;
    const before = leading;
    leading = undefined;
    const [lost] = [pending];
    pending = [];
    for (const { command } of lost) {
      if (random() < KEPT) commit(command);
      else break;
    }
    const tell = (): void => {
      for (const { fail } of lost) fail(new GantryError("not_leader", "Nobody knows"));
      before?.end();
    };
    if (isUnaware) world.after(random() * UNAWARE_MS_MAX, tell);
    else before?.end();
    elect();
  }

  function elect(): void {
    if (isElecting) return;
    isElecting = true;
    world.after(20 + random() * ELECTION_MS_MAX, () => {
      isElecting = false;
      const able = [...processes.keys()].filter((name) => name !== chief || processes.size === 1);
      const next = able[Math.floor(random() * able.length)];
      if (leading !== undefined || processes.size < 2 || next === undefined) return;
      reign(next);
    });
  }

  function reign(name: HubName): void {
    const process = processes.get(name);
    if (process === undefined) return;
    follow(process); // a new leader has all that is committed
    term += 1;
    chief = name;
    const own = term;
    const heard = new Map<string, number>();
    const over = new AbortController();
    const isOver = (): boolean => over.signal.aborted || processes.get(name) !== process;
    const happens = (run: () => void): void => {
      if (!isOver()) run();
    };
    const clock = makeSimClock(world, time, happens);
    const feed = makeFeed();
    const hub: Hub = {
      id: name,
      replica: {
        propose: (command: Command) => proposeAt(name, own, command),
      } as unknown as Hub["replica"], // all that propose() of hub.ts uses
      rows: process.ledger.rows,
      feed,
      soft: makeSoftState(feed),
      clock,
      stampMs: () => Math.round(EPOCH_MS + world.now),
      random,
      log: silentLogger,
      metrics,
    };
    const link = (): AgentLink =>
      ({
        send: (node: string, messages: readonly HubMessage[]) => {
          if (!isOver()) send(reigning, node, messages);
          return "sent";
        },
        heard: () => heard,
      }) as unknown as AgentLink;
    const orders = makeOrders(clock, link);
    const prints = makePrintDuties(hub, link, orders, midnight, over.signal);
    const duties = {
      wake: () => wakeUp(),
      adopt: () => Promise.resolve(),
      nodeLeft: () => Promise.resolve(),
      refused: prints.refused,
    } as unknown as Duties;
    const handler = makeInbox({
      hub,
      calls: { piece: nothing, answer: nothing, left: nothing } as unknown as Calls,
      duties,
      targets: { returned: nothing },
      blobs: {} as InboxParts["blobs"],
      link,
      makes: {
        ended: nothing,
        stepped: nothing,
        keep: nothing,
        left: nothing,
      } as unknown as InboxParts["makes"],
      runtimes: { report: nothing, forget: nothing },
      signal: over.signal,
    });
    const reigning = {
      name,
      hub,
      handler,
      isOver,
      isDeposed: () => own !== term,
      session(node: string, isOpen: boolean) {
        if (isOpen) heard.set(node, 0);
        else heard.delete(node);
      },
      end: () => over.abort(),
    };
    let isSweeping = false;
    let isAsked = false;
    function wakeUp(): void {
      isAsked = true;
      if (isSweeping || isOver()) return;
      isSweeping = true;
      isAsked = false;
      prints
        .sweep()
        .catch(nothing) // the sweep of a deposed leader
        .finally(() => {
          isSweeping = false;
          if (isAsked) world.after(1, wakeUp);
        });
    }
    const tick = (): void => {
      if (isOver()) return;
      wakeUp();
      world.after(SWEEP_MS, tick);
    };
    leading = reigning;
    wake = wakeUp;
    world.note(() => `${name} leads`);
    tick();
  }

  return {
    get leading() {
      return leading;
    },
    truth: truth.rows,
    get chief() {
      return chief;
    },
    ask(body) {
      const to = leading;
      return new Promise((resolve) => {
        world.after(ASK_MS, () => resolve(undefined));
        if (to === undefined) return;
        const by = { ...byHub(to.hub), actor: "ada" };
        propose(to.hub, body, by, new AbortController().signal).then(resolve, () => {});
      });
    },
    crash(hub) {
      const name = hub as HubName; // of HUBS
      if (!processes.delete(name)) return;
      if (leading?.name === name) endReign(false);
    },
    start(name) {
      if (processes.has(name)) return;
      const process = { ledger: newLedger(), applied: 0 };
      processes.set(name, process);
      follow(process);
      if (leading === undefined) elect();
    },
    depose() {
      if (leading !== undefined && processes.size > 1) endReign(true);
    },
  };
}

const nothing = (): void => {};
const midnight = (): number => 0;

const newLedger = (): Ledger => ({ rows: makeRows(() => undefined, []), position: 0 });

/** How a node proves who it is. */
export const secretOf = (node: string): string => `secret of ${node}`;
export const secretSha256Of = (node: string): string => sha256(secretOf(node));
