// A door's end of a desk port: the Desk of the main thread as seen from a worker thread.
//
// CD1. Until the main thread has opened the desk a call fails at once with `starting`; after the port
//      has closed, with `stopping`. Nobody waits for a thread that is not there.
// CD2. At most LIMIT.deskCalls calls are under way; one more is `busy`.
// CD3. A watch begins when the desk opens, if it was asked for before; it is told when the port closes.

import type { MessagePort } from "node:worker_threads";
import { fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import type { Place } from "../asking/waiting.ts";
import type { Desk, FeedItem, WatchOptions } from "../ports.ts";
import type { DeskMessage, DoorMessage } from "./desk-messages.ts";

interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onText?: (text: string) => void;
  readonly onPlace?: (place: Place) => void;
}

type Heard = Pick<PendingCall, "onText" | "onPlace"> & { readonly pace?: Pace };

interface Watch {
  readonly onItems: (items: readonly FeedItem[]) => void;
  readonly options: WatchOptions;
}

/** `callsMax`: calls under way at once. The port is closed by its owner. */
export function connectDesk(port: MessagePort, callsMax: number = LIMIT.deskCalls.max): Desk {
  const calls = new Map<number, PendingCall>();
  const watches = new Map<number, Watch>();
  let state: "starting" | "open" | "closed" = "starting";
  let lastId = 0;

  const post = (message: DoorMessage): void => port.postMessage(message);

  function nextId(): number {
    lastId += 1;
    return lastId;
  }

  function refusal(): GantryError | undefined {
    if (state === "starting") return new GantryError("starting", "The hub is still starting");
    if (state === "closed") return stopping();
    if (calls.size >= callsMax) {
      return new GantryError("busy", `${callsMax} requests are under way already`);
    }
    return undefined;
  }

  function begin(
    message: (id: number) => DoorMessage,
    signal?: AbortSignal,
    { onText, onPlace, pace }: Heard = {},
  ): Promise<unknown> {
    const refused = refusal();
    if (refused !== undefined) return Promise.reject(refused);
    if (signal?.aborted === true) return Promise.reject(reasonOf(signal));
    const id = nextId();
    const over = new AbortController();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (!calls.delete(id) || signal === undefined) return;
        post({ type: "cancel", id });
        reject(reasonOf(signal));
      };
      const end = (): void => {
        over.abort();
        signal?.removeEventListener("abort", onAbort);
      };
      calls.set(id, {
        resolve: (value) => {
          end();
          resolve(value);
        },
        reject: (error) => {
          end();
          reject(error);
        },
        ...(onText === undefined ? {} : { onText }),
        ...(onPlace === undefined ? {} : { onPlace }),
      });
      signal?.addEventListener("abort", onAbort, { once: true });
      post(message(id));
      pace?.listen((isHeld) => {
        if (calls.has(id)) post({ type: "hold", id, isHeld });
      }, over.signal);
    });
  }

  function settle(id: number, how: (call: PendingCall) => void): void {
    const call = calls.get(id);
    if (!calls.delete(id) || call === undefined) return; // cancelled before the answer came
    how(call);
  }

  function opened(): void {
    state = "open";
    for (const [id, { options }] of watches) beginWatch(id, options);
  }

  function beginWatch(id: number, { types }: WatchOptions): void {
    post({ type: "watch", id, ...(types === undefined ? {} : { types }) });
  }

  function receive(message: DeskMessage): void {
    switch (message.type) {
      case "open":
        return opened();
      case "reply":
        return settle(message.id, (call) => call.resolve(message.value));
      case "actor":
        return settle(message.id, (call) => call.resolve(message.actor));
      case "failed":
        return settle(message.id, (call) => call.reject(fromErrorRecord(message.error)));
      case "text":
        return calls.get(message.id)?.onText?.(message.text);
      case "place":
        return calls.get(message.id)?.onPlace?.(message.place);
      case "began":
        return watches.get(message.id)?.options.onBegin?.(message.position);
      case "items":
        watches.get(message.id)?.onItems(message.items);
        return post({ type: "taken", id: message.id });
    }
  }

  port.on("message", receive);
  port.on("close", () => {
    state = "closed";
    for (const id of calls.keys()) settle(id, (call) => call.reject(stopping()));
    for (const [id, { options }] of watches) {
      watches.delete(id);
      options.onEnd?.(stopping()); // CD3
    }
  });

  return {
    authenticate: (secretSha256) =>
      begin((id) => ({ type: "authenticate", id, secretSha256 })) as Promise<Actor | undefined>, // what `actor` carries
    call: (route, request, { signal, ...heard }) =>
      begin(
        (id) => ({ type: "call", id, route, request, wantsText: heard.onText !== undefined }),
        signal,
        heard,
      ),
    watch(onItems, signal, options = {}) {
      if (signal.aborted) return;
      if (state === "closed") {
        options.onEnd?.(stopping());
        return;
      }
      const id = nextId();
      watches.set(id, { onItems, options });
      if (state === "open") beginWatch(id, options);
      signal.addEventListener(
        "abort",
        () => {
          if (watches.delete(id)) post({ type: "cancel", id });
        },
        { once: true },
      );
    },
  };
}

const stopping = (): GantryError => new GantryError("stopping", "The hub is stopping");
