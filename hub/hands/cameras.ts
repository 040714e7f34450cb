// Pictures of cameras, through the machine that has the printer.
//
// CA1. However many people look, a camera is asked once in FRAME_MS and never twice at a time: the others
//      get the same picture.
// CA2. A picture is soft: nothing of it is written down, and it is forgotten with the next one.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Picture, pictureSchema } from "@gantry/shared/contract/workshop.ts";
import type { Hub } from "../hub.ts";
import type { Fleet } from "./fleet.ts";

export const FRAME_MS = 500;

export interface Cameras {
  /** Throws not_found, capability_missing, device_offline, unreachable, timeout. */
  picture(printer: string): Promise<Picture>;
}

interface Shot {
  readonly atMs: number;
  readonly picture: Promise<Picture>;
}

export function makeCameras(hub: Hub, fleet: Fleet, signal: AbortSignal): Cameras {
  const shots = new Map<string, Shot>();

  async function shoot(printer: string, node: string): Promise<Picture> {
    const asked = { ask: "snapshot", printer } as const;
    const said = await fleet.ask(node, asked, TIMEOUT.pictureMs + 1_000, signal);
    const parsed = pictureSchema.safeParse(said);
    if (parsed.success) return parsed.data;
    throw new GantryError("unreachable", `What ${printer}'s camera gave is no picture`);
  }

  return {
    picture(printer) {
      const device = hub.rows.get("device", printer);
      if (device === undefined) throw new GantryError("not_found", `There is no device ${printer}`);
      const nowMs = hub.clock.monotonic();
      const last = shots.get(printer);
      if (last !== undefined && nowMs - last.atMs < FRAME_MS) return last.picture; // CA1
      const picture = shoot(printer, device.node);
      const shot = { atMs: nowMs, picture };
      shots.delete(printer);
      shots.set(printer, shot);
      const [oldest] = shots.keys();
      if (shots.size > LIMIT.cameras.max && oldest !== undefined) shots.delete(oldest);
      picture.catch(() => {
        // Whoever waits hears why; the next one asks anew, but not in the same moment.
      });
      return picture;
    },
  };
}
