// The digest by which a heartbeat says "what you have on record of me is what I can do".

import { digestOf } from "../base/digest.ts";
import type { Printer } from "./bridge.ts";
import type { Capabilities } from "./rows.ts";

/** What does not change while a printer works; phase, job and temperatures travel as telemetry. */
const stableFactsOf = (printer: Printer): Partial<Printer> => ({
  id: printer.id,
  driver: printer.driver,
  isSimulated: printer.isSimulated,
  ...(printer.firmware === undefined ? {} : { firmware: printer.firmware }),
  sizeMm: printer.sizeMm,
  nozzleMaxC: printer.nozzleMaxC,
  bedMaxC: printer.bedMaxC,
});

/**
 * Over stable facts only, and independent of order: a warm nozzle or another order of loading is no
 * new registration. Both ends of the agent link use this one function.
 */
export const capabilitiesDigest = (capabilities: Capabilities): string =>
  digestOf({
    models: byKey(capabilities.models, ({ name }) => name),
    embedder: capabilities.embedder,
    commands: byKey(capabilities.commands, ({ name }) => name),
    printers: byKey(capabilities.printers, ({ id }) => id).map(stableFactsOf),
    ...(capabilities.cad === undefined ? {} : { cad: capabilities.cad }),
    ...(capabilities.slicer === undefined ? {} : { slicer: capabilities.slicer }),
  });

const byKey = <T>(items: readonly T[], keyOf: (item: T) => string): T[] =>
  items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
