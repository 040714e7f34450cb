import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeEgress } from "./egress.ts";
import { makeOutbound, type OutboundRequest } from "./outbound.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

const asked = (url: string, facts: Partial<OutboundRequest> = {}): OutboundRequest => ({
  method: "GET",
  url,
  headers: {},
  bytesMax: 10_000,
  timeoutMs: 5_000,
  ...facts,
});
const signal = new AbortController().signal;

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof GantryError ? error.code : "none";
};

describe("requests of workflows", () => {
  it("sends method, headers and body, and gives the answer whatever its status", async () => {
    const seen: { method?: string | undefined; headers?: IncomingHttpHeaders; body?: string } = {};
    const port = await serve((request, reply) => {
      void request.toArray().then((chunks) => {
        Object.assign(seen, {
          method: request.method,
          headers: request.headers,
          body: Buffer.concat(chunks as Buffer[]).toString(),
        });
        return reply.writeHead(418, { "x-a": "1" }).end("short");
      });
    });
    const outbound = makeOutbound(makeEgress([`127.0.0.1:${port}`]), systemClock);
    const reply = await outbound.send(
      asked(`http://127.0.0.1:${port}/p?q=1`, {
        method: "POST",
        headers: { "X-Key": "v" },
        body: "größe",
      }),
      signal,
    );
    expect([reply.status, reply.headers["x-a"], reply.bytes.toString()]).toEqual([
      418,
      "1",
      "short",
    ]);
    expect(seen).toMatchObject({
      method: "POST",
      body: "größe",
      headers: { "x-key": "v", host: `127.0.0.1:${port}` },
    });
  });

  it("connects to the address that was checked: a name is looked up once (OB1)", async () => {
    const port = await serve((_, reply) => void reply.end("pinned"));
    const answers = [["127.0.0.1"], ["169.254.169.254"]];
    const egress = makeEgress([`rebind.test:${port}`, `127.0.0.1:${port}`]);
    const outbound = makeOutbound(egress, systemClock, async () => answers.shift() ?? []);
    const reply = await outbound.send(asked(`http://rebind.test:${port}/`), signal);
    expect(reply.bytes.toString()).toBe("pinned");
    expect(await codeOf(outbound.send(asked(`http://rebind.test:${port}/`), signal))).toBe(
      "egress_denied",
    );
  });

  it("refuses a name of which one address is not allowed (OB1)", async () => {
    const egress = makeEgress(["mixed.test"]);
    const outbound = makeOutbound(egress, systemClock, async () => ["93.184.216.34", "127.0.0.1"]);
    expect(await codeOf(outbound.send(asked("http://mixed.test/"), signal))).toBe("egress_denied");
  });

  it("checks every redirect, and keeps credentials at home (OB2)", async () => {
    const heads: IncomingHttpHeaders[] = [];
    const other = await serve((request, reply) => {
      heads.push(request.headers);
      reply.end("there");
    });
    const port = await serve((request, reply) => {
      const to: Record<string, string> = {
        "/away": `http://127.0.0.1:${other}/`,
        "/in": "http://169.254.169.254/latest/meta-data/",
        "/scheme": "file:///etc/passwd",
        "/round": "/round",
        "/nowhere": "http://[",
      };
      reply.writeHead(302, { location: to[request.url ?? ""] ?? "/" }).end();
    });
    const egress = makeEgress([`127.0.0.1:${port}`, `127.0.0.1:${other}`]);
    const outbound = makeOutbound(egress, systemClock);
    const headers = { authorization: "Bearer secret", "idempotency-key": "k", "x-other": "1" };
    const base = `http://127.0.0.1:${port}`;
    const reply = await outbound.send(asked(`${base}/away`, { headers }), signal);
    expect(reply.bytes.toString()).toBe("there");
    expect(heads[0]).toMatchObject({ "x-other": "1" });
    expect(heads[0]).not.toHaveProperty("authorization");
    expect(heads[0]).not.toHaveProperty("idempotency-key");
    expect(await codeOf(outbound.send(asked(`${base}/in`), signal))).toBe("egress_denied");
    expect(await codeOf(outbound.send(asked(`${base}/scheme`), signal))).toBe("egress_denied");
    expect(await codeOf(outbound.send(asked(`${base}/round`), signal))).toBe("unreachable");
    expect(await codeOf(outbound.send(asked(`${base}/nowhere`), signal))).toBe("bad_request");
    for (const path of ["/in", "/scheme", "/nowhere"]) {
      const post = outbound.send(asked(`${base}${path}`, { method: "POST", body: "x" }), signal);
      expect(await codeOf(post)).toBe("outcome_unknown"); // OB4: the first one has it
    }
    const unsent = asked("http://169.254.169.254/", { method: "POST", body: "x" });
    expect(await codeOf(outbound.send(unsent, signal))).toBe("egress_denied");
  });

  it("is bounded in bytes and in time (OB3)", async () => {
    const port = await serve((request, reply) => {
      if (request.url === "/endless") {
        const more = (): void => {
          while (reply.write("x".repeat(1_000)));
        };
        reply.on("drain", more);
        more();
      }
    });
    const outbound = makeOutbound(makeEgress([`127.0.0.1:${port}`]), systemClock);
    const base = `http://127.0.0.1:${port}`;
    expect(await codeOf(outbound.send(asked(`${base}/endless`), signal))).toBe("too_large");
    expect(await codeOf(outbound.send(asked(`${base}/mute`, { timeoutMs: 50 }), signal))).toBe(
      "timeout",
    );
    const given = new AbortController();
    const work = outbound.send(asked(`${base}/mute`), given.signal);
    given.abort();
    expect(await codeOf(work)).toBe("cancelled");
  });

  it.each([
    { host: "evil" },
    { "transfer-encoding": "chunked" },
    { "x-a": "1\r\nx-b: 2" },
    { "a b": "1" },
  ])("refuses the headers %j", async (headers) => {
    const outbound = makeOutbound(makeEgress(["127.0.0.1"]), systemClock);
    expect(await codeOf(outbound.send(asked("http://127.0.0.1:9/", { headers }), signal))).toBe(
      "bad_request",
    );
  });
});
