// Prints on this node: fenced, fetched, given to the bridge, and told to the hub until recorded.
//
// PT1. The token of a print or a wish is on disk before anything is done for it; a lower one than the
//      highest of its printer is refused with `stale_token` and nothing is done.
// PT2. The file is here, whole and verified, before the bridge hears of the print.
// PT3. `stop` waits for nothing: it goes to the bridge in the turn in which it came, and ends every
//      print that is still being fetched, so that none starts after it.
// PT4. A start whose answer was lost is given again, with the same token, when the bridge is back; the
//      bridge knows whether it had begun. It is never told as refused.

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
import { isEnd, makePrintReports } from "./print-reports.ts";

const ANSWERS_MAX = 64;
const TELEMETRY_MS = 1_000;

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
  const { bridge, memory, cache, blobs, outbox, clock, log } = ports;
  const inHand = new Map<string, InHand>();
  const refusals = new Map<string, unknown>(); // the last one of each printer, for PT5
  const reports = makePrintReports(outbox);
  const answers: NodeMessage[] = [];
  let printers: readonly Printer[] = [];
  let toldAtMs = Number.NEGATIVE_INFINITY;
  let isTold = true;

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

  /** Undefined if nothing newer was seen. A token belongs to one job. */
  function staleness({ printer, job, token }: Print | Wish): GantryError | undefined {
    const fence = memory.fenceOf(printer);
    if (fence === undefined || token > fence.token) return undefined;
    const isSame = fence.job === job || fence.job === refusedMark(job);
    return token === fence.token && isSame ? undefined : stale(printer, token, fence.token);
  }

  /** PT5. */
  function wasRefused({ printer, job, token }: Print | Wish): boolean {
    const fence = memory.fenceOf(printer);
    return fence?.token === token && fence.job === refusedMark(job);
  }

  /** Throws stale_token; remembers the token and resolves when that is on disk (PT1). */
  async function claim(order: Print | Wish): Promise<void> {
    const error = staleness(order);
    if (error !== undefined) throw error;
    const { printer, job, token } = order;
    if (!wasRefused(order)) await memory.keep({ type: "fence", printer, token, job });
  }

  // --- a print ---

  function take(print: Print): void {
    const current = inHand.get(print.printer);
    const isKnown = current?.print.token === print.token && current.print.job === print.job;
    if (isKnown) return;
    const error = staleness(print);
    if (error !== undefined) return refuse(print, error);
    if (wasRefused(print)) return refuse(print, refusals.get(print.printer) ?? refusedBefore());
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
      await claim(print);
      const path = await blobs.fetch(print.sha256, print.sizeBytes, signal);
      signal.throwIfAborted(); // a newer print, a cancel or a stop came while it was fetched
      await start(current, path);
    } catch (error) {
      if (scope.signal.aborted) return; // the hub gives it to this node again
      forget(current);
      if (isCancel(error)) reports.add(neverStarted(print));
      else await refuseForGood(print, error);
    }
  }

  /** PT5. A newer print that came meanwhile has a fence of its own. */
  async function refuseForGood(print: Print, error: unknown): Promise<void> {
    const { printer, job, token } = print;
    if (staleness(print) === undefined) {
      refusals.set(printer, error);
      await memory
        .keep({ type: "fence", printer, token, job: refusedMark(job) })
        .catch((fault: unknown) =>
          log.error({ job, token, error: fault }, "a refusal is not kept"),
        );
    }
    refuse(print, error);
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
      await claim(wish);
      const isHeldHere = current?.print.job === job && current.step === "fetching";
      if (wish.wish === "cancel" && isHeldHere) current.abort.abort(cancelled());
      else await bridge().order({ type: wish.wish, printer, job, token });
    } catch (error) {
      const { code, message } = toErrorRecord(error);
      if (code === "stale_token") refuse(wish, error);
      // The bridge never began it, which is what the person wishes; refused, it would be given again.
      else if (code === "not_found" && wish.wish === "cancel") reports.add(neverStarted(wish));
      else log.warn({ job, token, wish: wish.wish, code }, message); // the hub's duty stands
    }
  }

  function stop(id: string, printer: string | undefined): void {
    for (const current of inHand.values()) {
      const isMeant = printer === undefined || printer === current.print.printer;
      if (isMeant && current.step === "fetching") current.abort.abort(cancelled()); // PT3
    }
    const stopped = printer === undefined ? printers.map(({ id }) => id) : [printer];
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

  function see(next: readonly Printer[]): void {
    const isNews = phasesOf(next) !== phasesOf(printers);
    printers = next;
    isTold = false;
    if (isNews || clock.monotonic() - toldAtMs >= TELEMETRY_MS) tellPrinters();
    ports.onPrinters();
  }

  function tellPrinters(): void {
    if (!outbox.tell({ type: "printers", printers: [...printers] })) return;
    toldAtMs = clock.monotonic();
    isTold = true;
  }

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
    printers: () => printers,
    holds: () => [
      ...[...inHand.values()].map(({ print: { job, token } }) => ({ job, token })),
      ...reports.holds(),
      ...printers.flatMap(({ id, job }) => {
        const fence = memory.fenceOf(id); // a print that went on while this agent was restarted
        return fence !== undefined && fence.job === job ? [{ job, token: fence.token }] : [];
      }),
    ],
    repeat() {
      for (const message of answers.splice(0)) answer(message);
      reports.repeat();
    },
    open: tellPrinters,
    tick() {
      if (!isTold && clock.monotonic() - toldAtMs >= TELEMETRY_MS) tellPrinters();
    },
    handlers: {
      connected: resolveDoubts,
      lost: () => see(printers.map(offline)),
      report(report) {
        if (report.type === "printers") see(report.printers);
        else reports.add(report);
      },
    },
  };
}

const phasesOf = (printers: readonly Printer[]): string =>
  printers.map(({ id, phase, job }) => `${id}:${phase}:${job ?? ""}`).join("\n");

/** Nobody knows how warm it is, nor what it prints, while its bridge is away. */
function offline(printer: Printer): Printer {
  const { temperatures: _t, job: _j, progress: _p, remainingS: _r, fault: _f, ...facts } = printer;
  return { ...facts, phase: "offline" };
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

const stale = (printer: string, token: number, highest: number): GantryError =>
  new GantryError("stale_token", `${printer} was given to token ${highest}, this is ${token}`);

/** In place of the job in the fence of a printer; no job is called so. */
const refusedMark = (job: string): string => `refused ${job}`;

/** Passes by itself: the hub leases the print anew. */
const refusedBefore = (): GantryError =>
  new GantryError("unreachable", "This order was refused before the node was started again");

const noBridge = (): GantryError =>
  new GantryError("device_offline", "The firmware bridge of this node is not running");

const cancelled = (): GantryError =>
  new GantryError("cancelled", "It was stopped before its first byte was sent");

const isCancel = (error: unknown): boolean =>
  error instanceof GantryError && error.code === "cancelled";

const wasSent = (error: unknown): boolean =>
  error instanceof GantryError && error.details["wasSent"] === true;
