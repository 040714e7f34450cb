// One printer on the network, whatever it speaks, as a PrinterPort. DR1, DR4, DR5 and DR6 of driver.ts
// hold here too.
//
// RD1. The printer prints on when it is not reached, and when this program ends: its job stays
//      `started` until the printer says what became of it, or TIMEOUT.printerLostMs is over.
// RD2. A job that the journal calls started is taken up again at the next start of this program and
//      judged by what the printer shows of its file; it is never started again.
// RD3. A stop that the printer did not take is given again with each connection, and whenever it works
//      all the same, until a person says `reset`.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { PrinterPhase } from "@gantry/shared/contract/bridge.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { ControlOrder, PrinterPort, RemoteSession } from "../ports.ts";
import { makeRemoteJob, WORKING } from "../protocols/remote.ts";
import { makeJobBook } from "./job-book.ts";
import { abortPreparing, tooEarly } from "./job-control.ts";
import { makeStartJob, NO_WORK } from "./preparation.ts";
import { newPrint, remoteStage } from "./remote-stage.ts";
import {
  phaseOf,
  preparingIn,
  printerOf,
  printIn,
  type RemoteContext,
  type RemoteDriverPorts,
  type RemotePrint,
  type RemoteSpec,
  type RemoteState,
  requireSession,
  sessionIn,
} from "./remote-state.ts";
import { makeRemoteWatch } from "./remote-watch.ts";

const TICK_MS = 200;
const REPORT_MS = 1_000;
const SHUTDOWN_MS = 3_000;

export function makeRemoteDriver(spec: RemoteSpec, ports: RemoteDriverPorts): PrinterPort {
  const { clock, log, remote } = ports;
  const scope = makeScope((task, error) =>
    log.error({ task, error: String(error) }, "task failed"),
  );
  const book = makeJobBook(spec.id, ports);
  const state: RemoteState = {
    connection: { kind: "offline", why: "not connected yet" },
    down: undefined,
    owed: undefined,
    work: NO_WORK,
    leftovers: [],
    status: undefined,
  };
  const context: RemoteContext = { spec, ports, state, book, scope, tell };
  const watch = makeRemoteWatch(context);
  const start = makeStartJob(remoteStage(context));
  let lastPhase: PrinterPhase = "offline";
  let reportedAtMs = 0;
  let haltedAtMs = 0;

  function tell(): void {
    const phase = phaseOf(state);
    const nowMs = clock.monotonic();
    const isPhase = phase !== lastPhase;
    if (!isPhase && nowMs - reportedAtMs < REPORT_MS) return;
    if (isPhase)
      log.info({ from: lastPhase, to: phase, job: printIn(state)?.job }, "printer phase");
    lastPhase = phase;
    reportedAtMs = nowMs;
    ports.onPrinter(isPhase);
  }

  /** RD2. What had not been started was never begun, and another than the newest cannot run. */
  function takeUp(): void {
    const found = ports.journal.rows(spec.id).findLast(({ phase }) => phase === "started");
    if (found !== undefined) {
      const { job, token, remoteFile = job } = found;
      state.work = newPrint(job, token, makeRemoteJob(remoteFile, clock.monotonic()));
      log.info({ job }, "a job of an earlier life is taken up");
    }
  }

  const isOurs = (job: string): boolean =>
    job === printIn(state)?.job || job === preparingIn(state)?.job;
  const endOthers = (): Promise<void> =>
    book.endLost("The bridge stopped while it printed", isOurs);

  async function run(signal: AbortSignal): Promise<void> {
    takeUp();
    let failures = 0;
    let lastSeenMs = clock.monotonic();
    while (!signal.aborted) {
      const openedAtMs = clock.monotonic();
      try {
        await endOthers();
        await session(signal);
        lastSeenMs = clock.monotonic();
        // One that is lost at once again and again is redialled ever more slowly.
        failures = lastSeenMs - openedAtMs < TIMEOUT.printerAnswerMs ? failures + 1 : 1;
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        onUnreached(error, failures);
      }
      giveUpLost(clock.monotonic() - lastSeenMs);
      const backoff = backoffMs(RECONNECT, failures, ports.random);
      await clock.sleep(backoff, signal).catch(() => undefined); // aborted: the loop sees it
    }
    await scope.close();
  }

  function onUnreached(error: unknown, failures: number): void {
    const { code, message } = toErrorRecord(error);
    const why = code === "internal" ? String(error) : message;
    if (failures === 1 || failures % 20 === 0) log.warn({ code, why, failures }, "not reached");
    state.connection = { kind: "offline", why: message };
    tell();
  }

  /** RD1 */
  function giveUpLost(silentMs: number): void {
    const print = printIn(state);
    if (print === undefined || silentMs < TIMEOUT.printerLostMs) return;
    const message = "The printer was not reached for too long; it may be printing still";
    watch.end(print, "interrupted", { code: "device_offline", message });
  }

  /** One life of a connection. */
  async function session(signal: AbortSignal): Promise<void> {
    let closed: string | undefined;
    const whyClosed = (): string | undefined => closed;
    state.connection = { kind: "opening" };
    const events = {
      onStatus(status: RemoteState["status"]) {
        if (closed !== undefined) return;
        state.status = status;
        if (state.connection.kind === "online") watch.look();
        tell();
      },
      onClosed(why: string) {
        closed ??= why;
      },
    };
    tell();
    const opened = await remote.open(events, clock.timeout(TIMEOUT.printerConnectMs, signal));
    try {
      state.connection = { kind: "online", session: opened };
      log.info({ firmware: state.status?.firmware }, "printer connected");
      if (state.owed !== undefined) await settleOwed(opened, signal);
      while (whyClosed() === undefined) {
        watch.look();
        haltAgain();
        tell();
        await clock.sleep(TICK_MS, signal);
      }
    } finally {
      closed ??= "closed";
      state.connection = { kind: "offline", why: closed };
      tell();
      await opened.close();
    }
    log.warn({ why: closed }, "connection lost");
  }

  /** RD3 */
  async function settleOwed(session: RemoteSession, signal: AbortSignal): Promise<void> {
    const { owed } = state;
    if (owed === undefined) return;
    try {
      await session[owed](clock.timeout(TIMEOUT.printerAnswerMs, signal));
      if (state.owed === owed) state.owed = undefined;
      log.warn({}, owed === "halt" ? "the printer was told to stop" : "the printer was reset");
    } catch (error) {
      const { code, message } = toErrorRecord(error);
      log.error({ code, why: message, owed }, "the printer did not take it");
      if (owed === "recover" && state.owed === owed) state.owed = undefined; // a person sees it
    }
  }

  /** RD3. A stop that only ends the job, and came before the start did, ended nothing. */
  function haltAgain(): void {
    if (state.down?.isStopped !== true || state.owed === "recover") return;
    const isAtWork = state.status !== undefined && WORKING.has(state.status.activity);
    const isDue = clock.monotonic() - haltedAtMs > 2 * TIMEOUT.printerPollMs;
    if (isDue && (isAtWork || state.owed === "halt")) owe("halt");
  }

  function owe(what: "halt" | "recover"): void {
    state.owed = what;
    if (what === "halt") haltedAtMs = clock.monotonic();
    const session = sessionIn(state);
    if (session !== undefined) scope.start(what, (signal) => settleOwed(session, signal));
  }

  /** What was started a moment ago may not show yet. */
  async function seen(print: RemotePrint): Promise<void> {
    const untilMs = clock.monotonic() + TIMEOUT.printerAnswerMs;
    const isAwaited = (): boolean => !print.remote.isSeen() && !print.isEnding;
    while (isAwaited() && clock.monotonic() < untilMs) {
      await clock.sleep(TICK_MS, scope.signal);
    }
  }

  async function control(order: ControlOrder): Promise<string | undefined> {
    book.assertFresh(order.token); // DR5
    if (order.type === "cancel") abortPreparing(preparingIn(state), order);
    await book.raise(order.token);
    const preparing = preparingIn(state);
    if (preparing?.job === order.job) return order.type === "cancel" ? undefined : tooEarly(order);
    const print = printIn(state);
    if (print?.job !== order.job || print.isEnding) return book.controlEnded(order);
    print.token = Math.max(print.token, order.token);
    if (order.type === "cancel") {
      if (print.remote.isCancelled()) return "it is ending already";
      print.remote.cancel();
      watch.look();
      return undefined;
    }
    const session = requireSession(state, spec.id);
    await seen(print);
    const isPaused = print.remote.isPaused();
    if (!print.remote.isSeen() || isPaused === (order.type === "pause")) {
      const phase = isPaused ? "paused" : phaseOf(state);
      throw new GantryError("conflict", `A ${phase} job cannot ${order.type}`);
    }
    await session[order.type](clock.timeout(TIMEOUT.printerCommandMs, scope.signal));
    return undefined;
  }

  return {
    id: spec.id,
    printer: () => printerOf(spec, remote.driver, state),
    run,
    start,
    control,
    stop() {
      owe("halt"); // DR3: before anything else
      watch.goDown({ code: "device_fault", message: "Emergency stop" }, true);
    },
    reset() {
      if (state.down === undefined && state.status?.activity !== "fault") {
        return `printer ${spec.id} is ${phaseOf(state)}; nothing to reset`;
      }
      state.down = undefined;
      owe("recover");
      log.info({}, "reset by a person");
      tell();
      return undefined;
    },
    async shutdown() {
      const early = new GantryError("interrupted", "The bridge was stopped before the start");
      preparingIn(state)?.abort.abort(early);
      const untilMs = clock.monotonic() + SHUTDOWN_MS;
      const { signal } = new AbortController();
      const isBusy = (): boolean => preparingIn(state) !== undefined;
      while (isBusy() && clock.monotonic() < untilMs) await clock.sleep(TICK_MS, signal);
    },
  };
}
