// GET /api/models/files/HASH/NAME: a model's file, piece by piece as a machine that has it gives them. A
// download that broke off goes on where it was (Range with If-Range): the hash is the version.

import type { ModelPiece } from "@gantry/shared/contract/schemas/models.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { deadlineMsOf } from "./plain.ts";

export const modelFile =
  ({ desk, clock }: DoorDeps): Handler =>
  async (c) => {
    const request = await readRequest(c, "modelFile");
    const fetchPiece = async (offset: number): Promise<ModelPiece> =>
      (await within(clock, deadlineMsOf("modelFile"), c.req.raw.signal, (signal) =>
        desk.call("modelFile", { ...request, query: { offset } }, { signal }),
      )) as ModelPiece; // the reply of its schema
    const etag = `"${request.params["sha256"]}"`;
    const from = fromOf(c.req.header("range"), c.req.header("if-range"), etag);
    const first = await fetchPiece(from);
    const { sizeBytes } = first;
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      let offset = from;
      for (let piece = first; ; piece = await fetchPiece(offset)) {
        const bytes = Buffer.from(piece.base64, "base64");
        offset += bytes.length;
        yield bytes;
        if (offset >= sizeBytes || bytes.length === 0) return;
      }
    }
    const isRest = from > 0 && from < sizeBytes;
    return new Response(ReadableStream.from(pieces()), {
      status: isRest ? 206 : 200,
      headers: {
        "content-type": "application/octet-stream",
        "content-length": String(sizeBytes - from),
        "accept-ranges": "bytes",
        etag,
        ...(isRest ? { "content-range": `bytes ${from}-${sizeBytes - 1}/${sizeBytes}` } : {}),
      },
    });
  };

/** Where to begin: only `bytes=N-` of this version is obeyed, all else is answered with the whole. */
function fromOf(range: string | undefined, ifRange: string | undefined, etag: string): number {
  const from = Number(/^bytes=(\d{1,15})-$/.exec(range ?? "")?.[1] ?? 0);
  return ifRange === undefined || ifRange === etag ? from : 0;
}
