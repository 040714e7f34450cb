// What became of prints, told to the hub again and again until it has each phase on record.
//
// PR1. Phases go out in the order in which they happened; each stays until `recorded` names it.
// PR2. A phase that was told already is not told as news: live progress travels with the printers.
// PR3. At most REPORTS_MAX wait; then the oldest that does not end a job is dropped. The bridge
//      itself repeats the ends (BR3).

import type { BridgeReport, JobPhase } from "@gantry/shared/contract/bridge.ts";
import type { Outbox } from "./outbox.ts";

export type PrintReport = Extract<BridgeReport, { type: "job" }>;

const REPORTS_MAX = 256;
const ENDS: ReadonlySet<JobPhase> = new Set(["done", "failed", "cancelled", "interrupted"]);

/** Says whether nothing comes after this phase. */
export const isEnd = (phase: JobPhase): boolean => ENDS.has(phase);

export interface PrintReports {
  add(report: PrintReport): void;
  /** The report that the hub has recorded, and that is therefore forgotten. */
  recorded(job: string, token: number, phase: JobPhase): PrintReport | undefined;
  repeat(): void;
  holds(): { job: string; token: number }[];
}

export function makePrintReports(outbox: Outbox): PrintReports {
  const reports: PrintReport[] = [];
  const lastPhase = new Map<string, JobPhase>();

  const tell = ({ type: _type, ...report }: PrintReport): void =>
    void outbox.tell({ type: "printJob", ...report });

  return {
    add(report) {
      const isNews = lastPhase.get(report.job) !== report.phase;
      const waits = reports.some(({ job, phase }) => job === report.job && phase === report.phase);
      if (!isNews && (waits || !isEnd(report.phase))) return; // PR2
      lastPhase.delete(report.job);
      lastPhase.set(report.job, report.phase);
      reports.push(report);
      if (reports.length > REPORTS_MAX) {
        const oldest = reports.findIndex(({ phase }) => !isEnd(phase));
        reports.splice(Math.max(oldest, 0), 1); // PR3
      }
      const [first] = lastPhase.keys();
      if (lastPhase.size > REPORTS_MAX && first !== undefined) lastPhase.delete(first);
      tell(report);
    },
    recorded(job, token, phase) {
      const index = reports.findIndex(
        (report) => report.job === job && report.token === token && report.phase === phase,
      );
      return index < 0 ? undefined : reports.splice(index, 1)[0];
    },
    repeat() {
      for (const report of reports) tell(report);
    },
    holds: () => reports.map(({ job, token }) => ({ job, token })),
  };
}
