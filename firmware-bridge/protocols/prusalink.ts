// What PrusaLink (API v1) says of its printer and of its job, as one status.
//
// PL1. Files have a short name on some printers; ours is known by the name that is shown.
// PL2. A job keeps its number to its end: where a finished printer shows the number and no file any
//      more, it is the file that had this number.

import {
  type Facts,
  factsAt,
  isFacts,
  known,
  listAt,
  numberAt,
  secondsOf,
  shareOf,
  temperaturesAt,
  textAt,
} from "./facts.ts";
import type { Activity, RemoteStatus } from "./remote.ts";

const SIMULATED = "Gantry simulated printer";

export interface PrusalinkSaid {
  /** `GET /api/version` */
  readonly version: Facts;
  /** `GET /api/v1/status` */
  readonly status: Facts;
  /** `GET /api/v1/job`; undefined where there is none (204). */
  readonly job: Facts | undefined;
}

export interface PrusalinkView {
  see(said: PrusalinkSaid): RemoteStatus;
  /** Of the job that it shows now. */
  jobNumber(): number | undefined;
}

const ACTIVITY: Readonly<Record<string, Activity>> = {
  IDLE: "idle",
  READY: "idle",
  BUSY: "busy",
  PRINTING: "printing",
  PAUSED: "paused",
  /** A person must do something at the printer; the print waits. */
  ATTENTION: "paused",
  FINISHED: "done",
  STOPPED: "cancelled",
  ERROR: "fault",
};

export function makePrusalinkView(): PrusalinkView {
  let seen: { readonly number: number; readonly file: string } | undefined;
  let number: number | undefined;

  return {
    see({ version, status, job }) {
      const printer = factsAt(status, "printer");
      const summary = factsAt(status, "job");
      number = (job === undefined ? undefined : numberAt(job, "id")) ?? numberAt(summary, "id");
      const file = factsAt(job, "file");
      const name = textAt(file, "display_name") ?? textAt(file, "name");
      if (number !== undefined && name !== undefined) seen = { number, file: name };
      const state = (textAt(printer, "state") ?? "").toUpperCase();
      const activity = Object.hasOwn(ACTIVITY, state) ? ACTIVITY[state] : undefined;
      const percent = numberAt(summary, "progress") ?? numberAt(job ?? {}, "progress");
      const notices = noticesOf(printer, state);
      const text = textAt(version, "text");
      return known<RemoteStatus>({
        activity: activity ?? "starting",
        file: name ?? (number !== undefined && seen?.number === number ? seen.file : undefined), // PL2
        progress: shareOf(percent === undefined ? undefined : percent / 100),
        remainingS: secondsOf(numberAt(summary, "time_remaining")),
        temperatures: temperaturesAt(
          [printer, "temp_nozzle", "target_nozzle"],
          [printer, "temp_bed", "target_bed"],
        ),
        fault: activity === "fault" ? (notices[0] ?? "The printer shows an error") : undefined,
        firmware: text,
        isSimulated: text?.includes(SIMULATED) ?? false,
        notices: notices.length === 0 ? undefined : notices,
      });
    },
    jobNumber: () => number,
  };
}

function noticesOf(printer: Facts, state: string): string[] {
  const said = ["status_printer", "status_connect"].flatMap((name) => {
    const facts = factsAt(printer, name);
    const message = textAt(facts, "message");
    return facts["ok"] === false && message !== undefined ? [message] : [];
  });
  return state === "ATTENTION" ? ["Somebody must look at the printer", ...said] : said;
}

/** Of `GET /api/v1/storage`: where files may be written, such as `usb`. */
export function prusalinkStorage(said: unknown): string | undefined {
  const usable = listAt(isFacts(said) ? said : {}, "storage_list").filter(
    (facts) => facts["available"] !== false && facts["read_only"] !== true,
  );
  return usable
    .map((facts) => textAt(facts, "path")?.replace(/^\//, ""))
    .find((path) => path !== undefined && /^[\w-]{1,40}$/.test(path)); // it becomes part of addresses
}
