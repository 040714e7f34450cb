// Answers of models and embeddings for the hub: streamed as they come, cut off at once on `cancel`.
//
// G1. A generation goes on while the hub is away; what was not sent waits and goes out, in order, when
//     a session is open again. It is bounded by the answer's own bound (LIMIT.answerTokensAsked).
// G2. Each request ends with exactly one `generated`, `embedded` or `failed`.
// G3. An id that runs already is not started again: a hub that took over is told all that was said, as
//     one chunk, and then the rest. One that was given up is no longer in the way of a new one.
// G4. Where the hub gives credit, no chunk is sent beyond it and the model waits: a slow reader costs a
//     slot and no memory. One that takes nothing for TIMEOUT.creditMs is given up.

import { toErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { makePace, type PaceSetter } from "@gantry/shared/flow/pace.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Outbox } from "./outbox.ts";
import type { Hands } from "./ports.ts";

const REQUESTS_MAX = 256;

interface Request {
  readonly abort: AbortController;
  /** All that was sent. */
  said: string;
  unsent: string;
  /** The next chunk's number, and the one from which on there is no credit (G4). */
  seq: number;
  limit: number;
  readonly pace: PaceSetter;
  last: NodeMessage | undefined;
}

export interface Generations {
  generate(message: Extract<HubMessage, { type: "generate" }>): void;
  embed(message: Extract<HubMessage, { type: "embed" }>): void;
  cancel(id: string): void;
  /** G4. */
  credit(id: string, upTo: number): void;
  /** Sends what waits. Called when a session opens and with each beat. */
  flush(): void;
  /** Ends everything that runs with `stopping`. */
  stop(): void;
}

export function makeGenerations(
  hands: Hands,
  outbox: Outbox,
  clock: Clock,
  scope: Scope,
): Generations {
  const requests = new Map<string, Request>();

  function send(id: string, request: Request): void {
    if (requests.get(id) !== request) return; // a newer one has its id
    if (request.unsent !== "") {
      if (request.seq >= request.limit) return hold(request);
      const { unsent: text, seq } = request;
      if (!outbox.tell({ type: "chunk", id, text, seq })) return; // G1
      request.said += text;
      request.unsent = "";
      request.seq += 1;
      if (request.seq >= request.limit) hold(request);
    }
    if (request.last !== undefined && outbox.tell(request.last)) requests.delete(id);
  }

  /** G4. */
  function hold(request: Request): void {
    if (request.pace.isHeld) return;
    request.pace.set(true);
    const over = new AbortController();
    request.pace.listen(() => over.abort(), over.signal);
    scope.start("credit", async (signal) => {
      const early = AbortSignal.any([over.signal, request.abort.signal, signal]);
      await clock.sleep(TIMEOUT.creditMs, early).then(
        () => request.abort.abort(new GantryError("timeout", "Nobody read on for too long")),
        () => {},
      );
    });
  }

  function credit(id: string, upTo: number): void {
    const request = requests.get(id);
    if (request === undefined || upTo <= request.limit) return;
    request.limit = upTo;
    request.pace.set(false);
    send(id, request);
  }

  /** G3: from the first chunk again. */
  function again(id: string, request: Request, limit: number): void {
    request.unsent = request.said + request.unsent;
    request.said = "";
    request.seq = 0;
    request.limit = limit;
    request.pace.set(false);
    send(id, request);
  }

  function start(
    id: string,
    work: (request: Request, signal: AbortSignal) => Promise<NodeMessage>,
    limit = Number.POSITIVE_INFINITY,
  ): void {
    const known = requests.get(id);
    if (known !== undefined && !known.abort.signal.aborted) return again(id, known, limit); // G3
    if (requests.size >= REQUESTS_MAX) {
      const message = `${requests.size} requests are in hand on this node`;
      outbox.tell({ type: "failed", id, error: { code: "busy", message } });
      return;
    }
    const request: Request = {
      abort: new AbortController(),
      said: "",
      unsent: "",
      seq: 0,
      limit,
      pace: makePace(),
      last: undefined,
    };
    requests.set(id, request);
    const signal = AbortSignal.any([request.abort.signal, scope.signal]);
    scope.start("generation", async () => {
      try {
        request.last = await work(request, signal);
      } catch (error) {
        request.last = { type: "failed", id, error: toErrorRecord(error) };
      }
      if (request.abort.signal.reason instanceof GantryError) request.unsent = ""; // nobody reads it
      send(id, request); // G2
    });
  }

  return {
    generate({ id, request: asked, credit: limit }) {
      start(
        id,
        async (request, signal) => {
          const onChunk = (text: string): void => {
            request.unsent += text;
            send(id, request);
          };
          const result = await hands.generate(id, asked, onChunk, signal, request.pace);
          const isGivenUp = request.abort.signal.reason instanceof GantryError;
          if (isGivenUp) throw request.abort.signal.reason;
          return { type: "generated", id, result };
        },
        limit,
      );
    },
    embed({ id, texts }) {
      start(id, async (_request, signal) => {
        const deadline = clock.timeout(TIMEOUT.answerMs, signal);
        return { type: "embedded", id, ...(await hands.embed(texts, deadline)) };
      });
    },
    cancel: (id) => requests.get(id)?.abort.abort(),
    credit,
    flush() {
      for (const [id, request] of requests) send(id, request);
    },
    stop() {
      const reason = new GantryError("stopping", "This node is being stopped");
      for (const { abort } of requests.values()) abort.abort(reason);
    },
  };
}
