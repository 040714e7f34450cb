// Prints on this node: fenced, fetched, given to the bridge, and told to the hub until recorded.
//
// PT2. The file is here, whole and verified, before the bridge hears of the print.
// PT3. `stop` waits for nothing: it goes to the bridge in the turn in which it came, and ends every
//      print that is still being fetched, so that none starts after it.
// PT4. A start whose answer was lost is given again, with the same token, when the bridge is back; the
//      bridge knows whether it had begun. It is never told as refused.
// PT6. A print that was told as cancelled before its first byte is marked so in its fence (PT5): the
//      same order told again, or late, begins nothing.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { BlobFetch } from "./blob-fetch.ts";
import type { Memory } from "./memory.ts";
import type { Outbox } from "./outbox.ts";
import type { BlobCache, Bridge, BridgeHandlers } from "./ports.ts";
import { makePrintFences, stale } from "./print-fences.ts";
import { isEnd, makePrintReports } from "./print-reports.ts";
import { makePrinterState } from "./printer-state.ts";

const ANSWERS_MAX = 64;

type Print = Extract<HubMessage, { type: "print" }>;
type Wish = Extract<HubMessage, { type: "printWish" }>;
type Recorded = Extract<HubMessage, { type: "recorded" }>;

interface InHand {
  readonly print: Print;
  readonly abort: AbortController;
  /** `doubtful`: the start was sent and its answer lost (PT4). */
  step: "fetching" | "starting" | "doubtful" | "started";
}

export interface Prints {
  take(print: Print): void;
  wish(wish: Wish): void;
  stop(message: Extract<HubMessage, { type: "stop" }>): void;
  reset(message: Extract<HubMessage, { type: "resetPrinter" }>): void;
  recorded(message: Recorded): void;
  /** As the bridge says; `offline` while there is none. */
  printers(): readonly Printer[];
  holds(): { job: string; token: number }[];
  /** Tells how the printers are. Called when a session opens. */
  open(): void;
  /** Tells again what is not recorded. */
  repeat(): void;
  /** Tells telemetry that was held back. Called with each beat. */
  tick(): void;
  /** For the socket to the bridge. */
  readonly handlers: BridgeHandlers;
}

export interface PrintPorts {
  readonly bridge: () => Bridge;
  readonly memory: Memory;
  readonly cache: BlobCache;
  readonly blobs: BlobFetch;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the printers can do may have changed. */
  readonly onPrinters: () => void;
}

export function makePrints(ports: PrintPorts, scope: Scope): Prints {
  const { bridge, memory, cache, blobs, outbox, clock, log, onPrinters } = ports;
  const inHand = new Map<string, InHand>();
  const reports = makePrintReports(outbox);
  const answers: NodeMessage[] = [];
  const fences = makePrintFences(memory, log);
  const live = makePrinterState(outbox, clock, onPrinters);

  // --- answers ---

  /** Said now or when there is a session again. */
  function answer(message: NodeMessage): void {
    if (outbox.tell(message)) return;
    answers.push(message);
    if (answers.length > ANSWERS_MAX) answers.shift();
  }

  function refuse({ job, token }: Print | Wish, error: unknown): void {
    log.warn({ job, token, code: toErrorRecord(error).code }, "print refused");
    answer({ type: "printRefused", job, token, error: toErrorRecord(error) });
  }

  // --- a print ---

  function take(print: Print): void {
    const current = inHand.get(print.printer);
    const isKnown = current?.print.token === print.token && current.print.job === print.job;
    if (isKnown) return;
    const error = fences.staleness(print) ?? fences.refusalOf(print);
    if (isCancel(error)) return reports.add(neverStarted(print)); // PT6
    if (error !== undefined) return refuse(print, error);
    current?.abort.abort(stale(print.printer, current.print.token, print.token));
    const next: InHand = { print, abort: new AbortController(), step: "fetching" };
    inHand.set(print.printer, next);
    scope.start("print", () => prepare(next));
  }

  async function prepare(current: InHand): Promise<void> {
    const { print, abort } = current;
    const signal = AbortSignal.any([abort.signal, scope.signal]);
    try {
      if (!bridge().isConnected) throw noBridge();
      await fences.claim(print);
      const path = await blobs.fetch(print.sha256, print.sizeBytes, signal);
      signal.throwIfAborted(); // a newer print, a cancel or a stop came while it was fetched
      await start(current, path);
    } catch (error) {
      if (scope.signal.aborted) return; // the hub gives it to this node again
      forget(current);
      await fences.refuseForGood(print, error);
      if (isCancel(error)) reports.add(neverStarted(print)); // PT6
      else refuse(print, error);
    }
  }

  async function start(current: InHand, path: string): Promise<void> {
    const { printer, job, token, sha256, sizeBytes } = current.print;
    current.step = "starting";
    try {
      await bridge().order({ type: "start", printer, job, token, path, sha256, sizeBytes });
      current.step = "started";
      log.info({ job, token, printer }, "print given to the bridge");
    } catch (error) {
      if (!wasSent(error)) throw error;
      current.step = "doubtful"; // PT4
      log.warn({ job, token, printer }, "the bridge went away before it answered a start");
    }
  }

  function resolveDoubts(): void {
    for (const current of inHand.values()) {
      if (current.step !== "doubtful") continue;
      current.step = "fetching";
      scope.start("print again", () => prepare(current));
    }
  }

  function forget(current: InHand): void {
    const { printer } = current.print;
    if (inHand.get(printer) === current) inHand.delete(printer);
  }

  // --- wishes and stops ---

  async function fulfil(wish: Wish): Promise<void> {
    const { printer, job, token } = wish;
    const current = inHand.get(printer);
    try {
      await fences.claim(wish);
      const isHeldHere = current?.print.job === job && current.step === "fetching";
      if (wish.wish === "cancel" && isHeldHere) current.abort.abort(cancelled());
      else await bridge().order({ type: wish.wish, printer, job, token });
    } catch (error) {
      const { code, message } = toErrorRecord(error);
      if (code === "stale_token") refuse(wish, error);
      // The bridge never began it, which is what the person wishes; refused, it would be given again.
      else if (code === "not_found" && wish.wish === "cancel") await neverBegan(wish);
      else log.warn({ job, token, wish: wish.wish, code }, message); // the hub's duty stands
    }
  }

  /** PT6. The order may have come while the bridge was asked: then it is asked again. */
  async function neverBegan(wish: Wish): Promise<void> {
    const marked = fences.refuseForGood(wish, cancelled()); // known at once: none is taken from here on
    const current = inHand.get(wish.printer);
    const isOurs = current?.print.job === wish.job;
    const isUnderWay = isOurs && (current.step === "fetching" || current.step === "starting");
    await marked;
    if (isUnderWay) return fulfil(wish);
    reports.add(neverStarted(wish));
  }

  function stop(id: string, printer: string | undefined): void {
    for (const current of inHand.values()) {
      const isMeant = printer === undefined || printer === current.print.printer;
      if (isMeant && current.step === "fetching") current.abort.abort(cancelled()); // PT3
    }
    const stopped = printer === undefined ? live.printers().map(({ id }) => id) : [printer];
    scope.start("stop", async () => {
      try {
        await bridge().order({ type: "stop", ...(printer === undefined ? {} : { printer }) });
        answer({ type: "stopped", id, printers: stopped });
      } catch (error) {
        log.error({ printer, error }, "the emergency stop did not reach the bridge");
        answer({ type: "stopped", id, printers: [], error: toErrorRecord(error) });
      }
    });
  }

  async function reset(id: string, printer: string): Promise<void> {
    try {
      await bridge().order({ type: "reset", printer });
      answer({ type: "stopped", id, printers: [printer] });
    } catch (error) {
      answer({ type: "failed", id, error: toErrorRecord(error) });
    }
  }

  // --- what the bridge and the hub say ---

  async function settle({ job, token, phase }: Recorded): Promise<void> {
    const report = phase === undefined ? undefined : reports.recorded(job, token, phase);
    if (report === undefined || !isEnd(report.phase)) return;
    const current = inHand.get(report.printer);
    if (current?.print.job === job) {
      forget(current);
      const isShared = [...inHand.values()].some(
        ({ print }) => print.sha256 === current.print.sha256,
      );
      if (!isShared) await cache.remove(current.print.sha256);
    }
    await bridge()
      .order({ type: "acknowledge", printer: report.printer, job, token })
      .catch((error: unknown) => log.debug({ job, error }, "the bridge repeats this end")); // BR3
  }

  return {
    take,
    wish: (wish) => scope.start("wish", () => fulfil(wish)),
    stop: ({ id, printer }) => stop(id, printer),
    reset: ({ id, printer }) => scope.start("reset", () => reset(id, printer)),
    recorded: (message) => scope.start("recorded", () => settle(message)),
    printers: live.printers,
    holds: () => [
      ...[...inHand.values()].map(({ print: { job, token } }) => ({ job, token })),
      ...reports.holds(),
      ...live.printers().flatMap(({ id, job }) => {
        const fence = memory.fenceOf(id); // a print that went on while this agent was restarted
        return fence !== undefined && fence.job === job ? [{ job, token: fence.token }] : [];
      }),
    ],
    repeat() {
      for (const message of answers.splice(0)) answer(message);
      reports.repeat();
    },
    open: live.tell,
    tick: live.tick,
    handlers: {
      connected: resolveDoubts,
      lost: live.lost,
      report(report) {
        if (report.type === "printers") live.see(report.printers);
        else reports.add(report);
      },
    },
  };
}

const neverStarted = ({ printer, job, token }: Print | Wish) =>
  ({
    type: "job",
    printer,
    job,
    token,
    phase: "cancelled",
    progress: 0,
    startedCount: 0,
  }) as const;

const noBridge = (): GantryError =>
  new GantryError("device_offline", "The firmware bridge of this node is not running");

const cancelled = (): GantryError =>
  new GantryError("cancelled", "It was stopped before its first byte was sent");

const isCancel = (error: unknown): boolean =>
  error instanceof GantryError && error.code === "cancelled";

const wasSent = (error: unknown): boolean =>
  error instanceof GantryError && error.details["wasSent"] === true;
