// The emergency stop: one press, from every page, by pointer or by keyboard.
//
//   E1. Nothing stands between the press and the request: no question, no page, no other request.
//   E2. A request without an answer is sent again with the same key; stopping twice is safe.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { useEffect, useState } from "preact/hooks";
import { count } from "../core/format.ts";
import type { Problem } from "../core/views.ts";
import { call, newKey, ProblemError } from "./api.ts";
import { refreshAll } from "./resources.ts";

export type Stop =
  | { readonly kind: "armed" }
  | { readonly kind: "stopping" }
  | {
      readonly kind: "stopped";
      readonly stopped: readonly string[];
      readonly unreachable: readonly string[];
    }
  | { readonly kind: "failed"; readonly problem: Problem };

const TRIES = 3;
const PAUSE_MS = 300;

let stop: Stop = { kind: "armed" };
const watchers = new Set<(stop: Stop) => void>();

function become(next: Stop): void {
  stop = next;
  for (const watcher of watchers) watcher(stop);
}

export function useStop(): Stop {
  const [shown, show] = useState(stop);
  useEffect(() => {
    watchers.add(show);
    show(stop);
    return () => void watchers.delete(show);
  }, []);
  return shown;
}

/** Stops all printers. Never throws; a second press while the first is under way sends another. */
export async function stopAll(): Promise<void> {
  become({ kind: "stopping" });
  const key = newKey();
  for (let tries = 1; ; tries += 1) {
    try {
      const { stopped, unreachable } = await call<{ stopped: string[]; unreachable: string[] }>(
        "/api/fabrication/stop",
        { method: "POST", body: {}, key, timeoutMs: TIMEOUT.stopMs },
      );
      become({ kind: "stopped", stopped, unreachable });
      break;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const isAnswer = error.problem.status >= 400 && error.problem.status < 500;
      if (isAnswer || tries === TRIES) {
        become({ kind: "failed", problem: error.problem });
        break;
      }
      await systemClock.sleep(PAUSE_MS, AbortSignal.timeout(2 * PAUSE_MS));
    }
  }
  refreshAll();
}

export const closeStop = (): void => become({ kind: "armed" });

/** Alt+Shift+S, by the place of the key, so that it is the same on every keyboard layout. */
export function isStopKey(event: KeyboardEvent): boolean {
  return event.altKey && event.shiftKey && event.code === "KeyS" && !event.repeat;
}

/** What became of the stop, as one sentence. */
export function stopSentence({ stopped, unreachable }: Extract<Stop, { kind: "stopped" }>): string {
  const done =
    stopped.length === 0
      ? "No printer answered the stop."
      : `${count(stopped.length, "printer")} stopped: ${stopped.join(", ")}.`;
  return unreachable.length === 0
    ? done
    : `${done} NOT REACHED: ${unreachable.join(", ")}. Cut the power there.`;
}
