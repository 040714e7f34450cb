// What OctoPrint says of its printer and of its job, as one status.
//
// OP1. After the end of a print OctoPrint only says "Operational"; that it was ours and whole shows in
//      the completion of the selected file, and else in the file's own record of prints.

import {
  type Facts,
  factsAt,
  flagAt,
  known,
  numberAt,
  parseFacts,
  secondsOf,
  shareOf,
  temperaturesAt,
  textAt,
} from "./facts.ts";
import type { Activity, Outcome, RemoteStatus } from "./remote.ts";

const SIMULATED = "Gantry simulated printer";

export interface OctoprintSaid {
  /** `GET /api/version` */
  readonly version: Facts;
  /** `GET /api/printer`; undefined where it is not connected to its printer (409). */
  readonly printer: Facts | undefined;
  /** `GET /api/job` */
  readonly job: Facts;
  readonly webcamUrl?: string | undefined;
}

export function octoprintStatus({ version, printer, job, webcamUrl }: OctoprintSaid): RemoteStatus {
  const text = textAt(version, "text");
  const said = factsAt(job, "progress");
  const completion = numberAt(said, "completion");
  const file = factsAt(job, "job", "file");
  const activity = activityOf(printer, job, completion);
  return known<RemoteStatus>({
    activity,
    file: textAt(file, "path") ?? textAt(file, "name"),
    progress: shareOf(completion === undefined ? undefined : completion / 100),
    remainingS: secondsOf(numberAt(said, "printTimeLeft")),
    temperatures:
      printer === undefined ? undefined : temperaturesOf(factsAt(printer, "temperature")),
    fault: activity === "fault" ? faultOf(printer, job) : undefined,
    firmware: text,
    isSimulated: text?.includes(SIMULATED) ?? false,
    webcamUrl,
  });
}

function activityOf(
  printer: Facts | undefined,
  job: Facts,
  completion: number | undefined,
): Activity {
  const state = textAt(job, "state") ?? "";
  if (/^(opening|detecting|connecting)/i.test(state)) return "starting";
  if (printer === undefined) return "fault";
  const flags = factsAt(printer, "state", "flags");
  if (flagAt(flags, "error") || flagAt(flags, "closedOrError")) return "fault";
  if (flagAt(flags, "cancelling") || flagAt(flags, "finishing")) return "finishing";
  if (flagAt(flags, "paused")) return "paused";
  if (["printing", "pausing", "resuming"].some((flag) => flagAt(flags, flag))) return "printing";
  if (!flagAt(flags, "operational")) return "starting";
  return completion !== undefined && completion >= 100 ? "done" : "idle"; // OP1
}

function faultOf(printer: Facts | undefined, job: Facts): string {
  const why = textAt(job, "error") ?? textAt(factsAt(printer, "state"), "error");
  const state = textAt(job, "state") ?? "Offline";
  return `OctoPrint says ${state}${why === undefined ? "" : `: ${why}`}`;
}

function temperaturesOf(said: Facts): RemoteStatus["temperatures"] {
  return temperaturesAt(
    [factsAt(said, "tool0"), "actual", "target"],
    [factsAt(said, "bed"), "actual", "target"],
  );
}

/** Of `GET /api/files/local/NAME`: the record of its prints. OP1 */
export function octoprintOutcome(body: string): Outcome {
  const prints = factsAt(parseFacts(body) ?? {}, "prints");
  const isGood = factsAt(prints, "last")["success"];
  if (typeof isGood === "boolean") return isGood ? "done" : "failed";
  return "unknown";
}

/** Of the answer to an upload: whether the file is there under this very name. */
export function isTaken(body: string, name: string): boolean {
  const facts = parseFacts(body) ?? {};
  const local = factsAt(facts, "files", "local");
  return flagAt(facts, "done") && (textAt(local, "path") ?? textAt(local, "name")) === name;
}
