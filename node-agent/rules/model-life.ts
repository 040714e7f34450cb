// The life of one model on a machine: its file, its process, its end. Pure; one owner drives it
// (agent/model-keeper.ts).
//
//   absent -> downloading -> verifying -> loading -> ready -> draining -> unloading -> absent
//                      any of them but ready and draining may become `failed`, and tries again later
//
// ML1. Requests are let in while it is ready, and at no other time.
// ML2. A process is ended when nothing runs in it any more; only its own death comes sooner.
// ML3. What fails for good (a file that is no model) is not tried again until the file changes.

import { assert } from "@gantry/shared/base/assert.ts";

export type Life =
  | { readonly kind: "absent" }
  | { readonly kind: "downloading" }
  | { readonly kind: "verifying" }
  | { readonly kind: "loading" }
  | { readonly kind: "ready"; readonly inFlight: number }
  | { readonly kind: "draining"; readonly inFlight: number; readonly next: "absent" | "loading" }
  | { readonly kind: "unloading"; readonly next: "absent" | "loading" }
  /** `isFinal`: ML3. */
  | { readonly kind: "failed"; readonly failures: number; readonly isFinal: boolean };

export type LifeEvent =
  /** Its bytes are to be fetched. */
  | { readonly type: "fetch" }
  | { readonly type: "fetched" }
  /** Its bytes are those that were promised. */
  | { readonly type: "verified" }
  /** A process is to be started for the file that is here. */
  | { readonly type: "load" }
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly isFinal: boolean }
  | { readonly type: "begin" }
  | { readonly type: "end" }
  /** `restart`: with a new process right after. */
  | { readonly type: "drain"; readonly isRestart: boolean }
  | { readonly type: "exited" }
  /** The file is another one now, or gone. */
  | { readonly type: "fileChanged" };

export const ABSENT: Life = { kind: "absent" };

/** What comes after. What does not fit the state leaves it as it is; `begin` outside ready is a bug. */
export function afterEvent(life: Life, event: LifeEvent): Life {
  switch (event.type) {
    case "fetch":
      return life.kind === "absent" || mayRetry(life) ? { kind: "downloading" } : life;
    case "fetched":
      return life.kind === "downloading" ? { kind: "verifying" } : life;
    case "verified":
      return life.kind === "verifying" ? ABSENT : life;
    case "load":
      return life.kind === "absent" || mayRetry(life) ? { kind: "loading" } : life;
    case "loaded":
      return life.kind === "loading" ? { kind: "ready", inFlight: 0 } : life;
    case "begin":
      assert(life.kind === "ready", "ML1: requests begin only in a model that is ready");
      return { kind: "ready", inFlight: life.inFlight + 1 };
    case "end":
      return afterEnd(life);
    case "drain":
      return afterDrain(life, event.isRestart ? "loading" : "absent");
    case "failed":
      return afterFailure(life, event.isFinal);
    case "exited":
      return life.kind === "unloading" ? { kind: life.next } : life;
    case "fileChanged":
      return life.kind === "failed" || life.kind === "absent" ? ABSENT : life;
  }
}

/** Whether requests may begin (ML1). */
export const isOpen = (life: Life): boolean => life.kind === "ready";

/** Whether its process holds memory, or is about to. */
export const holdsMemory = ({ kind }: Life): boolean =>
  kind === "loading" || kind === "ready" || kind === "draining" || kind === "unloading";

export const isBusy = (life: Life): boolean =>
  (life.kind === "ready" || life.kind === "draining") && life.inFlight > 0;

const mayRetry = (life: Life): boolean => life.kind === "failed" && !life.isFinal; // ML3

function afterEnd(life: Life): Life {
  if (life.kind !== "ready" && life.kind !== "draining") return life; // its process died meanwhile
  assert(life.inFlight > 0, "what ends has begun");
  const inFlight = life.inFlight - 1;
  if (life.kind === "draining" && inFlight === 0) return { kind: "unloading", next: life.next }; // ML2
  return { ...life, inFlight };
}

function afterDrain(life: Life, next: "absent" | "loading"): Life {
  if (life.kind === "draining") return next === "absent" ? { ...life, next } : life;
  if (life.kind !== "ready") return life;
  const { inFlight } = life;
  return inFlight === 0 ? { kind: "unloading", next } : { kind: "draining", inFlight, next }; // ML2
}

function afterFailure(life: Life, isFinal: boolean): Life {
  if (life.kind === "absent" || life.kind === "failed") return life;
  return { kind: "failed", failures: 1, isFinal };
}
