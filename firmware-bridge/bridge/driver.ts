// One printer: keeps its cable open, knows its state, works on at most one job.
//
//   offline -> opening -> online (idle | job) -> offline ...
//   fault and stopped last until a person says `reset`.
//
// DR1. A job's first byte leaves at most once: the journal has `started` on the disk before it, and a
//      job that the journal knows is never started again.
// DR2. A job that the journal calls started, but nobody works on, was interrupted by a crash. It is
//      reported so after the heaters are off, or after LOST_MS if the printer does not answer.
// DR3. An emergency stop is one synchronous write past every queue, and needs no token.
// DR4. Between two awaits everything may have changed; `begin` looks again after each.
// DR5. No order with a token below the highest seen does anything.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RECONNECT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type {
  BridgeOrder,
  JobPhase,
  Printer,
  PrinterPhase,
  Temperatures,
} from "@gantry/shared/contract/bridge.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeMailbox } from "@gantry/shared/flow/mailbox.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { PrinterSpec } from "../config.ts";
import type { Cable, JobRow, Journal, OpenCable, OpenJobFile } from "../ports.ts";
import { type Link, type LinkFault, LINK_POLICY, makeLink } from "../protocols/link.ts";
import { makeMarlinDecoder, type MarlinEvent, type Reading } from "../protocols/marlin-codec.ts";
import { type ActiveJob, makeActiveJob, targetOf } from "./active-job.ts";
import { type Identity, shakeHands } from "./handshake.ts";
import { preflight } from "./preflight.ts";

type OrderOf<T extends BridgeOrder["type"]> = Extract<BridgeOrder, { type: T }>;

export interface DriverPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly openCable: OpenCable;
  readonly openJobFile: OpenJobFile;
  readonly journal: Journal;
  /** `isPhase`: more than a temperature or the progress changed. */
  onPrinter(isPhase: boolean): void;
  onJob(row: JobRow, phase: JobPhase): void;
}

export interface Driver {
  readonly id: string;
  printer(): Printer;
  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves with a note for the asker, if any; rejects with the reason of the refusal. */
  start(order: OrderOf<"start">): Promise<string | undefined>;
  control(order: OrderOf<"pause" | "resume" | "cancel">): Promise<string | undefined>;
  /** DR3 */
  stop(): void;
  reset(): string | undefined;
  /** Ends a running job as interrupted, heaters off; at most SHUTDOWN_MS. */
  shutdown(): Promise<void>;
}

interface Online {
  readonly kind: "online";
  readonly cable: Cable;
  readonly link: Link;
  readonly identity: Identity;
}

type State =
  | { readonly kind: "offline"; readonly why: string }
  | { readonly kind: "opening"; readonly cable?: Cable }
  | Online
  | { readonly kind: "down"; readonly isStopped: boolean; readonly error: ErrorRecord };

const TICK_MS = 20;
const REPORT_MS = 1_000;
const IDLE_ASK_MS = 10_000;
const POLL_MS = 1_000;
const SLOW_MS = 100;
const KILL_MS = 500;
/** A board resets when its line drops; reopened at once, it may not notice. */
const REOPEN_MS = 250;
const LOST_MS = 10_000;
const SHUTDOWN_MS = 3_000;
const GREETING_EVENTS_MAX = 1_024;
const HEATERS_OFF = "\nM104 S0\nM140 S0\n";

export function makeDriver(spec: PrinterSpec, ports: DriverPorts): Driver {
  const { clock, log, journal } = ports;
  const scope = makeScope((task, error) =>
    log.error({ task, error: String(error) }, "task failed"),
  );
  const policy = { ...LINK_POLICY, wireBytesPerMs: spec.baud / 10_000 };
  let state: State = { kind: "offline", why: "not opened yet" };
  let identity: Identity | undefined;
  let reading: Reading = {};
  let active: ActiveJob | undefined;
  let starting:
    | { readonly job: string; readonly abort: AbortController; done: Promise<undefined> }
    | undefined;
  let lastPhase: PrinterPhase = "offline";
  let reportedAtMs = 0;
  let askedAtMs = 0;
  let polledAtMs = 0;
  let isWaitingForPerson = false;
  let wasKilled = false;
  let isSilent = false;
  let wakeFromDown: (() => void) | undefined;

  // ── what the world is told ──────────────────────────────────────────────────────────────────

  function phase(): PrinterPhase {
    switch (state.kind) {
      case "offline":
      case "opening":
        return state.kind;
      case "down":
        return state.isStopped ? "stopped" : "fault";
      case "online":
        if (active === undefined) return "idle";
        return active.isEnding ? "finishing" : active.run.phase();
    }
  }

  function printer(): Printer {
    const progress =
      active !== undefined && state.kind === "online"
        ? active.progress(state.link.ackedTag())
        : undefined;
    const temperatures = temperaturesOf(reading);
    return {
      id: spec.id,
      driver: "marlin",
      phase: phase(),
      isSimulated: identity?.isSimulated ?? false,
      ...(identity === undefined ? {} : { firmware: identity.firmware }),
      sizeMm: identity?.sizeMm ?? spec.sizeMm,
      nozzleMaxC: spec.nozzleMaxC,
      bedMaxC: spec.bedMaxC,
      ...(temperatures === undefined || state.kind !== "online" ? {} : { temperatures }),
      ...(active === undefined ? {} : { job: active.job }),
      ...(active === undefined || progress === undefined
        ? {}
        : { progress, remainingS: Math.round(active.cleared.scan.estimatedS * (1 - progress)) }),
      ...(state.kind === "down"
        ? { fault: { code: state.error.code, message: state.error.message } }
        : {}),
    };
  }

  function tell(): void {
    const now = phase();
    const nowMs = clock.monotonic();
    const isPhase = now !== lastPhase;
    if (!isPhase && nowMs - reportedAtMs < REPORT_MS) return;
    if (isPhase) log.info({ from: lastPhase, to: now, job: active?.job }, "printer phase");
    lastPhase = now;
    reportedAtMs = nowMs;
    ports.onPrinter(isPhase);
  }

  // ── the end of a job ────────────────────────────────────────────────────────────────────────

  function endJob(job: ActiveJob, end: JobRow["phase"], error?: ErrorRecord): void {
    if (job.isEnding) return;
    job.isEnding = true;
    const acked = state.kind === "online" ? state.link.ackedTag() : job.tagBase;
    const row: JobRow = {
      printer: spec.id,
      job: job.job,
      token: job.token,
      phase: end,
      progress: end === "done" ? 1 : job.progress(acked),
      startedCount: 1,
      isAcknowledged: false,
      ...(error === undefined ? {} : { error }),
    };
    scope.start("end job", async () => {
      try {
        await journal.put(row);
      } catch (cause) {
        // The end is true all the same; a crash before the disk works again makes it `interrupted`.
        log.error({ job: row.job, error: String(cause) }, "the end of a job is not on the disk");
      }
      if (active === job) active = undefined;
      log.info({ job: row.job, phase: end, error: error?.code }, "job ended");
      ports.onJob(row, end);
      tell();
      await job.close();
    });
  }

  /** The printer cannot be used until a person has looked. */
  function goDown(error: ErrorRecord, isStopped: boolean, end: JobRow["phase"]): void {
    if (active !== undefined) endJob(active, end, error);
    starting?.abort.abort(new GantryError(error.code, error.message));
    state = { kind: "down", isStopped, error };
    log.error({ code: error.code, why: error.message }, isStopped ? "stopped" : "fault");
    tell();
  }

  function onLinkFault(fault: LinkFault, { cable }: Online): void {
    const error = linkError(fault);
    const isDead = fault.kind === "fatal";
    if (!isDead) cable.write(HEATERS_OFF);
    isSilent = fault.kind === "silent";
    if (active !== undefined || isDead) goDown(error, false, isDead ? "failed" : "interrupted");
    else state = { kind: "offline", why: error.message };
  }

  // ── lines out ───────────────────────────────────────────────────────────────────────────────

  function pump(online: Online): void {
    const { link, cable } = online;
    const nowMs = clock.monotonic();
    if (active !== undefined && !active.isEnding) feed(active, online, nowMs);
    const wire = link.takeOutput();
    if (wire !== "") cable.write(wire);
    const fault = link.fault();
    if (fault !== undefined && state === online) onLinkFault(fault, online);
  }

  function feed(job: ActiveJob, { link, identity }: Online, nowMs: number): void {
    const polls = !identity.caps.has("AUTOREPORT_TEMP");
    while (link.hasRoom()) {
      if (polls && nowMs - polledAtMs > POLL_MS) {
        polledAtMs = nowMs;
        link.send("M105", 0, nowMs);
        continue;
      }
      const next = job.run.next(link.isSettled());
      if (next.kind === "line") {
        const number = link.send(next.text, job.tagBase + next.tag, nowMs);
        const target = targetOf(next.text);
        if (target !== undefined) job.targets.push({ number, ...target });
      } else if (next.kind === "over") {
        endJob(job, endOf(job, next.end), job.failure);
        return;
      } else {
        if (next.kind === "settle") link.settle(nowMs);
        break;
      }
    }
    while (job.targets[0] !== undefined && job.targets[0].number <= link.ackedNumber()) {
      const { heater, targetC } = job.targets[0];
      job.targets.shift();
      job.watch.expect(heater, targetC, nowMs);
    }
    const change = job.run.takeChange();
    if (change !== undefined) ports.onJob(rowOf(job, link), change);
    job.refill(() => {
      if (state.kind === "online") pump(state);
    });
  }

  const rowOf = (job: ActiveJob, link: Link): JobRow => ({
    printer: spec.id,
    job: job.job,
    token: job.token,
    phase: "started",
    progress: job.progress(link.ackedTag()),
    startedCount: 1,
    isAcknowledged: false,
  });

  // ── events in ───────────────────────────────────────────────────────────────────────────────

  function onEvent(event: MarlinEvent): void {
    const nowMs = clock.monotonic();
    if (event.kind === "reading") observe(event.reading, nowMs);
    else if (event.kind === "ok" && event.reading !== undefined) observe(event.reading, nowMs);
    else if (event.kind === "position") active?.run.locate(event.position);
    else if (event.kind === "action") onAction(event.action);
    else if (event.kind === "busy") isWaitingForPerson = event.why.startsWith("paused");
    else if (event.kind === "fatal") wasKilled = true;
    if (state.kind === "online") state.link.receive(event, nowMs);
  }

  function observe(seen: Reading, nowMs: number): void {
    reading = { ...reading, ...seen };
    active?.run.observe(seen);
    active?.watch.observe(seen, nowMs);
  }

  /** The printer's own buttons and sensors, such as a filament that ran out. */
  function onAction(action: string): void {
    if (action.startsWith("pause")) active?.run.pause();
    else if (action === "cancel") active?.run.cancel();
  }

  function tick(online: Online): void {
    const nowMs = clock.monotonic();
    online.link.tick(nowMs);
    const why = active?.isEnding === false ? active.watch.fault(nowMs) : undefined;
    if (why !== undefined) active?.fail({ code: "device_fault", message: why });
    if (active === undefined && nowMs - askedAtMs > IDLE_ASK_MS && online.link.hasRoom()) {
      askedAtMs = nowMs;
      online.link.send("M105", -1, nowMs); // is it still there?
    }
    pump(online);
    tell();
  }

  // ── the cable ───────────────────────────────────────────────────────────────────────────────

  async function session(signal: AbortSignal): Promise<void> {
    const decoder = makeMarlinDecoder();
    const greeting = makeMailbox<MarlinEvent>(GREETING_EVENTS_MAX);
    let closed: string | undefined;
    const isClosed = (): boolean => closed !== undefined;
    state = { kind: "opening" };
    wasKilled = false;
    isSilent = false;
    tell();
    const cable = await ports.openCable(
      {
        onBytes(bytes) {
          for (const event of decoder.push(bytes)) {
            onEvent(event);
            if (state.kind === "opening") greeting.offer(event); // full: noise; the ask is repeated
          }
          if (state.kind === "online") pump(state);
        },
        onClosed(why) {
          closed = why;
          greeting.close();
        },
      },
      signal,
    );
    try {
      state = { kind: "opening", cable };
      const next = (ms: number): Promise<MarlinEvent | undefined> =>
        nextEvent(greeting, ms, signal);
      const known = await shakeHands({ write: (text) => cable.write(text), next }, clock);
      if (isDown()) return; // stopped while it was opening
      identity = known;
      if (known.answerMs > SLOW_MS) log.warn({ answerMs: known.answerMs }, "slow answers");
      const online: Online = { kind: "online", cable, link: makeLink(policy), identity: known };
      state = online;
      askedAtMs = clock.monotonic();
      await reportInterrupted("The bridge or this machine stopped while it printed");
      tell();
      const isOurs = (): boolean => state === online;
      while (isOurs() && !isClosed()) {
        await clock.sleep(TICK_MS, signal);
        if (isOurs()) tick(online);
      }
      if (isOurs()) onUnplugged(closed ?? "closed");
      await lastResort(cable, signal);
    } finally {
      await cable.close();
    }
  }

  async function nextEvent(
    greeting: ReturnType<typeof makeMailbox<MarlinEvent>>,
    ms: number,
    signal: AbortSignal,
  ): Promise<MarlinEvent | undefined> {
    try {
      const event = await greeting.take(clock.timeout(ms, signal));
      if (event === undefined) throw new GantryError("unreachable", "The cable was closed");
      return event;
    } catch (error) {
      if (error instanceof GantryError && error.code === "timeout") return undefined;
      throw error;
    }
  }

  function onUnplugged(why: string): void {
    const error: ErrorRecord = {
      code: "device_offline",
      message: `The cable was lost (${why}); whether the heaters are on is not known`,
    };
    if (active !== undefined) endJob(active, "interrupted", error);
    state = { kind: "offline", why };
    tell();
  }

  /** A firmware that is silent, or does not say that M112 killed it, gets its reset line pulled. */
  async function lastResort(cable: Cable, signal: AbortSignal): Promise<void> {
    if (!isDown() || !(isSilent || isStopped())) return;
    const untilMs = clock.monotonic() + (isSilent ? 0 : KILL_MS);
    while (!isKilled() && clock.monotonic() < untilMs) await clock.sleep(TICK_MS, signal);
    if (isKilled()) return;
    log.warn({}, "no answer; resetting the board");
    await cable.pulseReset();
  }

  /** DR2 */
  async function reportInterrupted(message: string): Promise<void> {
    for (const row of journal.rows(spec.id)) {
      if (row.phase !== "started" || row.job === active?.job || row.job === starting?.job) continue;
      const ended: JobRow = {
        ...row,
        phase: "interrupted",
        error: { code: "interrupted", message },
      };
      await journal.put(ended);
      log.warn({ job: row.job }, "job was interrupted");
      ports.onJob(ended, "interrupted");
    }
  }

  const isDown = (): boolean => state.kind === "down";
  const isKilled = (): boolean => wasKilled;
  const isWorking = (): boolean => active !== undefined;
  const isStopped = (): boolean => state.kind === "down" && state.isStopped;

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
        const { code, message } = toErrorRecord(error);
        failures += 1;
        log.warn({ code, why: message, failures }, "printer not reached");
        if (!isDown()) state = { kind: "offline", why: message };
        tell();
        if (clock.monotonic() - offlineSinceMs > LOST_MS) {
          await reportInterrupted("The printer does not answer; its heaters may be on");
        }
      }
      await pauseBeforeRedial(failures, signal);
    }
    await scope.close();
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

  // ── orders ──────────────────────────────────────────────────────────────────────────────────

  /** DR5 */
  function assertFresh(token: number): void {
    const highest = journal.highestToken(spec.id);
    if (token < highest) {
      throw new GantryError("stale_token", `Token ${token} is older than ${highest}`);
    }
  }

  function assertFree(): Online {
    if (state.kind === "down") throw new GantryError("device_fault", state.error.message);
    if (state.kind !== "online") {
      throw new GantryError("device_offline", `Printer ${spec.id} is ${state.kind}`);
    }
    if (active !== undefined) throw new GantryError("conflict", `It works on ${active.job}`);
    return state;
  }

  /** DR1: a known job is answered, never started. */
  async function recall(known: JobRow, token: number): Promise<string> {
    const row = token > known.token ? { ...known, token } : known;
    if (active?.job === row.job) active.token = row.token;
    if (row !== known) await journal.put(row);
    ports.onJob(row, row.phase);
    return `job ${row.job} is known: ${row.phase}; it was not started again`;
  }

  async function start(order: OrderOf<"start">): Promise<string | undefined> {
    assertFresh(order.token);
    const known = journal.find(spec.id, order.job);
    if (known !== undefined && starting?.job !== order.job) return recall(known, order.token);
    if (starting?.job === order.job) return starting.done;
    if (starting !== undefined) throw new GantryError("conflict", `It checks ${starting.job}`);
    assertFree();
    const abort = new AbortController();
    const done = begin(order, abort.signal).finally(() => {
      starting = undefined;
    });
    starting = { job: order.job, abort, done };
    return done;
  }

  /** DR4 */
  async function begin(order: OrderOf<"start">, signal: AbortSignal): Promise<undefined> {
    const file = await ports.openJobFile(order.path);
    try {
      const { sizeMm } = printer();
      const limits = { ...spec, sizeMm };
      const cleared = await preflight(file, order, limits, signal);
      signal.throwIfAborted();
      assertFresh(order.token);
      assertFree();
      await journal.raiseToken(spec.id, order.token);
      const row: JobRow = {
        printer: spec.id,
        job: order.job,
        token: order.token,
        phase: "started",
        progress: 0,
        startedCount: 1,
        isAcknowledged: false,
      };
      await journal.put(row); // DR1
      const online = signal.aborted || state.kind !== "online" ? undefined : state;
      if (online === undefined) {
        const error: ErrorRecord = {
          code: "interrupted",
          message: "Stopped before the first byte",
        };
        await journal.put({ ...row, phase: "interrupted", startedCount: 0, error });
        throw new GantryError("interrupted", error.message);
      }
      const tagBase = online.link.ackedTag();
      const nowMs = clock.monotonic();
      const { job, token } = order;
      active = makeActiveJob({ job, token, file, cleared, heightMm: sizeMm.z, tagBase, nowMs });
      ports.onJob(row, "started");
      pump(online);
      tell();
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async function control(
    order: OrderOf<"pause" | "resume" | "cancel">,
  ): Promise<string | undefined> {
    assertFresh(order.token);
    await journal.raiseToken(spec.id, order.token);
    if (starting?.job === order.job && order.type === "cancel") {
      starting.abort.abort(new GantryError("cancelled", "Cancelled before the first byte"));
      return undefined;
    }
    if (active?.job !== order.job || active.isEnding) return controlOfEnded(order);
    active.token = Math.max(active.token, order.token);
    const isDone = active.run[order.type]();
    if (order.type === "cancel" && isWaitingForPerson && state.kind === "online") {
      state.cable.write("M108\n"); // ends M600's wait; the queue behind it moves again
    }
    if (state.kind === "online") pump(state);
    tell();
    if (isDone) return undefined;
    if (order.type === "cancel") return "it is ending already";
    throw new GantryError(
      "conflict",
      `A ${active?.run.phase() ?? "ended"} job cannot ${order.type}`,
    );
  }

  function controlOfEnded(order: OrderOf<"pause" | "resume" | "cancel">): string {
    const known = journal.find(spec.id, order.job);
    if (known === undefined) {
      throw new GantryError("not_found", `Printer ${spec.id} knows no job ${order.job}`);
    }
    if (order.type !== "cancel") throw new GantryError("conflict", `It is over: ${known.phase}`);
    ports.onJob(known, known.phase);
    return `it is over: ${known.phase}`;
  }

  function stop(): void {
    wasKilled = false;
    if (state.kind === "online") state.cable.write(state.link.emergency()); // DR3
    else if (state.kind === "opening") state.cable?.write("\nM112\n");
    goDown({ code: "device_fault", message: "Emergency stop" }, true, "failed");
  }

  return {
    id: spec.id,
    printer,
    run,
    start,
    control,
    stop,
    reset() {
      if (state.kind !== "down") return `printer ${spec.id} is ${phase()}; nothing to reset`;
      state = { kind: "offline", why: "reset" };
      log.info({}, "reset by a person");
      tell();
      wakeFromDown?.();
      return undefined;
    },
    async shutdown() {
      starting?.abort.abort(new GantryError("stopping", "The bridge stops"));
      active?.fail({ code: "interrupted", message: "The bridge was stopped while it printed" });
      const untilMs = clock.monotonic() + SHUTDOWN_MS;
      const { signal } = new AbortController();
      while (isWorking() && clock.monotonic() < untilMs) await clock.sleep(TICK_MS, signal);
      if (isWorking() && state.kind === "online") state.cable.write(HEATERS_OFF);
    },
  };
}

function endOf(job: ActiveJob, end: "done" | "cancelled"): JobRow["phase"] {
  if (job.failure === undefined) return end;
  return job.failure.code === "interrupted" ? "interrupted" : "failed";
}

function linkError(fault: LinkFault): ErrorRecord {
  switch (fault.kind) {
    case "restarted":
      return { code: "interrupted", message: "The printer restarted by itself while it printed" };
    case "silent":
      return { code: "device_offline", message: "The printer stopped answering" };
    case "resends":
      return {
        code: "device_fault",
        message: `The printer refuses line ${fault.line} again and again`,
      };
    case "fatal":
      return { code: "device_fault", message: `The printer stopped itself: ${fault.text}` };
  }
}

function temperaturesOf(reading: Reading): Temperatures | undefined {
  const { nozzleC, nozzleTargetC } = reading;
  if (nozzleC === undefined || nozzleTargetC === undefined) return undefined;
  return { nozzleC, nozzleTargetC, bedC: reading.bedC ?? 0, bedTargetC: reading.bedTargetC ?? 0 };
}
