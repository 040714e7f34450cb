// A camera that this test plays: a web server with a picture of three bytes more than a JPEG needs.

import { createServer, type RequestListener } from "node:http";
import { type AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { jpegIn, takePicture } from "./camera.ts";

const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 0xff, 0xd9]);
const { signal } = new AbortController();
const ends: (() => void)[] = [];
afterEach(() => ends.splice(0).forEach((end) => end()));

async function camera(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/simulated`;
}

describe("a picture of a camera", () => {
  it("comes from an address that gives one", async () => {
    const url = await camera((_request, reply) => reply.end(JPEG));
    expect(await takePicture(url, systemClock, signal)).toEqual({
      type: "image/jpeg",
      bytes: JPEG.toString("base64"),
    });
  });

  it("is the first whole one of a stream that never ends", async () => {
    const url = await camera((_request, reply) => {
      reply.setHeader("content-type", "multipart/x-mixed-replace; boundary=x");
      reply.write(Buffer.concat([Buffer.from("--x\r\n\r\n"), JPEG.subarray(0, 5)]));
      setTimeout(() => reply.write(JPEG.subarray(5)), 5);
    });
    const { bytes } = await takePicture(url, systemClock, signal);
    expect(bytes).toBe(JPEG.toString("base64"));
  });

  it.each([
    ["too much", Buffer.alloc(LIMIT.pictureBytes.max + 1), 200, "too_large"],
    ["something else", Buffer.from("<html>"), 200, "unsupported_media"],
    ["a refusal", JPEG, 401, "unreachable"],
  ])("is refused where it is %s", async (_what, body, status, code) => {
    const url = await camera((_request, reply) => {
      reply.statusCode = status;
      reply.end(body);
    });
    await expect(takePicture(url, systemClock, signal)).rejects.toMatchObject({ code });
    await expect(takePicture("file:///etc/passwd", systemClock, signal)).rejects.toMatchObject({
      code: "bad_request",
    });
  });

  it("is whole or none, whatever comes (fuzz)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = jpegIn(Buffer.from(bytes));
        if (found === undefined) return;
        expect([found[0], found[1], found.at(-2), found.at(-1)]).toEqual([0xff, 0xd8, 0xff, 0xd9]);
      }),
    );
  });
});
