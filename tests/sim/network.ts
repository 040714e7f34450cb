// The simulated network between hubs: one frame carries what one turn had for one hub.

import { between } from "@gantry/shared/base/prng.ts";
import type { HubId, Message } from "../../hub/consensus/types.ts";
import type { World } from "./world.ts";

/** Chances are in [0, 1), times in ms. */
export interface Weather {
  drop: number;
  repeat: number;
  delayMin: number;
  delayMax: number;
  /** Chance of a frame that takes up to 200 ms. */
  slow: number;
  /** Otherwise frames of one link stay in order, as on a TCP connection. */
  isReordered: boolean;
}

const SLOW_MS_MAX = 200;

export interface Network {
  weather: Weather;
  readonly frames: number;
  send(messages: readonly Message[]): void;
  block(from: HubId, to: HubId): void;
  unblock(from: HubId, to: HubId): void;
  isBlocked(from: HubId, to: HubId): boolean;
  /** Frames wait until `untilMs`, then all arrive. */
  clog(from: HubId, to: HubId, untilMs: number): void;
  heal(): void;
}

export function makeNetwork(
  world: World,
  weather: Weather,
  deliver: (to: HubId, messages: readonly Message[]) => void,
): Network {
  const blocked = new Set<string>();
  const clogged = new Map<string, number>();
  const lastAt = new Map<string, number>();
  let frames = 0;

  function carry(from: HubId, to: HubId, messages: readonly Message[]): void {
    const { random } = world;
    const link = `${from}>${to}`;
    const { delayMin, delayMax, slow, isReordered } = network.weather;
    let delay = delayMin + random() * (delayMax - delayMin);
    if (slow > 0 && random() < slow) delay = between(random, 1, SLOW_MS_MAX);
    let at = Math.max(world.now + delay, clogged.get(link) ?? 0);
    if (!isReordered) {
      at = Math.max(at, lastAt.get(link) ?? 0);
      lastAt.set(link, at);
    }
    world.after(at - world.now, () => {
      if (blocked.has(link)) return;
      world.trace(2, messages.length, messages[0]?.term ?? 0);
      deliver(to, messages);
    });
  }

  const network: Network = {
    weather,
    get frames() {
      return frames;
    },
    send(messages) {
      const byHub = new Map<HubId, Message[]>();
      for (const message of messages) {
        const list = byHub.get(message.to);
        if (list === undefined) byHub.set(message.to, [message]);
        else list.push(message);
      }
      for (const [to, list] of byHub) {
        const from = list[0]?.from ?? "";
        frames += 1;
        if (blocked.has(`${from}>${to}`)) continue;
        if (network.weather.drop > 0 && world.random() < network.weather.drop) continue;
        carry(from, to, list);
        if (network.weather.repeat > 0 && world.random() < network.weather.repeat) {
          carry(from, to, list);
        }
      }
    },
    block: (from, to) => void blocked.add(`${from}>${to}`),
    unblock: (from, to) => void blocked.delete(`${from}>${to}`),
    isBlocked: (from, to) => blocked.has(`${from}>${to}`),
    clog: (from, to, untilMs) => void clogged.set(`${from}>${to}`, untilMs),
    heal() {
      blocked.clear();
      clogged.clear();
      lastAt.clear(); // nothing waits behind a clog that is gone
    },
  };
  return network;
}
