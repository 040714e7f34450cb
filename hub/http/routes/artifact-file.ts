// GET /api/artifacts/ID/content: the bytes of an artifact or document, piece by piece as the desk gives
// them. What a run wrote is never shown as a page of ours: it is a download, and a sandbox where it is
// opened all the same.

import type { ArtifactPiece } from "@gantry/shared/contract/schemas/artifacts.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { deadlineMsOf } from "./plain.ts";

export const artifactFile =
  ({ desk, clock }: DoorDeps): Handler =>
  async (c) => {
    const request = await readRequest(c, "artifactContent");
    const fetchPiece = async (offset: number): Promise<ArtifactPiece> =>
      (await within(clock, deadlineMsOf("artifactContent"), c.req.raw.signal, (signal) =>
        desk.call(
          "artifactContent",
          { ...request, query: { ...request.query, offset } },
          { signal },
        ),
      )) as ArtifactPiece; // the reply of its schema
    const first = await fetchPiece(0);
    const { sha256, sizeBytes, name, mediaType } = first;
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      let offset = 0;
      for (let piece = first; ; piece = await fetchPiece(offset)) {
        const bytes = Buffer.from(piece.base64, "base64");
        offset += bytes.length;
        yield bytes;
        if (offset >= sizeBytes || bytes.length === 0) return;
      }
    }
    const fallback = name.replaceAll(/[^A-Za-z0-9._ -]/gu, "_");
    return new Response(ReadableStream.from(pieces()), {
      headers: {
        "content-type": /^[\w.+-]+\/[\w.+-]+(?:; charset=utf-8)?$/.test(mediaType)
          ? mediaType
          : "application/octet-stream",
        "content-length": String(sizeBytes),
        "content-disposition": `attachment; filename="${fallback}"; filename*=UTF-8''${encodeURIComponent(name)}`,
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, max-age=86400, immutable",
        etag: `"${sha256}"`,
      },
    });
  };
