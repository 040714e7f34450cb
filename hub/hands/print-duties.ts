// What prints owe: a ready one that has a free printer, its own or of the farm, is leased, and the node of a leased one is told
// until a report shows that it heard.
//
// D1. A lease is in the log before the node hears of it.
// D6. A print of the farm is assigned first, then leased as any other: that it may start is decided by
//     the lease alone.

import type { DeviceRow, PrintRow } from "@gantry/shared/contract/rows.ts";
import { isPlannable, planPrints } from "../farm/plan.ts";
import { byHub, type Hub, propose } from "../hub.ts";
import type { AgentLink } from "../ports.ts";
import { farmPrinters, type LocalTime } from "./farm.ts";
import type { Orders } from "./orders.ts";

const REFUSED_PAUSE_MS = 5_000; // before a printer that refused is tried again
/** A plan that takes longer than this is made at most a twentieth of the time: others use this thread. */
const PLAN_MS = 20;
const PLAN_REST = 19;

export interface PrintDuties {
  readonly sweep: () => Promise<void>;
  readonly refused: (job: string) => void;
}

export function makePrintDuties(
  hub: Hub,
  link: () => AgentLink,
  { tell, forget }: Orders,
  localOf: LocalTime,
  signal: AbortSignal,
): PrintDuties {
  const { rows, clock } = hub;
  const notBeforeMs = new Map<string, number>(); // by job, monotonic
  let planNotBeforeMs = 0;

  /** Leased jobs are reminded of; of the ready ones, those that have a printer now are leased. */
  async function sweep(): Promise<void> {
    const ready: PrintRow[] = [];
    const resting = new Set<string>(); // a printer that refused is left alone for a moment
    for (const print of rows.hot("print").values()) {
      if (print.lease !== undefined) remindOfPrint(print);
      else if ((notBeforeMs.get(print.id) ?? 0) > clock.monotonic()) resting.add(print.printer);
      else if (isPlannable(print)) ready.push(print);
    }
    const beganMs = clock.monotonic();
    if (ready.length === 0 || beganMs < planNotBeforeMs) return;
    const printers = farmPrinters(hub, link().heard(), localOf);
    const awake = printers.filter(({ device }) => !resting.has(device.id));
    const plan = planPrints(ready, awake);
    const tookMs = clock.monotonic() - beganMs;
    if (tookMs > PLAN_MS) planNotBeforeMs = clock.monotonic() + PLAN_REST * tookMs;
    for (const { job, printer, why } of plan) {
      await leasePrint(job, printer.device, why);
    }
  }

  /** The rows may be others since the plan was made: the log judges both commands again. */
  async function leasePrint(print: PrintRow, device: DeviceRow, why: string): Promise<void> {
    const node = rows.get("node", device.node);
    if (node === undefined) return;
    const { id: job } = print;
    if (print.printer !== device.id) {
      const assigned = { type: "printAssigned", job, printer: device.id, why } as const; // D6
      if (!(await propose(hub, assigned, byHub(hub), signal)).ok) return;
    }
    await propose(
      hub,
      { type: "printLeased", job, node: node.id, bootId: node.bootId },
      byHub(hub),
      signal,
    ); // D1
    const leased = rows.get("print", job);
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
