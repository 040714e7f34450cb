// GET /api/devices/ID/camera: one picture; with ?stream=1 a stream of them, as browsers show it in an <img>.
//
// CS1. At most LIMIT.cameraViewers streams for each door; one more is told busy.
// CS2. A viewer that reads slowly gets fewer pictures, not older ones, and a camera that does not answer for
//      a while gives no picture: the stream waits for it, and ends after MISSES_MAX tries in a row.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CameraPicture } from "@gantry/shared/contract/schemas/workshop.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";

const FRAME_MS = 500;
const MISSES_MAX = 20;
const BOUNDARY = "gantry-picture";

export function camera({ desk, clock }: DoorDeps): Handler {
  let viewers = 0;

  return async (c) => {
    const request = await readRequest(c, "camera");
    const take = async (signal: AbortSignal): Promise<CameraPicture> =>
      (await within(clock, TIMEOUT.pictureMs + 2_000, signal, (limited) =>
        desk.call("camera", request, { signal: limited }),
      )) as CameraPicture; // the desk gives the reply of its schema
    const gone = c.req.raw.signal;
    const first = await take(gone);
    if (request.query["stream"] !== true) {
      const headers = { "content-type": first.type, "cache-control": "no-store" };
      return new Response(Buffer.from(first.bytes, "base64"), { headers });
    }
    if (viewers >= LIMIT.cameraViewers.max) {
      throw new GantryError("busy", `${viewers} people look at cameras here already`); // CS1
    }
    viewers += 1;
    let isOpen = true;
    const isHere = (): boolean => isOpen; // a viewer may leave while a picture is awaited
    const close = (): void => {
      if (isOpen) viewers -= 1;
      isOpen = false;
    };
    gone.addEventListener("abort", close, { once: true });
    let next: CameraPicture | undefined = first;
    const body = new ReadableStream<Uint8Array>(
      {
        /** CS2: called when the viewer has room for one more. */
        async pull(controller) {
          for (let misses = 0; isHere(); misses += 1) {
            if (next === undefined) {
              await clock.sleep(FRAME_MS, gone).catch(() => undefined);
              next = await take(gone).catch(() => undefined);
            }
            if (next !== undefined && isHere()) {
              controller.enqueue(frameOf(next));
              next = undefined;
              return;
            }
            if (misses >= MISSES_MAX) break;
          }
          close();
          controller.close();
        },
        cancel: close,
      },
      { highWaterMark: 1 },
    );
    const type = `multipart/x-mixed-replace; boundary=${BOUNDARY}`;
    return new Response(body, { headers: { "content-type": type, "cache-control": "no-store" } });
  };
}

function frameOf({ type, bytes }: CameraPicture): Uint8Array {
  const picture = Buffer.from(bytes, "base64");
  const head = `--${BOUNDARY}\r\ncontent-type: ${type}\r\ncontent-length: ${picture.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), picture, Buffer.from("\r\n")]);
}
