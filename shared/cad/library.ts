// The parts that Gantry can make without a model, by id.

import { GantryError } from "../base/errors.ts";
import type { Part } from "./part.ts";
import { BOX, ENCLOSURE, TRAY } from "./parts/boxes.ts";
import { BRACKET, CABLE_CLIP, HINGE, HOOK, RING, SPACER } from "./parts/fixings.ts";
import { GEAR, KNOB, STAND, TAG, WASHER } from "./parts/handles.ts";

export const PARTS: readonly Part[] = [
  BOX,
  BRACKET,
  CABLE_CLIP,
  ENCLOSURE,
  GEAR,
  HINGE,
  HOOK,
  KNOB,
  RING,
  SPACER,
  STAND,
  TAG,
  TRAY,
  WASHER,
];

const BY_ID: ReadonlyMap<string, Part> = new Map(PARTS.map((part) => [part.id, part]));

/** Throws not_found. */
export function partNamed(id: string): Part {
  const part = BY_ID.get(id);
  if (part !== undefined) return part;
  const known = PARTS.map(({ id }) => id).join(", ");
  throw new GantryError("not_found", `There is no part ${id.slice(0, 60)}; there are: ${known}`);
}
