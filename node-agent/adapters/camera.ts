// One picture of a camera: an address that gives one, or a stream of MJPEG of which the first is taken.
//
// CM1. Never more than LIMIT.pictureBytes are held, and nothing but a whole JPEG or PNG comes out.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Picture } from "@gantry/shared/contract/workshop.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";

const JPEG_START = Buffer.from([0xff, 0xd8, 0xff]);
const JPEG_END = Buffer.from([0xff, 0xd9]);
const PNG_START = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** The first whole JPEG in these bytes. */
export function jpegIn(bytes: Buffer): Buffer | undefined {
  const from = bytes.indexOf(JPEG_START);
  if (from < 0) return undefined;
  const to = bytes.indexOf(JPEG_END, from + JPEG_START.length);
  return to < 0 ? undefined : bytes.subarray(from, to + JPEG_END.length);
}

/** Throws unreachable, timeout, too_large or unsupported_media. */
export async function takePicture(
  address: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Picture> {
  const limited = clock.timeout(TIMEOUT.pictureMs, signal);
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new GantryError("bad_request", "A camera has an address that begins with http");
  }
  let held = Buffer.alloc(0);
  try {
    const reply = await fetch(url, { signal: limited });
    if (!reply.ok) throw new GantryError("unreachable", `The camera answered ${reply.status}`);
    const isStream = (reply.headers.get("content-type") ?? "").startsWith("multipart/");
    for await (const piece of reply.body ?? []) {
      held = Buffer.concat([held, piece]);
      const whole = isStream ? jpegIn(held) : undefined;
      if (whole !== undefined) return jpeg(whole);
      if (held.length > LIMIT.pictureBytes.max) {
        throw new GantryError("too_large", "The camera's picture is too large"); // CM1
      }
    }
  } catch (cause) {
    if (cause instanceof GantryError) throw cause;
    if (limited.aborted) throw limited.reason as Error;
    throw new GantryError("unreachable", "The camera does not answer", { cause });
  }
  if (held.subarray(0, PNG_START.length).equals(PNG_START)) {
    return { type: "image/png", bytes: held.toString("base64") };
  }
  if (held.indexOf(JPEG_START) === 0) return jpeg(held);
  throw new GantryError("unsupported_media", "What the camera gave is neither JPEG nor PNG");
}

const jpeg = (bytes: Buffer): Picture => ({ type: "image/jpeg", bytes: bytes.toString("base64") });
