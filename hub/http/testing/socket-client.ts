// Reads an event stream over WebSocket in tests.

import { WebSocket } from "ws";
import type { SocketMessage } from "@gantry/shared/contract/sockets.ts";
import { eventually } from "./rig.ts";

export interface SocketClient extends AsyncDisposable {
  readonly socket: WebSocket;
  readonly messages: SocketMessage[];
  /** Of a handshake that was refused. */
  readonly refused:
    | { readonly status: number; readonly body: { readonly code?: string } }
    | undefined;
  /** Why it was closed; undefined while it is open. */
  readonly closed: () => number | undefined;
  /** Events, without positions, once there are `count` of them. */
  take(count: number): Promise<readonly SocketMessage[]>;
}

type Options = ConstructorParameters<typeof WebSocket>[2];

/** Resolves when it is open, or was refused. */
export async function openSocket(url: string, options: Options = {}): Promise<SocketClient> {
  const socket = new WebSocket(url, options);
  const messages: SocketMessage[] = [];
  let code: number | undefined;
  socket.on("message", (data: Buffer) =>
    messages.push(JSON.parse(data.toString("utf8")) as SocketMessage),
  );
  socket.on("error", () => undefined);
  socket.on("close", (closeCode) => {
    code = closeCode;
  });
  const refused = await new Promise<SocketClient["refused"]>((resolve) => {
    socket.once("open", () => resolve(undefined));
    socket.once("unexpected-response", (request, response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => {
        request.destroy();
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as { code?: string } });
      });
    });
  });
  const events = (): readonly SocketMessage[] =>
    messages.filter(({ event }) => event !== "position");
  return {
    socket,
    messages,
    refused,
    closed: () => code,
    async take(count) {
      await eventually(() => events().length >= count || code !== undefined);
      return events();
    },
    async [Symbol.asyncDispose]() {
      socket.terminate();
    },
  };
}
