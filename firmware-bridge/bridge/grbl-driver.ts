// One mill or laser that speaks Grbl 1.1 on a cable, as a PrinterPort. DR1 to DR6 of driver.ts hold here as
// they do there; besides:
//
// GR1. Whoever left it running is gone: the first byte after opening is a reset (0x18), which ends every
//      motion and switches spindle and laser off. Nothing is asked of it before its welcome.
// GR2. Cancelled is: held until it stands still, then reset. So it knows where it is. Stopped in an
//      emergency is: reset at once; then where it is is not known.
// GR3. After an alarm it moves only when a person has said `reset`: it homes, or, where it has no
//      switches, is unlocked.
// GR4. Done is: every line answered, and a status after that which says that it stands still.
// GR5. At the end of a job, whatever the end, a reset switches spindle and laser off.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RECONNECT } from "@gantry/shared/base/policy.ts";
import type { Printer, PrinterPhase } from "@gantry/shared/contract/bridge.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { PrinterSpec } from "../config.ts";
import type { Cable, EndPhase, JobRow, PrinterPort } from "../ports.ts";
import { makeGrblDecoder, type GrblEvent } from "../protocols/grbl-codec.ts";
import {
  GRBL_ALARMS,
  GRBL_ERRORS,
  type GrblFault,
  type GrblLink,
  makeGrblLink,
} from "../protocols/grbl-link.ts";
import { REALTIME } from "../protocols/grbl-realtime.ts";
import type { DriverPorts } from "./driver-state.ts";
import { type GrblJob, makeGrblJob } from "./grbl-job.ts";
import { makeJobBook } from "./job-book.ts";
import { abortPreparing, tooEarly } from "./job-control.ts";
import { makeStartJob, NO_WORK, type Stage, type Work } from "./preparation.ts";

const TICK_MS = 20;
const REPORT_MS = 1_000;
const REOPEN_MS = 250;
const LOST_MS = 10_000;
const WELCOME_MS = 2_000;
const UNLOCK_MS = 60_000;
const SHUTDOWN_MS = 3_000;
/** Statuses that may have been asked for before, and are heard after. */
const ON_THEIR_WAY = 1;
const SIMULATED = "Simulated by Gantry";

type CableState =
  | { readonly kind: "offline" | "opening"; readonly cable?: Cable }
  | { readonly kind: "online"; readonly cable: Cable; link: GrblLink }
  | { readonly kind: "down"; readonly isStopped: boolean; readonly error: ErrorRecord };

interface State {
  cable: CableState;
  work: Work<GrblJob>;
  version: string | undefined;
  isSimulated: boolean;
  isLocked: boolean;
  /** A person has said that it may move (GR3). */
  mayUnlock: boolean;
  welcomes: number;
  /** Answers and states in the order in which they came; for GR4. */
  okCount: number;
  idleAtOk: number;
  statuses: number;
  /** Statuses up to this one may be of before it was told to hold or to go on. */
  toldAtStatus: number;
}

export function makeGrblDriver(spec: PrinterSpec, ports: DriverPorts): PrinterPort {
  const { clock, log } = ports;
  const scope = makeScope((task, error) =>
    log.error({ task, error: String(error) }, "task failed"),
  );
  const book = makeJobBook(spec.id, ports);
  const state: State = {
    cable: { kind: "offline" },
    work: NO_WORK,
    version: undefined,
    isSimulated: false,
    isLocked: false,
    mayUnlock: false,
    welcomes: 0,
    okCount: 0,
    idleAtOk: -1,
    statuses: 0,
    toldAtStatus: 0,
  };
  let unlocking: GrblLink | undefined;
  let lastPhase: PrinterPhase = "offline";
  let reportedAtMs = 0;
  let wakeFromDown: (() => void) | undefined;

  // Functions: what they say may change between two awaits (DR4).
  const jobIn = (): GrblJob | undefined =>
    state.work.kind === "printing" ? state.work : undefined;
  const preparingIn = () => (state.work.kind === "preparing" ? state.work : undefined);
  const onlineIn = () => (state.cable.kind === "online" ? state.cable : undefined);
  const isDown = (): boolean => state.cable.kind === "down";

  // --- what it tells ---

  function phase(): PrinterPhase {
    const { cable } = state;
    if (cable.kind === "down") return cable.isStopped ? "stopped" : "fault";
    if (cable.kind !== "online") return cable.kind;
    switch (jobIn()?.phase) {
      case undefined:
        return "idle";
      case "running":
      case "pausing":
        return "printing";
      case "paused":
        return "paused";
      case "stopping":
      case "resetting":
      case "ending":
        return "finishing";
    }
  }

  const progressOf = (job: GrblJob): number =>
    Math.min(1, (onlineIn()?.link.ackedTag() ?? 0) / Math.max(1, job.sizeBytes));

  function printer(): Printer {
    const job = jobIn();
    const { cable, version } = state;
    const progress = job === undefined ? undefined : progressOf(job);
    return {
      id: spec.id,
      driver: "grbl",
      phase: phase(),
      isSimulated: state.isSimulated,
      ...(version === undefined ? {} : { firmware: `Grbl ${version}` }),
      sizeMm: spec.sizeMm,
      nozzleMaxC: 0,
      bedMaxC: 0,
      ...(job === undefined ? {} : { job: job.job }),
      ...(job === undefined || progress === undefined || onlineIn() === undefined
        ? {}
        : { progress, remainingS: Math.round(job.estimatedS * (1 - progress)) }),
      ...(cable.kind === "down"
        ? { fault: { code: cable.error.code, message: cable.error.message } }
        : {}),
    };
  }

  function tell(): void {
    const now = phase();
    const nowMs = clock.monotonic();
    const isPhase = now !== lastPhase;
    if (!isPhase && nowMs - reportedAtMs < REPORT_MS) return;
    if (isPhase) log.info({ from: lastPhase, to: now, job: jobIn()?.job }, "machine phase");
    lastPhase = now;
    reportedAtMs = nowMs;
    ports.onPrinter(isPhase);
  }

  // --- ends ---

  function rowOf(job: GrblJob, phase: JobRow["phase"], error?: ErrorRecord): JobRow {
    const { job: id, token } = job;
    return {
      printer: spec.id,
      job: id,
      token,
      phase,
      progress: phase === "done" ? 1 : progressOf(job),
      startedCount: 1,
      isAcknowledged: false,
      ...(error === undefined ? {} : { error }),
    };
  }

  function end(job: GrblJob, phase: EndPhase, error?: ErrorRecord): void {
    if (job.phase === "ending") return;
    const row = rowOf(job, phase, error);
    job.phase = "ending";
    scope.start("end job", async () => {
      await book.end(row);
      if (jobIn() === job) state.work = NO_WORK;
      ports.onJob(row, phase);
      tell();
      await job.close();
    });
  }

  function goDown(error: ErrorRecord, isStopped: boolean, phase: EndPhase): void {
    const job = jobIn();
    if (job !== undefined) end(job, phase, error);
    preparingIn()?.abort.abort(new GantryError(error.code, error.message));
    state.cable = { kind: "down", isStopped, error };
    log.error({ code: error.code, why: error.message }, isStopped ? "stopped" : "fault");
    tell();
  }

  // --- the stream ---

  function pump(): void {
    const online = onlineIn();
    if (online === undefined) return;
    const { link, cable } = online;
    const job = jobIn();
    if (job !== undefined && link.fault() === undefined) feed(job, link);
    const bytes = link.takeRealtime() + link.takeOutput(); // GL6: those that act at once go first
    if (bytes !== "") cable.write(bytes);
    const fault = link.fault();
    if (fault !== undefined && onlineIn()?.link === link) onFault(fault);
  }

  function feed(job: GrblJob, link: GrblLink): void {
    const nowMs = clock.monotonic();
    if (job.failure !== undefined && job.phase === "running") stopJob(job);
    if (job.phase === "running") {
      for (let line = job.peek(); line !== undefined; line = job.peek()) {
        if (!link.hasRoom(line.text)) break;
        link.send(line.text, line.tag, nowMs);
        job.shift();
      }
      job.refill(pump);
    }
    const isHeld = link.status()?.state === "Hold" || link.status()?.state === "Door";
    if (job.phase === "pausing" && isStill(link)) {
      job.phase = "paused";
      ports.onJob(rowOf(job, "started"), "paused");
    } else if (job.phase === "running" && isHeld && state.statuses > state.toldAtStatus) {
      // Its own button or door, or M0: a person goes on.
      job.phase = "paused";
      ports.onJob(rowOf(job, "started"), "paused");
    } else if (job.phase === "stopping" && isStill(link)) resetFor(job);
    else if (job.phase === "running" && job.isOut() && link.isAnswered()) {
      if (state.idleAtOk === state.okCount) resetFor(job); // GR4
    }
  }

  /** Not moving and not slowing down. */
  function isStill(link: GrblLink): boolean {
    const seen = link.status();
    if (state.statuses <= state.toldAtStatus) return false;
    if (seen?.state === "Hold" || seen?.state === "Door") return (seen.sub ?? 0) === 0;
    return seen?.state === "Idle" && state.idleAtOk === state.okCount;
  }

  function hold(): void {
    state.toldAtStatus = state.statuses + ON_THEIR_WAY;
    onlineIn()?.link.hold();
  }

  /** GR2 */
  function stopJob(job: GrblJob): void {
    job.phase = "stopping";
    hold();
  }

  /** GR5: the end is told when its welcome shows that the reset was taken. */
  function resetFor(job: GrblJob): void {
    const isDone = job.phase === "running";
    const online = onlineIn();
    if (online === undefined) return;
    job.phase = "resetting";
    online.cable.write(REALTIME.reset);
    const before = state.welcomes;
    scope.start("reset", async (signal) => {
      const untilMs = clock.monotonic() + WELCOME_MS;
      while (state.welcomes === before && clock.monotonic() < untilMs) {
        await clock.sleep(TICK_MS, signal);
      }
      if (jobIn() !== job || job.phase !== "resetting") return;
      if (state.welcomes === before) return onFault({ kind: "silent" });
      const { failure } = job;
      if (isDone) end(job, "done");
      else if (failure === undefined) end(job, "cancelled");
      else end(job, failure.code === "interrupted" ? "interrupted" : "failed", failure);
      const still = onlineIn();
      if (still !== undefined) still.link = makeGrblLink();
    });
  }

  function onFault(fault: GrblFault): void {
    const error = errorOf(fault);
    const isOurs = jobIn() !== undefined;
    onlineIn()?.cable.urgent(REALTIME.reset); // GR5
    if (fault.kind === "alarm" || fault.kind === "refused") goDown(error, false, "failed");
    else if (isOurs) goDown(error, false, "interrupted");
    else state.cable = { kind: "offline" };
  }

  function receive(event: GrblEvent): void {
    const nowMs = clock.monotonic();
    if (event.kind === "welcome") {
      state.welcomes += 1;
      state.version = event.version;
      if (jobIn()?.phase === "resetting") return; // ours
    }
    if (event.kind === "message" && event.text === SIMULATED) state.isSimulated = true;
    if (event.kind === "message" && event.text.includes("unlock")) state.isLocked = true;
    if (event.kind === "ok") state.okCount += 1;
    if (event.kind === "status") {
      if (event.status.state === "Idle") state.idleAtOk = state.okCount;
      state.isLocked = event.status.state === "Alarm";
      state.statuses += 1;
    }
    (onlineIn()?.link ?? unlocking)?.receive(event, nowMs);
  }

  // --- one life of the cable ---

  async function session(signal: AbortSignal): Promise<void> {
    let closed: string | undefined;
    const whyClosed = (): string | undefined => closed;
    state.cable = { kind: "opening" };
    tell();
    const decoder = makeGrblDecoder();
    const cable = await ports.openCable(
      {
        onBytes(bytes) {
          for (const event of decoder.push(bytes)) receive(event);
          pump();
        },
        onClosed: (why) => (closed = why),
      },
      signal,
      spec.baud,
    );
    try {
      state.cable = { kind: "opening", cable };
      await greet(cable, whyClosed, signal);
      await endLost("The bridge or this machine stopped while it worked"); // nothing runs: GR1
      if (isDown()) return;
      if (state.isLocked) await unlock(cable, whyClosed, signal);
      if (isDown()) return;
      const online = { kind: "online" as const, cable, link: makeGrblLink() };
      state.cable = online;
      state.mayUnlock = false;
      tell();
      while (onlineIn() === online && whyClosed() === undefined) {
        await clock.sleep(TICK_MS, signal);
        if (onlineIn() !== online) break;
        online.link.tick(clock.monotonic());
        pump();
        tell();
      }
      if (onlineIn() === online) onUnplugged(whyClosed() ?? "closed");
    } finally {
      await cable.close();
    }
  }

  /** GR1. Rejects with unreachable. */
  async function greet(
    cable: Cable,
    whyClosed: () => string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const before = state.welcomes;
    state.isLocked = false;
    cable.urgent(REALTIME.reset);
    await wait(() => state.welcomes > before, WELCOME_MS, "its welcome", whyClosed, signal);
    const asked = state.welcomes;
    let isSeen = false;
    for (let tries = 0; tries < 5 && !isSeen; tries += 1) {
      cable.write(REALTIME.status);
      state.idleAtOk = -1;
      await clock.sleep(2 * TICK_MS * 2, signal);
      isSeen = state.idleAtOk >= 0 || state.isLocked || state.welcomes > asked;
    }
  }

  /** GR3. Goes down where no person has said that it may move. */
  async function unlock(
    cable: Cable,
    whyClosed: () => string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (!state.mayUnlock) {
      const message = "It is locked: it must home, or be unlocked, before it moves; reset it";
      return goDown({ code: "device_fault", message }, false, "failed");
    }
    for (const command of ["$H", "$X"]) {
      const oks = state.okCount;
      let refused = false;
      const link = makeGrblLink();
      const spy = (): boolean => {
        refused = link.fault()?.kind === "refused";
        return state.okCount > oks || refused;
      };
      link.send(command, 0, clock.monotonic());
      unlocking = link;
      cable.write(link.takeOutput());
      await wait(spy, UNLOCK_MS, `the answer to ${command}`, whyClosed, signal);
      unlocking = undefined;
      if (!refused) break;
    }
    state.isLocked = false;
  }
  async function wait(
    isSo: () => boolean,
    ms: number,
    what: string,
    whyClosed: () => string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const untilMs = clock.monotonic() + ms;
    while (!isSo() && !isDown()) {
      if (whyClosed() !== undefined) throw new GantryError("unreachable", "The cable was closed");
      if (clock.monotonic() > untilMs)
        throw new GantryError("unreachable", `Grbl: ${what} is missing`);
      await clock.sleep(TICK_MS, signal);
    }
  }

  function onUnplugged(why: string): void {
    const message = `The cable was lost (${why}); whether the tool is on is not known`;
    const job = jobIn();
    if (job !== undefined) end(job, "interrupted", { code: "device_offline", message });
    state.cable = { kind: "offline" };
    tell();
  }

  const endLost = (why: string): Promise<void> =>
    book.endLost(why, (job) => job === jobIn()?.job || job === preparingIn()?.job);

  const requireReady = (): void => {
    const { cable } = state;
    if (cable.kind === "online") return;
    if (cable.kind === "down") throw new GantryError("device_fault", cable.error.message);
    throw new GantryError("device_offline", `Machine ${spec.id} is ${cable.kind}`);
  };

  const stage: Stage<GrblJob> = {
    printer: spec.id,
    state,
    book,
    scope,
    openJobFile: ports.openJobFile,
    jobOf: (job) => job,
    requireReady,
    limits: () => ({ ...spec, nozzleMaxC: 0, bedMaxC: 0, dialect: "grbl" }),
    deliver: () => Promise.resolve(undefined),
    begin({ job, token }, file, cleared, row) {
      requireReady();
      state.work = makeGrblJob(job, token, file, cleared);
      const online = onlineIn();
      if (online !== undefined) online.link = makeGrblLink(); // tags begin at the file's own 0
      state.okCount += 1; // what was seen before is no proof of an end
      ports.onJob(row, "started");
      pump();
      tell();
    },
    onJob: (row, phase) => ports.onJob(row, phase),
    tell,
  };

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let offlineSinceMs = clock.monotonic();
    while (!signal.aborted) {
      if (isDown()) await awaitReset(signal);
      try {
        await session(signal);
        failures = 0;
        offlineSinceMs = clock.monotonic();
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        const { code, message } = toErrorRecord(error);
        log.warn({ code, why: message, failures }, "machine not reached");
        if (!isDown()) state.cable = { kind: "offline" };
        tell();
        if (clock.monotonic() - offlineSinceMs > LOST_MS) {
          await endLost("The machine does not answer; its tool may be on");
        }
      }
      const pauseMs = Math.max(
        REOPEN_MS,
        backoffMs(RECONNECT, Math.max(1, failures), ports.random),
      );
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
    await scope.close();
  }

  async function awaitReset(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      wakeFromDown = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    wakeFromDown = undefined;
  }

  return {
    id: spec.id,
    printer,
    run,
    start: makeStartJob(stage),
    async control(order) {
      book.assertFresh(order.token); // DR5
      if (order.type === "cancel") abortPreparing(preparingIn(), order);
      await book.raise(order.token);
      if (preparingIn()?.job === order.job) {
        return order.type === "cancel" ? undefined : tooEarly(order);
      }
      const job = jobIn();
      if (job?.job !== order.job || job.phase === "ending") return book.controlEnded(order);
      job.token = Math.max(job.token, order.token);
      const link = onlineIn()?.link;
      if (order.type === "cancel") {
        if (job.phase === "stopping" || job.phase === "resetting") return "it is ending already";
        stopJob(job);
      } else if (order.type === "pause" && job.phase === "running") {
        job.phase = "pausing";
        hold();
      } else if (order.type === "resume" && job.phase === "paused") {
        job.phase = "running";
        state.toldAtStatus = state.statuses + ON_THEIR_WAY;
        link?.resume();
        ports.onJob(rowOf(job, "started"), "resumed");
      } else {
        throw new GantryError("conflict", `A job that is ${job.phase} cannot ${order.type}`);
      }
      pump();
      tell();
      return undefined;
    },
    stop() {
      const { cable } = state;
      if (cable.kind === "online") cable.cable.urgent(cable.link.emergency()); // DR3
      else if (cable.kind === "opening") cable.cable?.urgent(REALTIME.reset);
      goDown({ code: "device_fault", message: "Emergency stop" }, true, "failed");
    },
    reset() {
      if (!isDown()) return `machine ${spec.id} is ${phase()}; nothing to reset`;
      state.cable = { kind: "offline" };
      state.mayUnlock = true; // GR3
      log.info({}, "reset by a person");
      tell();
      wakeFromDown?.();
      return undefined;
    },
    async shutdown() {
      const early = new GantryError("interrupted", "The bridge was stopped before the first byte");
      preparingIn()?.abort.abort(early);
      const job = jobIn();
      if (job !== undefined) {
        job.failure ??= { code: "interrupted", message: "The bridge was stopped while it worked" };
        if (job.phase === "paused") stopJob(job);
      }
      const untilMs = clock.monotonic() + SHUTDOWN_MS;
      const { signal } = new AbortController();
      while (state.work.kind !== "none" && clock.monotonic() < untilMs) {
        await clock.sleep(TICK_MS, signal);
      }
      if (jobIn() !== undefined) onlineIn()?.cable.urgent(REALTIME.reset);
    },
  };
}

function errorOf(fault: GrblFault): ErrorRecord {
  switch (fault.kind) {
    case "refused": {
      const why = GRBL_ERRORS[fault.code] ?? `error ${fault.code}`;
      const message = `The machine refused a line before byte ${fault.tag} of the file: ${why}`;
      return { code: "device_fault", message };
    }
    case "alarm": {
      const why =
        GRBL_ALARMS[fault.code] ?? (fault.code === 0 ? "it is locked" : `alarm ${fault.code}`);
      return { code: "device_fault", message: `The machine stopped itself: ${why}` };
    }
    case "restarted":
      return { code: "interrupted", message: "The machine restarted by itself while it worked" };
    case "silent":
      return { code: "device_offline", message: "The machine stopped answering" };
    case "lost answer":
      return {
        code: "interrupted",
        message: "An answer was lost, and nobody can say which line was not carried out",
      };
  }
}
