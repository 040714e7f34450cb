// Calls to nodes: a request that a node answers, perhaps with pieces on the way. They live in memory
// only; what must survive a crash is a job or a question in the ledger, and is called again.
//
// C1. A call ends exactly once: answer, failure, the node leaving, its time-out, or its signal.
// C2. When the caller gives up, the node is told to stop at once.
// C3. A node that answered nobody several times is left alone for a while (shared/flow/targets.ts), so
//      that others serve and nobody waits for it; a new session of it ends that. An emergency stop asks
//      it all the same.
// C4. A node that numbers its pieces gets credit for as many more as its reader is to be ahead of: none
//     while the reader is behind, which `pace` says.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import type { Targets } from "@gantry/shared/flow/targets.ts";
import type { AgentLink } from "../ports.ts";

interface Call {
  readonly node: string;
  readonly onText: (text: string, seq?: number) => void;
  readonly settle: (result: unknown) => void;
  /** The node said something about it. */
  readonly heard: () => void;
}

export interface CallOptions {
  readonly timeoutMs: number;
  /** Time to the first piece or the answer; absent: `timeoutMs`. */
  readonly firstPieceMs?: number;
  readonly onText?: (text: string) => void;
  /** Of who reads the pieces; left out: they are read as they come. */
  readonly pace?: Pace;
  /** It is sent whatever was heard of the node before (C3). */
  readonly isUrgent?: boolean;
  readonly signal: AbortSignal;
}

export interface Calls {
  /** Sends `message` and waits for what `answer` gets under its id. Throws GantryError; breaker_open (C3). */
  call(
    node: string,
    message: HubMessage & { readonly id: string },
    options: CallOptions,
  ): Promise<unknown>;
  /** `seq`: of the piece, if the node counts them. */
  piece(node: string, id: string, text: string, seq?: number): void;
  /** `result`: a value, or a GantryError. Late and unknown answers are ignored. */
  answer(node: string, id: string, result: unknown): void;
  left(node: string): void;
  inFlight(node: string): number;
}

/** `targets`: by node id; the link's session of a node is told to it by the inbox. */
export function makeCalls(link: () => AgentLink, clock: Clock, targets: Targets): Calls {
  const calls = new Map<string, Call>();

  async function call(
    node: string,
    message: HubMessage & { readonly id: string },
    options: CallOptions,
  ): Promise<unknown> {
    const { id } = message;
    if (options.isUrgent !== true) targets.admit(node); // C3
    const ended = new AbortController();
    const total = clock.timeout(options.timeoutMs, options.signal);
    return new Promise((resolve, reject) => {
      const settle = (result: unknown): void => {
        if (!calls.delete(id)) return; // C1
        total.removeEventListener("abort", onAbort);
        ended.abort();
        if (result instanceof GantryError) reject(result);
        else resolve(result);
      };
      const onAbort = (): void => {
        if (options.signal.aborted) targets.givenUp(node);
        else targets.failed(node);
        link().send(node, [{ type: "cancel", id }]); // C2
        settle(asGantryError(reasonOf(total)));
      };
      let hasPiece = false;
      let upTo: number = LIMIT.chunkCredit.max;
      let read = 0;
      const grant = (): void => {
        if (options.pace?.isHeld === true || upTo - read > LIMIT.chunkCredit.max / 2) return;
        upTo = read + LIMIT.chunkCredit.max;
        link().send(node, [{ type: "credit", id, upTo }]); // C4
      };
      options.pace?.listen(grant, ended.signal);
      const onText = (text: string, seq?: number): void => {
        hasPiece = true;
        options.onText?.(text);
        if (seq === undefined) return;
        read = seq + 1;
        grant();
      };
      let isHeard = false;
      const heard = (): void => {
        if (!isHeard) targets.answered(node);
        isHeard = true;
      };
      calls.set(id, { node, onText, settle, heard });
      if (total.aborted) return onAbort();
      total.addEventListener("abort", onAbort, { once: true });
      const sent = link().send(node, [message]);
      if (sent === "absent") {
        targets.failed(node);
        settle(new GantryError("unreachable", `Node ${node} is not connected`));
      }
      if (sent === "full") {
        targets.givenUp(node);
        settle(new GantryError("busy", `Node ${node} has too much waiting`));
      }
      const { firstPieceMs } = options;
      if (firstPieceMs === undefined || sent !== "sent") return undefined;
      const first = clock.timeout(firstPieceMs, ended.signal);
      first.addEventListener("abort", () => {
        if (hasPiece || !calls.has(id)) return;
        targets.failed(node);
        link().send(node, [{ type: "cancel", id }]);
        settle(new GantryError("timeout", `No first token within ${firstPieceMs} ms`));
      });
      return undefined;
    });
  }

  const ofNode = (node: string, id: string): Call | undefined => {
    const found = calls.get(id);
    if (found?.node !== node) return undefined;
    found.heard();
    return found;
  };

  return {
    call,
    piece: (node, id, text, seq) => ofNode(node, id)?.onText(text, seq),
    answer: (node, id, result) => ofNode(node, id)?.settle(result),
    left(node) {
      for (const found of calls.values()) {
        if (found.node !== node) continue;
        targets.failed(node);
        found.settle(new GantryError("unreachable", `Node ${node} went away during the call`));
      }
    },
    inFlight: (node) => [...calls.values()].filter((found) => found.node === node).length,
  };
}

const asGantryError = (error: Error): GantryError =>
  error instanceof GantryError ? error : new GantryError("cancelled", "The caller gave up");
