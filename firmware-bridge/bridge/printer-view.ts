// A driver's state as the agent sees it: a phase, temperatures, progress.

import type { Printer, PrinterPhase, Temperatures } from "@gantry/shared/contract/bridge.ts";
import type { PrinterSpec } from "../config.ts";
import { promptText } from "../protocols/host-prompt.ts";
import type { Reading } from "../protocols/marlin-codec.ts";
import { activeIn, type DriverState, onlineIn } from "./driver-state.ts";

export function phaseOf(state: DriverState): PrinterPhase {
  const { cable } = state;
  switch (cable.kind) {
    case "offline":
    case "opening":
      return cable.kind;
    case "down":
      return cable.isStopped ? "stopped" : "fault";
    case "online": {
      const active = activeIn(state);
      if (active === undefined) return "idle";
      if (active.isEnding) return "finishing";
      const phase = active.run.phase();
      return phase === "printing" && state.signs.isWaitingForPerson ? "paused" : phase; // LP1
    }
  }
}

export function printerOf(spec: PrinterSpec, state: DriverState): Printer {
  const { cable, identity } = state;
  const temperatures = cable.kind === "online" ? temperaturesOf(state.reading) : undefined;
  return {
    id: spec.id,
    driver: "marlin",
    phase: phaseOf(state),
    isSimulated: identity?.isSimulated ?? false,
    ...(identity === undefined ? {} : { firmware: identity.firmware }),
    sizeMm: sizeMmOf(spec, state),
    nozzleMaxC: spec.nozzleMaxC,
    bedMaxC: spec.bedMaxC,
    ...(temperatures === undefined ? {} : { temperatures }),
    ...jobFacts(state),
    ...noticesOf(spec, state),
    ...(cable.kind === "down"
      ? { fault: { code: cable.error.code, message: cable.error.message } }
      : {}),
  };
}

/** As the firmware says, or else as it is configured. */
export const sizeMmOf = (spec: PrinterSpec, { identity }: DriverState): PrinterSpec["sizeMm"] =>
  identity?.sizeMm ?? spec.sizeMm;

function jobFacts(state: DriverState): Partial<Pick<Printer, "job" | "progress" | "remainingS">> {
  const active = activeIn(state);
  const online = onlineIn(state);
  if (active === undefined) return {};
  if (online === undefined) return { job: active.job };
  const progress = active.progress(online.link.ackedTag());
  const estimatedS = Math.round(active.cleared.scan.estimatedS * (1 - progress));
  const remainingS = active.slicerLeftS ?? estimatedS; // the slicer knows its machine better
  return { job: active.job, progress, remainingS };
}

/** LP1 */
function noticesOf(
  spec: PrinterSpec,
  { signs, baud, cable }: DriverState,
): Partial<Pick<Printer, "notices">> {
  const isOther = cable.kind === "online" && baud !== spec.baud;
  const speed = `It speaks at ${baud} baud, not ${spec.baud}: set baud=${baud} in GANTRY_PRINTERS`;
  const notices = isOther ? [speed] : [];
  if (!signs.isWaitingForPerson) return isOther ? { notices } : {};
  const asked = signs.prompt === undefined ? "It waits for a person" : promptText(signs.prompt);
  return { notices: [asked.slice(0, 400), ...notices] };
}

function temperaturesOf(reading: Reading): Temperatures | undefined {
  const { nozzleC, nozzleTargetC } = reading;
  if (nozzleC === undefined || nozzleTargetC === undefined) return undefined;
  return { nozzleC, nozzleTargetC, bedC: reading.bedC ?? 0, bedTargetC: reading.bedTargetC ?? 0 };
}
