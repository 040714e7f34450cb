// Answers of models and embeddings for the hub: streamed as they come, cut off at once on `cancel`.
//
// G1. A generation goes on while the hub is away; what was not sent waits and goes out, in order, when
//     a session is open again. It is bounded by the answer's own bound (LIMIT.answerTokensAsked).
// G2. Each request ends with exactly one `generated`, `embedded` or `failed`.
// G3. An id that runs already is not started again.

import { toErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Outbox } from "./outbox.ts";
import type { Hands } from "./ports.ts";

const REQUESTS_MAX = 256;

interface Request {
  readonly abort: AbortController;
  unsent: string;
  last: NodeMessage | undefined;
}

export interface Generations {
  generate(message: Extract<HubMessage, { type: "generate" }>): void;
  embed(message: Extract<HubMessage, { type: "embed" }>): void;
  cancel(id: string): void;
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
    if (request.unsent !== "") {
      if (!outbox.tell({ type: "chunk", id, text: request.unsent })) return; // G1
      request.unsent = "";
    }
    if (request.last !== undefined && outbox.tell(request.last)) requests.delete(id);
  }

  function start(
    id: string,
    work: (request: Request, signal: AbortSignal) => Promise<NodeMessage>,
  ): void {
    if (requests.has(id)) return; // G3
    if (requests.size >= REQUESTS_MAX) {
      const message = `${requests.size} requests are in hand on this node`;
      outbox.tell({ type: "failed", id, error: { code: "busy", message } });
      return;
    }
    const request: Request = { abort: new AbortController(), unsent: "", last: undefined };
    requests.set(id, request);
    const signal = AbortSignal.any([request.abort.signal, scope.signal]);
    scope.start("generation", async () => {
      try {
        request.last = await work(request, signal);
      } catch (error) {
        request.last = { type: "failed", id, error: toErrorRecord(error) };
      }
      send(id, request); // G2
    });
  }

  return {
    generate({ id, request: asked }) {
      start(id, async (request, signal) => {
        const onChunk = (text: string): void => {
          request.unsent += text;
          send(id, request);
        };
        const result = await hands.generate(id, asked, onChunk, signal);
        const isStopping = request.abort.signal.reason instanceof GantryError;
        if (isStopping) throw request.abort.signal.reason;
        return { type: "generated", id, result };
      });
    },
    embed({ id, texts }) {
      start(id, async (_request, signal) => {
        const deadline = clock.timeout(TIMEOUT.answerMs, signal);
        return { type: "embedded", id, ...(await hands.embed(texts, deadline)) };
      });
    },
    cancel: (id) => requests.get(id)?.abort.abort(),
    flush() {
      for (const [id, request] of requests) send(id, request);
    },
    stop() {
      const reason = new GantryError("stopping", "This node is being stopped");
      for (const { abort } of requests.values()) abort.abort(reason);
    },
  };
}
