import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import type { Span } from "../feed/traces.ts";
import { onlyTo } from "../roots/span-export.ts";
import { makeSpanExport } from "./otlp.ts";
import { makeOutbound } from "./outbound.ts";

const span = (at: number, facts: Partial<Span> = {}): Span => ({
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: at.toString(16).padStart(16, "0"),
  service: "hub",
  name: `span ${at}`,
  startMs: 1_700_000_000_000 + at,
  endMs: 1_700_000_000_001.5 + at,
  attributes: { run: "run_1", attempt: 2 },
  ...facts,
});

/** Its waits are over at once: what is tried again is tried again now. */
const hasty: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(1, signal) };

interface Collector extends AsyncDisposable {
  readonly url: string;
  readonly bodies: Json[];
  readonly answers: number[];
}
type Json = any; // eslint-disable-line typescript/no-explicit-any

async function collector(answers: number[] = []): Promise<Collector> {
  const bodies: Json[] = [];
  const server: Server = createServer((request, response) => {
    void (async () => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      const status = answers.shift() ?? 200;
      if (status === 200) bodies.push(JSON.parse(Buffer.concat(pieces).toString()));
      response.writeHead(status, { location: "http://127.0.0.1:9/" }).end("{}");
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1/traces`,
    bodies,
    answers,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort(new Error("the test is over"));
});

function exporter(url: string): ReturnType<typeof makeSpanExport> {
  const end = new AbortController();
  ends.push(end);
  const outbound = makeOutbound(onlyTo(url), systemClock);
  const out = makeSpanExport({
    url,
    version: "1.2.3",
    hubId: "hub_1",
    outbound,
    clock: hasty,
    random: () => 0.5,
  });
  void out.run(end.signal);
  return out;
}
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
};

describe("spans to a collector", () => {
  it("[M72] go as OTLP over HTTP in JSON: resources by service, ids in hex, times in nanoseconds as text, faults as status", async () => {
    await using at = await collector();
    const out = exporter(at.url);
    out.push(span(1));
    out.push(span(2, { service: "node", parentId: "00f067aa0ba902b7", error: "timeout" }));
    await until(() => out.sent() === 2);
    const [body] = at.bodies;
    expect(body.resourceSpans.map((one: Json) => one.resource.attributes[0])).toEqual([
      { key: "service.name", value: { stringValue: "gantry-hub" } },
      { key: "service.name", value: { stringValue: "gantry-node" } },
    ]);
    const [first, second] = body.resourceSpans.map((one: Json) => one.scopeSpans[0].spans[0]);
    expect(first).toEqual({
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
      spanId: "0000000000000001",
      name: "span 1",
      kind: 1,
      startTimeUnixNano: "1700000000001000000",
      endTimeUnixNano: "1700000000002500000",
      attributes: [
        { key: "run", value: { stringValue: "run_1" } },
        { key: "attempt", value: { intValue: "2" } },
      ],
      status: {},
    });
    expect(second).toMatchObject({
      parentSpanId: "00f067aa0ba902b7",
      status: { code: 2, message: "timeout" },
    });
  });

  it("are sent again when the collector is busy, and dropped and counted when it refuses them or redirects", async () => {
    await using at = await collector([503, 429, 200, 400, 302, 302, 302]);
    const out = exporter(at.url);
    out.push(span(1));
    await until(() => out.sent() === 1);
    out.push(span(2));
    await until(() => out.dropped() === 1);
    out.push(span(3));
    await until(() => out.dropped() === 2); // where a redirect leads, nothing goes
    expect(at.bodies).toHaveLength(1);
  });

  it("wait in a bounded queue while nobody takes them", () => {
    const out = makeSpanExport({
      url: "http://127.0.0.1:9/",
      version: "1",
      hubId: "h",
      outbound: { send: () => Promise.reject(new Error("not asked")) },
      clock: hasty,
      random: () => 0.5,
    });
    for (let at = 0; at < LIMIT.spansWaiting.max + 5; at += 1) out.push(span(at));
    expect(out.dropped()).toBe(5);
  });

  it("go nowhere but to the address that was set", () => {
    expect(() => onlyTo("http://a.lan:4318/x").checkUrl(new URL("http://b.lan:4318/x"))).toThrow(
      /not where/,
    );
  });
});
