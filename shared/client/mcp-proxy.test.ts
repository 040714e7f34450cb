import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../flow/clock.ts";
import { proxyMcp } from "./mcp-proxy.ts";

const ends: (() => void)[] = [];
afterEach(() => ends.splice(0).forEach((end) => end()));

type Answer = (method: string, body: string) => { status: number; type: string; body: string };

async function hub(answer: Answer): Promise<string> {
  const server = createServer((request: IncomingMessage, response) => {
    let body = "";
    request.on("data", (bytes: Buffer) => (body += bytes.toString()));
    request.on("end", () => {
      const { status, type, body: text } = answer(request.method ?? "", body);
      response.writeHead(status, { "content-type": type, "mcp-session-id": "s1" });
      response.end(text);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function carry(baseUrl: string, pieces: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  const { signal } = new AbortController();
  async function* input(): AsyncGenerator<string> {
    yield* pieces;
  }
  const write = (line: string): void => void lines.push(line);
  const parts = { baseUrl, token: "t", clock: systemClock, signal, warn: () => {} };
  await proxyMcp({ ...parts, input: input(), write });
  return lines;
}

const json = (value: unknown): { status: number; type: string; body: string } => ({
  status: 200,
  type: "application/json",
  body: JSON.stringify(value),
});

it("carries lines however they are cut, and answers of both kinds (MX1)", async () => {
  const url = await hub((method, body) => {
    if (method !== "POST") return { status: 405, type: "text/plain", body: "" };
    const { id } = JSON.parse(body) as { id: number };
    const reply = { jsonrpc: "2.0", id, result: {} };
    if (id === 1) return json(reply);
    return {
      status: 200,
      type: "text/event-stream",
      body: `id: a\ndata: ${JSON.stringify(reply)}\n\n: ping\n\n`,
    };
  });
  const lines = await carry(url, [
    '{"jsonrpc":"2.0","id":1,"meth',
    'od":"initialize"}\n{"id":2,"method":"ping"}\n',
  ]);
  expect(
    lines.map((line) => (JSON.parse(line) as { id: number }).id).toSorted((a, b) => a - b),
  ).toEqual([1, 2]);
});

it("answers by itself where the hub cannot be given the message (MX2)", async () => {
  const refused = await hub(() => ({
    status: 401,
    type: "application/problem+json",
    body: '{"code":"x"}',
  }));
  const [line = ""] = await carry(refused, ['{"id":7,"method":"initialize"}\n']);
  expect(JSON.parse(line)).toMatchObject({ id: 7, error: { message: "The hub answered 401" } });
  const [gone = ""] = await carry("http://127.0.0.1:9", ['{"id":8,"method":"initialize"}\n']);
  expect(JSON.parse(gone)).toMatchObject({ id: 8, error: { code: -32_000 } });
});

it(
  "takes any input and any answer, and writes JSON lines only (MP1)",
  { timeout: 60_000 },
  async () => {
    let body = "";
    let type = "application/json";
    const url = await hub(() => ({ status: 200, type, body }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.json().map((text) => `${text}\n`),
          ),
          { maxLength: 4 },
        ),
        fc.oneof(
          fc.json(),
          fc.json().map((text) => `data: ${text}\n\n`),
        ),
        fc.boolean(),
        async (pieces, answer, isStream) => {
          body = answer;
          type = isStream ? "text/event-stream" : "application/json";
          for (const line of await carry(url, pieces)) expect(() => JSON.parse(line)).not.toThrow();
        },
      ),
      { numRuns: 60 },
    );
  },
);
