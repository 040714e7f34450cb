import { getRequestListener } from "@hono/node-server";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { assertHost, assertOwnPage } from "../http/guard.ts";
import { makeMcpSessions } from "./sessions.ts";
import { fixtureOffer } from "./testing/fixtures.ts";
import { runConformance } from "./testing/suite.ts";

// The server core and the guards are the hub's own; what is offered are the suite's fixtures.
const sessions = makeMcpSessions({ offerFor: fixtureOffer, version: "0.1.0" });
const answer = async (request: Request): Promise<Response> => {
  try {
    const url = new URL(request.url);
    assertHost(url, new Set());
    assertOwnPage(request.headers, url, false);
    return await sessions.handle(request, "somebody");
  } catch (error) {
    return new Response(null, { status: error instanceof GantryError ? 421 : 500 });
  }
};
const listener = getRequestListener(answer);
const server = createServer((request, response) => void listener(request, response));
let url = "";
beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
});
afterAll(async () => {
  await sessions.close();
  server.closeAllConnections();
  server.close();
});

it(
  "passes every check of the published conformance suite for servers: 30 scenarios, 40 checks",
  { timeout: 240_000 },
  async () => {
    const { checks, output, code } = await runConformance(["server", "--url", url]);
    expect(checks.filter(({ status }) => status !== "SUCCESS")).toEqual([]);
    expect(new Set(checks.map(({ scenario }) => scenario)).size).toBe(30);
    expect([output.match(/Total: (.*)/)?.[1], code]).toEqual(["40 passed, 0 failed", 0]);
  },
);

it(
  "fails none of the suite's pending scenarios; its two warnings are of a client that names no version",
  { timeout: 240_000 },
  async () => {
    const args = ["server", "--suite", "pending", "--url", url];
    const { checks } = await runConformance(args);
    const notPassed = checks.filter(({ status }) => status !== "SUCCESS");
    expect(notPassed.map(({ id, status }) => [id, status])).toEqual([
      ["server-sse-priming-event", "WARNING"], // sent to protocol 2025-11-25 and later only
      ["server-sse-retry-field", "WARNING"],
    ]);
    expect(checks.length).toBeGreaterThan(notPassed.length);
  },
);
