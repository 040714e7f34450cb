// "What needs me": the things that stand still until a person acts, the most urgent first.

import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { MachineView } from "./views.ts";

export type Need =
  | { readonly kind: "confirmation"; readonly confirmation: ConfirmationView }
  /** A printer that reports a fault or was stopped. */
  | { readonly kind: "fault"; readonly device: DeviceView }
  /** A print whose end nobody saw. */
  | { readonly kind: "unresolved"; readonly print: PrintView }
  | { readonly kind: "bed"; readonly device: DeviceView }
  | { readonly kind: "unseenJob"; readonly job: JobView }
  | { readonly kind: "machine"; readonly machine: MachineView }
  | { readonly kind: "offline"; readonly device: DeviceView };

export interface Known {
  readonly confirmations: readonly ConfirmationView[];
  readonly devices: readonly DeviceView[];
  readonly prints: readonly PrintView[];
  readonly jobs: readonly JobView[];
  readonly machines: readonly MachineView[];
}

export const isUnresolved = (print: PrintView): boolean =>
  print.state === "interrupted" || print.state === "unknown";

export const isStopped = (device: DeviceView): boolean =>
  device.phase === "fault" || device.phase === "stopped" || device.fault !== undefined;

export function needsOf(known: Known): readonly Need[] {
  const { confirmations, devices, prints, jobs, machines } = known;
  return [
    ...confirmations
      .filter(({ state }) => state === "pending")
      .toSorted((a, b) => a.secondsLeft - b.secondsLeft)
      .map((confirmation): Need => ({ kind: "confirmation", confirmation })),
    ...devices.filter(isStopped).map((device): Need => ({ kind: "fault", device })),
    ...prints.filter(isUnresolved).map((print): Need => ({ kind: "unresolved", print })),
    ...devices
      .filter((device) => device.bed === "part" && device.job === undefined)
      .map((device): Need => ({ kind: "bed", device })),
    ...jobs
      .filter(({ state }) => state === "unknown")
      .map((job): Need => ({ kind: "unseenJob", job })),
    ...machines
      .filter(({ state }) => state === "suspect" || state === "down")
      .map((machine): Need => ({ kind: "machine", machine })),
    ...devices
      .filter((device) => !device.online)
      .map((device): Need => ({ kind: "offline", device })),
  ];
}
