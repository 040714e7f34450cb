// How the printers are, as the bridge says, and when the hub is told: news at once, telemetry at most
// once in TELEMETRY_MS.

import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Outbox } from "./outbox.ts";

const TELEMETRY_MS = 1_000;

export interface PrinterState {
  readonly printers: () => readonly Printer[];
  readonly see: (next: readonly Printer[]) => void;
  /** The bridge is gone: all are offline. */
  readonly lost: () => void;
  readonly tell: () => void;
  /** Tells what was held back. */
  readonly tick: () => void;
}

/** `onPrinters`: what the printers can do may have changed. */
export function makePrinterState(
  outbox: Outbox,
  clock: Clock,
  onPrinters: () => void,
): PrinterState {
  let printers: readonly Printer[] = [];
  let toldAtMs = Number.NEGATIVE_INFINITY;
  let isTold = true;

  function see(next: readonly Printer[]): void {
    const isNews = phasesOf(next) !== phasesOf(printers);
    printers = next;
    isTold = false;
    if (isNews || clock.monotonic() - toldAtMs >= TELEMETRY_MS) tell();
    onPrinters();
  }

  function tell(): void {
    if (!outbox.tell({ type: "printers", printers: [...printers] })) return;
    toldAtMs = clock.monotonic();
    isTold = true;
  }

  return {
    printers: () => printers,
    see,
    lost: () => see(printers.map(offline)),
    tell,
    tick() {
      if (!isTold && clock.monotonic() - toldAtMs >= TELEMETRY_MS) tell();
    },
  };
}

const phasesOf = (printers: readonly Printer[]): string =>
  printers.map(({ id, phase, job }) => `${id}:${phase}:${job ?? ""}`).join("\n");

/** Nobody knows how warm it is, nor what it prints, while its bridge is away. */
function offline(printer: Printer): Printer {
  const { temperatures: _t, job: _j, progress: _p, remainingS: _r, fault: _f, ...facts } = printer;
  const { notices: _n, power: _o, materials: _m, ...stable } = facts;
  return { ...stable, phase: "offline" };
}
