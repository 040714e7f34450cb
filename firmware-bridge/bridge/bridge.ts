// All printers of this machine behind one desk: orders in, reports out.
//
// BG1. Every order gets exactly one answer, `accepted` or `refused`.
// BG2. An agent that connects hears of all printers and of every end that nobody acknowledged yet.
// BG3. Agents come and go; printing does not notice.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Adopt } from "@gantry/shared/contract/adopt.ts";
import type { BridgeOrder, BridgeReport, JobPhase } from "@gantry/shared/contract/bridge.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { isEnded, type JobRow, type Journal, type PrinterPort } from "../ports.ts";

export interface Bridge {
  /** Never rejects. BG1 */
  handle(order: BridgeOrder): Promise<BridgeReport>;
  /** BG2 */
  greeting(): readonly BridgeReport[];
}

/** `adopt`: keeps a new printer and begins to drive it. Throws conflict, bad_config or io_error. */
export function makeBridge(
  drivers: readonly PrinterPort[],
  journal: Journal,
  log: Logger,
  adopt?: (adopt: Adopt) => Promise<void>,
): Bridge {
  const driverOf = (id: string): PrinterPort => {
    const driver = drivers.find((one) => one.id === id);
    if (driver === undefined) throw new GantryError("not_found", `There is no printer ${id}`);
    return driver;
  };

  async function carryOut(order: BridgeOrder): Promise<string | undefined> {
    switch (order.type) {
      case "start":
        return driverOf(order.printer).start(order);
      case "pause":
      case "resume":
      case "cancel":
        return driverOf(order.printer).control(order);
      case "stop":
        for (const driver of order.printer === undefined ? drivers : [driverOf(order.printer)]) {
          driver.stop();
        }
        return undefined;
      case "reset":
        return driverOf(order.printer).reset();
      case "acknowledge":
        return acknowledge(order.printer, order.job);
      case "adopt":
        if (adopt === undefined) throw new GantryError("conflict", "Nothing is adopted here");
        await adopt(order.adopt);
        return undefined;
    }
  }

  async function acknowledge(printer: string, job: string): Promise<string | undefined> {
    const row = journal.find(printer, job);
    if (row === undefined || row.isAcknowledged) return "nothing to acknowledge";
    if (!isEnded(row)) throw new GantryError("conflict", `${job} has not ended`);
    await journal.put({ ...row, isAcknowledged: true });
    return undefined;
  }

  return {
    async handle(order) {
      const { id } = order;
      try {
        const note = await carryOut(order);
        return { type: "accepted", id, ...(note === undefined ? {} : { note }) };
      } catch (error) {
        const { code, message } = toErrorRecord(error);
        const detail = code === "internal" ? String(error) : message;
        log.warn({ order: order.type, code, why: detail }, "order refused");
        return { type: "refused", id, error: { code, message } };
      }
    },
    greeting() {
      const rows = drivers.flatMap(({ id }) => journal.rows(id));
      return [
        { type: "printers", printers: drivers.map((driver) => driver.printer()) },
        ...rows.flatMap((row) =>
          row.isAcknowledged || row.phase === "preparing" ? [] : [jobReport(row, row.phase)],
        ),
      ];
    },
  };
}

/** `phase` differs from the row's for `paused` and `resumed`. */
export function jobReport(row: JobRow, phase: JobPhase): BridgeReport {
  const { printer, job, token, progress, startedCount, error } = row;
  return {
    type: "job",
    printer,
    job,
    token,
    phase,
    progress,
    startedCount,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
  };
}
