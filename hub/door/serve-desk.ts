// The main thread's end of a desk port: does what the door asks and answers.
//
// SD1. One message in, one message out: a call costs the main thread two clones and no timer.
// SD2. Pieces of text made in one turn of the loop cross in one message, and always before the reply.
// SD3. A door that falls behind costs at most PENDING_MAX feed items. The oldest are dropped; as that
//      is one item more than any ring holds, every reader behind the drop finds itself outside.

import type { MessagePort } from "node:worker_threads";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makePace, type PaceSetter } from "@gantry/shared/flow/pace.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Desk, FeedItem } from "../ports.ts";
import type { DeskMessage, DoorMessage } from "./desk-messages.ts";

/** Feed batches on their way that the door has not taken yet; more are joined into one. */
const BATCHES_UNTAKEN_MAX = 4;
const PENDING_MAX = LIMIT.eventRing.max + 1;

interface Watch {
  readonly controller: AbortController;
  untaken: number;
  pending: FeedItem[];
}

/**
 * Answers the door at the other end until `scope` is left or the port closes; then it aborts what it
 * still does for that door. Errors that are not GantryErrors are logged here, once, with their cause.
 */
export function serveDesk(port: MessagePort, desk: Desk, scope: Scope, log: Logger): void {
  const calls = new Map<
    number,
    { readonly controller: AbortController; readonly pace: PaceSetter }
  >();
  const watches = new Map<number, Watch>();

  const post = (message: DeskMessage): void => port.postMessage(message);

  function fail(id: number, error: unknown): void {
    if (!(error instanceof GantryError)) log.error({ err: error }, "desk call failed");
    post({ type: "failed", id, error: toErrorRecord(error) });
  }

  async function call(message: Extract<DoorMessage, { type: "call" }>): Promise<void> {
    const { id } = message;
    const controller = new AbortController();
    const pace = makePace();
    calls.set(id, { controller, pace }); // one signal for each: a joint one costs more than most calls
    const text = makeTextBuffer((piece) => post({ type: "text", id, text: piece }));
    try {
      const value = await desk.call(message.route, message.request, {
        signal: controller.signal,
        ...(message.wantsText
          ? { onText: text.add, onPlace: (place) => post({ type: "place", id, place }), pace }
          : {}),
      });
      text.flush(); // SD2
      post({ type: "reply", id, value });
    } catch (error) {
      text.flush();
      fail(id, error);
    } finally {
      calls.delete(id);
    }
  }

  async function authenticate(id: number, secretSha256: string): Promise<void> {
    try {
      post({ type: "actor", id, actor: await desk.authenticate(secretSha256) });
    } catch (error) {
      fail(id, error);
    }
  }

  function watch({ id, types }: Extract<DoorMessage, { type: "watch" }>): void {
    const watching: Watch = { controller: new AbortController(), untaken: 0, pending: [] };
    watches.set(id, watching);
    desk.watch(
      (items) => {
        watching.pending = watching.pending.concat(items);
        if (watching.pending.length > PENDING_MAX) {
          watching.pending = watching.pending.slice(-PENDING_MAX); // SD3
        }
        pass(id, watching);
      },
      AbortSignal.any([watching.controller.signal, scope.signal]),
      {
        onBegin: (position) => post({ type: "began", id, position }),
        ...(types === undefined ? {} : { types }),
      },
    );
  }

  function pass(id: number, watching: Watch): void {
    if (watching.untaken >= BATCHES_UNTAKEN_MAX || watching.pending.length === 0) return;
    watching.untaken += 1;
    post({ type: "items", id, items: watching.pending });
    watching.pending = [];
  }

  function taken(id: number): void {
    const watching = watches.get(id);
    if (watching === undefined) return;
    watching.untaken -= 1;
    pass(id, watching);
  }

  function cancel(id: number): void {
    const reason = new GantryError("cancelled", "The caller went away");
    calls.get(id)?.controller.abort(reason);
    watches.get(id)?.controller.abort(reason);
    watches.delete(id);
  }

  function receive(message: DoorMessage): void {
    switch (message.type) {
      case "call":
        return scope.start("desk call", () => call(message));
      case "authenticate":
        return scope.start("desk call", () => authenticate(message.id, message.secretSha256));
      case "cancel":
        return cancel(message.id);
      case "hold":
        return calls.get(message.id)?.pace.set(message.isHeld);
      case "watch":
        return watch(message);
      case "taken":
        return taken(message.id);
    }
  }

  port.on("message", receive);
  port.on("close", () => {
    for (const id of [...calls.keys(), ...watches.keys()]) cancel(id);
  });
  scope.signal.addEventListener(
    "abort",
    () => {
      for (const { controller } of calls.values()) controller.abort(reasonOf(scope.signal));
      port.close();
    },
    { once: true },
  );
  post({ type: "open" });
}

interface TextBuffer {
  readonly add: (text: string) => void;
  readonly flush: () => void;
}

function makeTextBuffer(send: (text: string) => void): TextBuffer {
  let held = "";
  const flush = (): void => {
    if (held === "") return;
    send(held);
    held = "";
  };
  return {
    add(text) {
      if (held === "") setImmediate(flush);
      held += text;
    },
    flush,
  };
}
