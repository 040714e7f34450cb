// Connections of node agents to hubs in the simulated network: frames in order, late or not at all.
//
// LN1. A frame is never lost in the middle of a connection: where one cannot pass, the connection breaks.
// LN2. A process that dies by itself is seen by the other side at once, a machine without power after
//      the heartbeats of the transport (hub/adapters, notes/raft 2).

import type { HubId } from "../../../hub/consensus/types.ts";
import type { Network } from "../network.ts";
import type { World } from "../world.ts";

/** A hub's end. `key` names a connection; a new one has another key. */
export interface HubEnd {
  readonly isPaused: () => boolean;
  readonly allows: (publicKey: string) => boolean;
  readonly happens: (run: () => void) => void;
  readonly frame: (key: string, session: string, messages: readonly unknown[]) => void;
}

export interface AgentEnd {
  readonly agent: string;
  readonly publicKey: string;
  readonly happens: (run: () => void) => void;
  readonly connected: () => void;
  readonly frame: (session: string, messages: readonly unknown[]) => void;
  readonly lost: () => void;
}

export interface Line {
  readonly isOpen: boolean;
  send(session: string, messages: readonly unknown[]): void;
  close(): void;
}

export interface Lines {
  listen(hub: HubId, end: HubEnd): void;
  dial(to: HubId, end: AgentEnd): Line;
  /** From a hub to the agent at the other end of `key`. */
  post(key: string, session: string, messages: readonly unknown[]): "sent" | "absent";
  /** The process of this hub or agent is gone. */
  hangUp(who: string, isPower: boolean): void;
  /** Chance of a frame that takes up to SLOW_MS_MAX. */
  slow: number;
}

const REDIAL_MS = 100;
const HEARTBEAT_MS = 200; // two of them missed break a connection
const CLOSED_MS = 3; // the kernel tells
const SLOW_MS_MAX = 2_000; // a frame that TCP sends again

interface Open {
  readonly key: string;
  readonly hub: HubId;
  readonly end: AgentEnd;
  hubEnd: HubEnd | undefined;
  isOver: boolean;
  upAt: number;
  downAt: number;
}

export function makeLines(world: World, network: Network): Lines {
  const { random } = world;
  const hubs = new Map<HubId, HubEnd>();
  const open = new Map<string, Open>();
  let count = 0;

  const isCut = ({ hub, end: { agent } }: Open): boolean =>
    network.isBlocked(agent, hub) || network.isBlocked(hub, agent);

  function end(line: Open, toldAfterMs: number | undefined): void {
    if (line.isOver) return;
    line.isOver = true;
    open.delete(line.key);
    if (toldAfterMs === undefined) return;
    world.after(toldAfterMs, () => line.end.happens(line.end.lost));
  }

  function knock(line: Open): void {
    if (line.isOver) return;
    const hubEnd = hubs.get(line.hub);
    const isReached = hubEnd !== undefined && !hubEnd.isPaused() && !isCut(line);
    if (!isReached || !hubEnd.allows(line.end.publicKey)) {
      world.after(REDIAL_MS, () => knock(line));
      return;
    }
    line.hubEnd = hubEnd;
    open.set(line.key, line);
    line.end.happens(line.end.connected);
    world.after(HEARTBEAT_MS, () => watch(line, 0));
  }

  function watch(line: Open, missed: number): void {
    if (line.isOver) return;
    const isMissed = isCut(line) || line.hubEnd?.isPaused() === true;
    if (isMissed && missed > 0) end(line, 0);
    else world.after(HEARTBEAT_MS, () => watch(line, isMissed ? missed + 1 : 0));
  }

  const delay = (): number =>
    lines.slow > 0 && random() < lines.slow ? random() * SLOW_MS_MAX : 0.1 + random() * 2;

  /** What is sent is bytes: nobody shares an object with the other side. */
  function carry(line: Open, isUp: boolean, deliver: (copy: readonly unknown[]) => void) {
    return (messages: readonly unknown[]): void => {
      const text = JSON.stringify(messages);
      const at = Math.max(world.now + delay(), isUp ? line.upAt : line.downAt);
      if (isUp) line.upAt = at;
      else line.downAt = at;
      world.after(at - world.now, () => {
        if (line.isOver) return;
        if (isCut(line)) end(line, HEARTBEAT_MS); // LN1
        else deliver(JSON.parse(text) as readonly unknown[]); // made above
      });
    };
  }

  const lines: Lines = {
    slow: 0,
    listen: (hub, hubEnd) => void hubs.set(hub, hubEnd),
    dial(to, agentEnd) {
      count += 1;
      const key = count.toString(16).padStart(10, "0");
      const line: Open = {
        key,
        hub: to,
        end: agentEnd,
        hubEnd: undefined,
        isOver: false,
        upAt: 0,
        downAt: 0,
      };
      world.after(1 + random() * 3, () => knock(line));
      return {
        get isOpen() {
          return !line.isOver && line.hubEnd !== undefined;
        },
        send(session, messages) {
          const { hubEnd } = line;
          if (line.isOver || hubEnd === undefined) return;
          carry(line, true, (copy) => {
            hubEnd.happens(() => hubEnd.frame(key, session, copy));
          })(messages);
        },
        close: () => end(line, undefined),
      };
    },
    post(key, session, messages) {
      const line = open.get(key);
      if (line === undefined) return "absent";
      carry(line, false, (copy) => {
        line.end.happens(() => line.end.frame(session, copy));
      })(messages);
      return "sent";
    },
    hangUp(who, isPower) {
      hubs.delete(who);
      for (const line of open.values()) {
        if (line.hub === who) end(line, isPower ? HEARTBEAT_MS * 2 : CLOSED_MS); // LN2
        else if (line.end.agent === who) end(line, undefined);
      }
    },
  };
  return lines;
}
