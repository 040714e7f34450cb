// Hears a socket of zeromq.js message by message.
//
// SR1. `receive()` settles at once while messages wait: after so many of them the loop is let go for a
//      turn, or a flood would starve every timer.
// SR2. zeromq.js offers an async iterator, which costs two promises more for each message.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Dealer, Router } from "zeromq";
import { isCode } from "./peer-socket.ts";

const MESSAGES_PER_TURN_MAX = 64;

/**
 * Until the socket is closed or the signal aborts. Rejects with what `onMessage` throws, and with
 * errors of the socket while it is open.
 */
export async function hearSocket(
  socket: Router | Dealer,
  signal: AbortSignal,
  onMessage: (parts: readonly Buffer[]) => void,
): Promise<void> {
  let heard = 0;
  while (!socket.closed && !signal.aborted) {
    let parts: readonly Buffer[];
    try {
      parts = await socket.receive(); // SR2
    } catch (error) {
      if (socket.closed && isCode(error, "EAGAIN")) return;
      throw error;
    }
    if (signal.aborted) return;
    onMessage(parts);
    heard += 1;
    if (heard % MESSAGES_PER_TURN_MAX === 0) await nextTurn(); // SR1
  }
}
