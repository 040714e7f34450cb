// Test equipment: a world outside that does what it is asked once for an idempotency key, as good
// services do, and keeps the books: what was asked, and what was done under which key.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface World extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  /** Every request that arrived, by path. */
  readonly asked: ReadonlyMap<string, number>;
  /** Keys under which something was done, by path: as many as it really happened. */
  readonly done: ReadonlyMap<string, ReadonlySet<string>>;
  /** For whoever reaches the world by other ways than HTTP. */
  act(path: string, key: string): void;
  /** Requests to `/gate/...` wait from the beginning on. */
  openGate(): void;
  /** Requests to `/permit/...` are refused (403) until then. */
  permit(path: string): void;
}

const FLAKY_TRIES = 2;
const BIG_CHARS = LIMIT.runOutputBytes.max + 1_000;
const DOOR_MS = 150; // so that a hub can die while a door is moving

export async function startWorld(): Promise<World> {
  const asked = new Map<string, number>();
  const done = new Map<string, Set<string>>();
  const tries = new Map<string, number>();
  const permitted = new Set<string>();
  const gate = Promise.withResolvers<void>();

  const count = (path: string): void => void asked.set(path, (asked.get(path) ?? 0) + 1);
  function act(path: string, key: string): void {
    const keys = done.get(path) ?? new Set();
    done.set(path, keys.add(key));
  }

  /** The status, once it has happened or was refused. */
  async function serve(path: string, key: string): Promise<number> {
    const [, kind = ""] = path.split("/");
    if (kind === "gate") await gate.promise;
    if (kind === "refuse") return 400;
    if (kind === "permit" && !permitted.has(path)) return 403;
    if (kind === "flaky") {
      const tried = (tries.get(key) ?? 0) + 1;
      tries.set(key, tried);
      if (tried <= FLAKY_TRIES) return 503;
    }
    act(path, key);
    if (kind === "door") await new Promise((resolve) => setTimeout(resolve, DOOR_MS));
    return 200;
  }

  async function answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    request.resume();
    const path = request.url ?? "";
    const key = String(request.headers["idempotency-key"] ?? "");
    count(path);
    const status = await serve(path, key);
    const more = path.startsWith("/big/") ? { text: "x".repeat(BIG_CHARS) } : {};
    reply.writeHead(status, { "content-type": "application/json" });
    reply.end(JSON.stringify({ path, ...more }));
  }

  const server = createServer((request, reply) => void answer(request, reply));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    asked,
    done,
    act(path, key) {
      count(path);
      act(path, key);
    },
    openGate: gate.resolve,
    permit: (path) => void permitted.add(path),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
