// GET /api/cad/jobs/ID/files/FILE: the bytes of a part's file, piece by piece as the desk gives them.
// A file never changes, so a browser keeps it.

import type { PartPiece } from "@gantry/shared/contract/schemas/cad.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { deadlineMsOf } from "./plain.ts";

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  stl: "model/stl",
  preview: "image/png",
  gcode: "text/x.gcode",
};

export const partFile =
  ({ desk, clock }: DoorDeps): Handler =>
  async (c) => {
    const request = await readRequest(c, "cadFile");
    const fetchPiece = async (offset: number): Promise<PartPiece> =>
      (await within(clock, deadlineMsOf("cadFile"), c.req.raw.signal, (signal) =>
        desk.call("cadFile", { ...request, query: { offset } }, { signal }),
      )) as PartPiece; // the reply of its schema
    const first = await fetchPiece(0);
    const { sha256, sizeBytes, name } = first;
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      let offset = 0;
      for (let piece = first; ; piece = await fetchPiece(offset)) {
        const bytes = Buffer.from(piece.base64, "base64");
        offset += bytes.length;
        yield bytes;
        if (offset >= sizeBytes || bytes.length === 0) return;
      }
    }
    const file = request.params["file"] ?? "";
    const fallback = name.replaceAll(/[^A-Za-z0-9._ -]/gu, "_");
    return new Response(ReadableStream.from(pieces()), {
      headers: {
        "content-type": MEDIA_TYPES[file] ?? "application/octet-stream",
        "content-length": String(sizeBytes),
        "content-disposition": `${file === "preview" ? "inline" : "attachment"}; filename="${fallback}"; filename*=UTF-8''${encodeURIComponent(name)}`,
        "cache-control": "private, max-age=86400, immutable",
        etag: `"${sha256}"`,
      },
    });
  };
