// Soft state: live values that are true now and need not survive: temperatures, progress, phases
// between two log entries. Lost with the hub, told again by the nodes within a second.

import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { Feed } from "./feed.ts";

export interface SoftState {
  /** The last report of a printer; undefined when its node has not spoken since the hub started. */
  printer(id: string): Printer | undefined;
  report(printers: readonly Printer[]): void;
  forget(ids: Iterable<string>): void;
  /** The newest report of each printer that was reported since the last call. */
  takeChanged(): readonly Printer[];
}

export function makeSoftState(feed: Feed): SoftState {
  const printers = new Map<string, Printer>();
  const changed = new Set<string>();
  return {
    printer: (id) => printers.get(id),
    report(reported) {
      for (const printer of reported) {
        printers.set(printer.id, printer);
        changed.add(printer.id);
        const { id: device, phase, temperatures, job, progress, remainingS } = printer;
        feed.publishSoft({
          type: "telemetry",
          device,
          phase,
          ...(temperatures === undefined ? {} : { temperatures }),
          ...(job === undefined ? {} : { job }),
          ...(progress === undefined ? {} : { progress }),
          ...(remainingS === undefined ? {} : { remainingS }),
        });
      }
    },
    forget(ids) {
      for (const id of ids) printers.delete(id);
    },
    takeChanged() {
      const taken = [...changed].flatMap((id) => printers.get(id) ?? []);
      changed.clear();
      return taken;
    },
  };
}
