// Test equipment: the world outside, as an HTTP server that keeps what was asked of it, with the
// idempotency key.

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly path: string;
  readonly key: string;
  readonly body: string;
}

export interface Outside extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly asked: readonly Asked[];
  /** Requests to paths that begin so wait until `go` is called. */
  hold(prefix: string): { readonly arrived: () => number; go(): void };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export async function startOutside(): Promise<Outside> {
  const asked: Asked[] = [];
  const holds: { prefix: string; arrived: number; wait: Promise<void> }[] = [];
  const server = createServer((request, reply) => {
    void (async () => {
      const path = request.url ?? "";
      const key = String(request.headers["idempotency-key"] ?? "");
      const body = await textOf(request);
      asked.push({ path, key, body });
      for (const hold of holds) {
        if (!path.startsWith(hold.prefix)) continue;
        hold.arrived += 1;
        await hold.wait;
      }
      const status = path.startsWith("/status/") ? Number(path.slice("/status/".length)) : 200;
      reply.writeHead(status, { "content-type": "application/json" });
      const big = path === "/big" ? { big: "x".repeat(50_000) } : {};
      reply.end(JSON.stringify({ path, n: asked.length, ...big }));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    asked,
    hold(prefix) {
      const { promise: wait, resolve: go } = Promise.withResolvers<void>();
      const hold = { prefix, arrived: 0, wait };
      holds.push(hold);
      return {
        arrived: () => hold.arrived,
        go() {
          holds.splice(holds.indexOf(hold), 1);
          go();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
