// Test equipment: somebody who is told of events by webhook, and keeps what they were told.

import { createServer, type ServerResponse } from "node:http";
import { freePort } from "./appliance.ts";

export interface Received {
  readonly atMs: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Exactly as it came. */
  readonly body: string;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  /** Delivery ids, in the order in which they first came. */
  ids(): readonly string[];
  /** What is answered from now on. */
  answer: (response: ServerResponse, received: Received) => void;
}

export async function startReceiver(): Promise<Receiver> {
  const port = await freePort();
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { headers } = request;
      const body = Buffer.concat(chunks).toString("utf8");
      const one = { atMs: performance.now(), headers, body };
      received.push(one);
      self.answer(response, one);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(port, "127.0.0.1", resolve);
  });
  const self: Receiver = {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    ids: () => [...new Set(received.map(({ headers }) => String(headers["webhook-id"])))],
    answer: (response) => void response.writeHead(204).end(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}
