// One Marlin printer on a cable, as a PrinterPort: keeps its cable open, knows its state, works on at most one job.
//
//   offline -> opening -> online (idle | job) -> offline ...
//   fault and stopped last until a person says `reset`.
//
// DR1. A job's first byte leaves at most once: the journal has `started` on the disk before it, and a
//      job that the journal knows is never started again.
// DR2. A job that the journal calls started or preparing, but nobody works on, was interrupted by a
//      crash. It is reported so after the heaters are off, or after LOST_MS if the printer does not
//      answer.
// DR3. An emergency stop is one synchronous write past every queue, and needs no token.
// DR4. Between two awaits everything may have changed; preparation.ts looks again after each.
// DR5. No order with a token below the highest seen does anything.
// DR6. A `start` is accepted once its token and the job, as `preparing`, are on the disk. What is
//      found wrong later is the job's end, with startedCount 0; a repeat meanwhile is only noted.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RECONNECT } from "@gantry/shared/base/policy.ts";
import type { PrinterPhase } from "@gantry/shared/contract/bridge.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { PrinterSpec } from "../config.ts";
import type { PrinterPort } from "../ports.ts";
import {
  activeIn,
  type DriverContext,
  type DriverPorts,
  type DriverState,
  isDown,
  noSigns,
  onlineIn,
  preparingIn,
} from "./driver-state.ts";
import { HEATERS_OFF } from "./handshake.ts";
import { makeJobBook } from "./job-book.ts";
import { makeJobControl } from "./job-control.ts";
import { makeJobEnd } from "./job-end.ts";
import { makeLinePump } from "./line-pump.ts";
import { marlinStage } from "./marlin-stage.ts";
import { makeStartJob, NO_WORK } from "./preparation.ts";
import { phaseOf, printerOf } from "./printer-view.ts";
import { makeSession } from "./session.ts";

const TICK_MS = 20;
const REPORT_MS = 1_000;
/** A board resets when its line drops; reopened at once, it may not notice. */
const REOPEN_MS = 250;
const LOST_MS = 10_000;
const SHUTDOWN_MS = 3_000;

export function makeDriver(spec: PrinterSpec, ports: DriverPorts): PrinterPort {
  const { clock, log } = ports;
  const scope = makeScope((task, error) =>
    log.error({ task, error: String(error) }, "task failed"),
  );
  const book = makeJobBook(spec.id, ports);
  const state: DriverState = {
    cable: { kind: "offline", why: "not opened yet" },
    work: NO_WORK,
    signs: noSigns(),
    reading: {},
    baud: spec.baud,
    baudTries: 0,
    identity: undefined,
    mayBeHot: book.hasStarted(),
  };
  const context: DriverContext = { spec, ports, state, book, scope, tell };
  const jobEnd = makeJobEnd(context);
  const pump = makeLinePump(context, jobEnd);
  const start = makeStartJob(marlinStage(context, pump));
  const control = makeJobControl(context, pump);
  const session = makeSession(context, jobEnd, pump, () =>
    endLost("The bridge or this machine stopped while it printed"),
  );
  let lastPhase: PrinterPhase = "offline";
  let reportedAtMs = 0;
  let wakeFromDown: (() => void) | undefined;

  function tell(): void {
    const phase = phaseOf(state);
    const nowMs = clock.monotonic();
    const isPhase = phase !== lastPhase;
    if (!isPhase && nowMs - reportedAtMs < REPORT_MS) return;
    const job = activeIn(state)?.job;
    if (isPhase) log.info({ from: lastPhase, to: phase, job }, "printer phase");
    lastPhase = phase;
    reportedAtMs = nowMs;
    ports.onPrinter(isPhase);
  }

  /** DR2 */
  const endLost = (why: string): Promise<void> =>
    book.endLost(why, (job) => job === activeIn(state)?.job || job === preparingIn(state)?.job);

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let offlineSinceMs = clock.monotonic();
    while (!signal.aborted) {
      if (isDown(state)) await awaitReset(signal);
      try {
        await session(signal);
        failures = 0;
        offlineSinceMs = clock.monotonic();
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        onUnreached(error, failures);
        if (clock.monotonic() - offlineSinceMs > LOST_MS) {
          await endLost("The printer does not answer; its heaters may be on");
        }
      }
      await pauseBeforeRedial(failures, signal);
    }
    await scope.close();
  }

  function onUnreached(error: unknown, failures: number): void {
    const { code, message } = toErrorRecord(error);
    log.warn({ code, why: message, failures }, "printer not reached");
    if (!isDown(state)) state.cable = { kind: "offline", why: message };
    tell();
  }

  /** Aborted: the loop sees it. */
  const pauseBeforeRedial = (failures: number, signal: AbortSignal): Promise<void> => {
    const backoff = backoffMs(RECONNECT, Math.max(1, failures), ports.random);
    return clock.sleep(Math.max(REOPEN_MS, backoff), signal).catch(() => undefined);
  };

  async function awaitReset(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      wakeFromDown = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    wakeFromDown = undefined;
  }

  function stop(): void {
    const { cable } = state;
    state.signs.wasKilled = false;
    if (cable.kind === "online") cable.cable.urgent(cable.link.emergency()); // DR3
    else if (cable.kind === "opening") cable.cable?.urgent("\nM112\n");
    jobEnd.goDown({ code: "device_fault", message: "Emergency stop" }, true, "failed");
  }

  function reset(): string | undefined {
    if (!isDown(state)) return `printer ${spec.id} is ${phaseOf(state)}; nothing to reset`;
    state.cable = { kind: "offline", why: "reset" };
    log.info({}, "reset by a person");
    tell();
    wakeFromDown?.();
    return undefined;
  }

  async function shutdown(): Promise<void> {
    const early = new GantryError("interrupted", "The bridge was stopped before the first byte");
    preparingIn(state)?.abort.abort(early);
    const message = "The bridge was stopped while it printed";
    activeIn(state)?.fail({ code: "interrupted", message });
    const untilMs = clock.monotonic() + SHUTDOWN_MS;
    const { signal } = new AbortController();
    while (state.work.kind !== "none" && clock.monotonic() < untilMs) {
      await clock.sleep(TICK_MS, signal);
    }
    if (activeIn(state) !== undefined) onlineIn(state)?.cable.write(HEATERS_OFF);
  }

  return {
    id: spec.id,
    printer: () => printerOf(spec, state),
    run,
    start,
    control,
    stop,
    reset,
    shutdown,
  };
}
