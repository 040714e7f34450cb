import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { assertGood, makeHttpSend, multipart } from "./http-client.ts";

const never = (): AbortSignal => new AbortController().signal;
/** A stall is over at once. */
const hasty: Clock = {
  ...systemClock,
  timeout: (ms, parent) => systemClock.timeout(ms === TIMEOUT.printerStallMs ? 50 : ms, parent),
};
const send = makeHttpSend(hasty);

async function serve(listener: RequestListener): Promise<AsyncDisposable & { readonly url: URL }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address has a port
  return {
    url: new URL(`http://127.0.0.1:${port}/x`),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const body = (sizeBytes: number, chunkBytes = 65_536) => ({
  sizeBytes,
  async *chunks() {
    for (let at = 0; at < sizeBytes; at += chunkBytes) {
      yield new Uint8Array(Math.min(chunkBytes, sizeBytes - at));
    }
  },
});

describe("HTTP to a printer", () => {
  it("sends a body with its length, and gives any answer", async () => {
    let seen = 0;
    await using server = await serve((request, response) => {
      request.on("data", (part: Buffer) => (seen += part.length));
      request.on("end", () =>
        response.writeHead(409, { "x-a": request.headers["content-length"] }).end("no"),
      );
    });
    const reply = await send({ method: "PUT", url: server.url, body: body(300_000) }, never());
    expect([seen, reply.status, reply.body, reply.header("x-a")]).toEqual([
      300_000,
      409,
      "no",
      "300000",
    ]);
    expect(() => assertGood(reply, "it")).toThrow(
      expect.objectContaining({ code: "device_fault", details: { isRefused: true, status: 409 } }),
    );
  });

  it("follows nobody to another address", async () => {
    await using server = await serve((_request, response) =>
      response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    );
    const reply = await send({ method: "GET", url: server.url }, never());
    expect(() => assertGood(reply, "it")).toThrow(
      expect.objectContaining({ code: "device_fault" }),
    );
  });

  it("reads an answer that comes before everything was sent", async () => {
    await using server = await serve((_request, response) => response.writeHead(401).end("who?"));
    const reply = await send({ method: "PUT", url: server.url, body: body(50_000_000) }, never());
    expect(reply.status).toBe(401);
  });

  it("gives up an upload that nobody takes, an answer that is too long, and one that breaks off (HC1)", async () => {
    await using stuck = await serve(() => undefined);
    await expect(
      send({ method: "PUT", url: stuck.url, body: body(50_000_000) }, never()),
    ).rejects.toMatchObject({ code: "timeout" });
    await using long = await serve((_request, response) => response.end("x".repeat(3_000_000)));
    await expect(send({ method: "GET", url: long.url }, never())).rejects.toMatchObject({
      code: "too_large",
    });
    await using broken = await serve((_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("x", () => response.destroy());
    });
    await expect(send({ method: "GET", url: broken.url }, never())).rejects.toMatchObject({
      code: "unreachable",
    });
  });

  it("ends with its signal, and says nothing of what it carried (HC3)", async () => {
    const asked = Promise.withResolvers<void>();
    await using server = await serve(() => asked.resolve());
    const abort = new AbortController();
    const headers = { "x-api-key": "hunter2" };
    const sent = send({ method: "GET", url: server.url, headers }, abort.signal);
    await asked.promise;
    abort.abort();
    await expect(sent).rejects.toMatchObject({ code: "cancelled" });
    await expect(
      send({ method: "GET", url: new URL("http://127.0.0.1:1/hunter2"), headers }, never()),
    ).rejects.toThrow(/^127\.0\.0\.1:1 does not answer: ECONNREFUSED$/);
  });

  it("makes a multipart body as long as it says", async () => {
    const { body: whole } = multipart("b", { root: "gcodes" }, "a.gcode", body(70_000));
    let sizeBytes = 0;
    for await (const chunk of whole.chunks()) sizeBytes += chunk.length;
    expect(sizeBytes).toBe(whole.sizeBytes);
  });
});
