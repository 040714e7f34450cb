// Pictures as the three protocols send them. Nothing is fetched: an address would let a client have the
// hub look at what it cannot reach itself.

import { type Picture, PICTURE_TYPES } from "@gantry/shared/contract/completions.ts";
import { refuse } from "./parse.ts";

const DATA_ADDRESS = /^data:([a-z]+\/[a-z]+);base64,([A-Za-z0-9+/]+={0,2})$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** How files of each type begin, in base64. */
const BEGINNINGS: readonly (readonly [beginning: string, type: Picture["mediaType"]])[] = [
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["R0lGOD", "image/gif"],
  ["UklGR", "image/webp"],
];

/** Of a `data:` address. Throws bad_request with details {param}. */
export function pictureAt(address: string, param: string): Picture {
  const [, type, base64] = DATA_ADDRESS.exec(address) ?? [];
  return pictureOf(type, base64, param, "a data: address of ");
}

/** Throws bad_request with details {param}. */
export function pictureOf(
  type: string | undefined,
  base64: string | undefined,
  param: string,
  what = "",
): Picture {
  const mediaType = PICTURE_TYPES.find((one) => one === type);
  if (mediaType === undefined || base64 === undefined || !BASE64.test(base64))
    throw refuse(param, `must be ${what}${PICTURE_TYPES.join(", ")} in base64`);
  return { mediaType, base64 };
}

/** Of a picture whose type nobody says. Throws bad_request with details {param}. */
export function untypedPicture(base64: unknown, param: string): Picture {
  const text = typeof base64 === "string" ? base64 : "";
  const known = BEGINNINGS.find(([beginning]) => text.startsWith(beginning));
  return pictureOf(known?.[1], text, param);
}
