// What prints owe: a ready one whose printer is free is leased, and the node of a leased one is told
// until a report shows that it heard.
//
// D1. A lease is in the log before the node hears of it.

import type { PrintRow } from "@gantry/shared/contract/rows.ts";
import { byHub, type Hub, propose } from "../hub.ts";
import { printWaitsFor } from "../ledger/domains/prints.ts";
import type { AgentLink } from "../ports.ts";
import type { Orders } from "./orders.ts";

const REFUSED_PAUSE_MS = 5_000; // before a printer that refused is tried again

export interface PrintDuties {
  readonly sweep: () => Promise<void>;
  readonly refused: (job: string) => void;
}

export function makePrintDuties(
  hub: Hub,
  link: () => AgentLink,
  { tell, forget }: Orders,
  signal: AbortSignal,
): PrintDuties {
  const { rows, clock } = hub;
  const notBeforeMs = new Map<string, number>(); // by job, monotonic

  /** One look per printer: the job that holds it is reminded, else its first ready job is leased. */
  async function sweep(): Promise<void> {
    const taken = new Set<string>();
    for (const print of rows.hot("print").values()) {
      if (print.lease === undefined) continue;
      taken.add(print.printer);
      remindOfPrint(print);
    }
    for (const print of rows.hot("print").values()) {
      if (print.state !== "ready" || taken.has(print.printer)) continue;
      taken.add(print.printer);
      await leasePrint(print);
    }
  }

  async function leasePrint(print: PrintRow): Promise<void> {
    const device = rows.get("device", print.printer);
    if (device === undefined || printWaitsFor(rows, print, device) !== undefined) return;
    if ((notBeforeMs.get(print.id) ?? 0) > clock.monotonic()) return;
    const node = rows.get("node", device.node);
    if (node?.state !== "alive" || !link().heard().has(node.id)) return;
    const phase = hub.soft.printer(device.id)?.phase ?? device.printer.phase;
    if (phase !== "idle") return;
    await propose(
      hub,
      { type: "printLeased", job: print.id, node: node.id, bootId: node.bootId },
      byHub(hub),
      signal,
    ); // D1
    const leased = rows.get("print", print.id);
    if (leased !== undefined) remindOfPrint(leased);
  }

  function remindOfPrint({
    id: job,
    printer,
    lease,
    gcode,
    startedCount,
    state,
    wish,
  }: PrintRow): void {
    if (lease === undefined || state === "unknown") return;
    const { node, token } = lease;
    if (startedCount === 0) {
      const { sha256, sizeBytes } = gcode;
      tell(node, `print ${job} ${token}`, {
        type: "print",
        printer,
        job,
        token,
        sha256,
        sizeBytes,
      });
    }
    if (wish !== undefined) {
      tell(node, `${wish} ${job} ${token}`, { type: "printWish", printer, job, token, wish });
    }
  }

  return {
    sweep,
    refused(job) {
      notBeforeMs.set(job, clock.monotonic() + REFUSED_PAUSE_MS);
      forget(job);
    },
  };
}
