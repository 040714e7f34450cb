// GET /api/fabrication/jobs/ID/thumbnail: the picture itself. A browser keeps it: a job's picture never
// changes, and another job has another address.

import type { PrintThumbnail } from "@gantry/shared/contract/schemas/prints.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { deadlineMsOf } from "./plain.ts";

const MEDIA_TYPES: Readonly<Record<PrintThumbnail["format"], string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  qoi: "image/qoi",
};

export const printThumbnail =
  ({ desk, clock }: DoorDeps): Handler =>
  async (c) => {
    const request = await readRequest(c, "printThumbnail");
    const reply = await within(clock, deadlineMsOf("printThumbnail"), c.req.raw.signal, (signal) =>
      desk.call("printThumbnail", request, { signal }),
    );
    const { format, sha256, base64 } = reply as PrintThumbnail; // the reply of its schema
    const headers = {
      "content-type": MEDIA_TYPES[format],
      "cache-control": "private, max-age=86400, immutable",
      etag: `"${sha256}"`,
    };
    return new Response(Buffer.from(base64, "base64"), { headers });
  };
