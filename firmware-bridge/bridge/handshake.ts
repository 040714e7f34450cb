// From an open cable to a printer that is known, numbered from a fixed line, and cold.
//
// HS1. Opening may have reset the board: the greeting ends when its words stop.
// HS2. Heaters are switched off before anything else is asked of the printer: whoever left them on
//      is gone, and a host that restarts must not find itself holding a hot nozzle.
// HS3. A printer that may be hot is told so even before its greeting, which takes up to 3 s, and again
//      whenever it complains meanwhile: the half line that the last host left behind takes what
//      follows it along. HS2 is then the proof.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { FIRST_NUMBER } from "../protocols/link.ts";
import type { MarlinEvent } from "../protocols/marlin-codec.ts";
import { formatLine } from "../protocols/marlin-line.ts";

export interface Identity {
  readonly firmware: string;
  readonly machine: string;
  readonly isSimulated: boolean;
  readonly sizeMm: { readonly x: number; readonly y: number; readonly z: number } | undefined;
  readonly caps: ReadonlySet<string>;
  /** How long the last answer took: over 100 ms the serial adapter's hook may not work (SP1). */
  readonly answerMs: number;
}

export interface Greeting {
  write(text: string): void;
  /** The next event; undefined after `ms` without one. Rejects when the cable is closed. */
  next(ms: number): Promise<MarlinEvent | undefined>;
  /** HS3 */
  readonly mayBeHot: boolean;
}

const GREETING_MS = 1_500;
const SILENCE_MS = 200;
const ANSWER_MS = 1_500;
const TRIES_MAX = 5;
/** Lines that cannot be read, and none that can: this is another speed, or no Marlin. */
const NOISE_MAX = 4;
/** The first line end closes a half line. */
export const HEATERS_OFF = "\nM104 S0\nM140 S0\n";
const SIMULATED = "Gantry simulated printer";

/** Rejects with unreachable. Afterwards the firmware's last line number is FIRST_NUMBER - 1. */
export async function shakeHands(given: Greeting, clock: Clock): Promise<Identity> {
  const greeting = giveUpOnNoise(given);
  await awaitGreeting(greeting, clock);
  await ask(greeting, "M104 S0"); // HS2
  await ask(greeting, "M140 S0");
  const events = await ask(greeting, "M115", ({ kind }) => kind === "firmware");
  const askedAtMs = clock.monotonic();
  await ask(greeting, "M113 S2");
  const identity = { ...identityOf(events), answerMs: clock.monotonic() - askedAtMs };
  if (identity.caps.has("AUTOREPORT_TEMP")) await ask(greeting, "M155 S1");
  // With number and sum, so that noise cannot make it another number.
  await ask(greeting, formatLine(FIRST_NUMBER - 1, `M110 N${FIRST_NUMBER - 1}`).trimEnd());
  return identity;
}

/** HS1. A board that was not reset says nothing; then the first answer is the greeting. */
async function awaitGreeting(greeting: Greeting, clock: Clock): Promise<void> {
  const startedAtMs = clock.monotonic();
  let hasStarted = false;
  if (greeting.mayBeHot) greeting.write(HEATERS_OFF);
  for (;;) {
    const event = await greeting.next(hasStarted ? SILENCE_MS : GREETING_MS);
    hasStarted ||= event?.kind === "start";
    if (greeting.mayBeHot && isComplaint(event)) greeting.write(HEATERS_OFF);
    if (event === undefined || clock.monotonic() - startedAtMs > 2 * GREETING_MS) return;
  }
}

/** Rejects with unreachable once all that comes is noise. */
function giveUpOnNoise(greeting: Greeting): Greeting {
  let noise = 0;
  let isUnderstood = false;
  return {
    ...greeting,
    async next(ms) {
      const event = await greeting.next(ms);
      if (event?.kind === "noise") noise += 1;
      else isUnderstood ||= event !== undefined;
      if (!isUnderstood && noise >= NOISE_MAX) {
        throw new GantryError("unreachable", "What the printer says cannot be read");
      }
      return event;
    },
  };
}

const isComplaint = (event: MarlinEvent | undefined): boolean =>
  event?.kind === "error" || event?.kind === "resend";

/** Sends until an `ok` comes that no error preceded; gives the events up to it. */
async function ask(
  greeting: Greeting,
  command: string,
  isExpected?: (event: MarlinEvent) => boolean,
): Promise<readonly MarlinEvent[]> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    greeting.write(`\n${command}\n`); // the first line end closes whatever half line is there
    const events = await answerTo(greeting);
    const isWhole = isExpected === undefined || events?.some(isExpected) === true;
    if (events !== undefined && isWhole) return events;
  }
  throw new GantryError("unreachable", "The printer does not answer as Marlin does");
}

async function answerTo(greeting: Greeting): Promise<readonly MarlinEvent[] | undefined> {
  const events: MarlinEvent[] = [];
  let hasError = false;
  for (;;) {
    const event = await greeting.next(ANSWER_MS);
    if (event === undefined) return undefined;
    events.push(event);
    hasError ||= isComplaint(event);
    hasError ||= event.kind === "echo" && event.text.startsWith("Unknown command");
    if (event.kind === "fatal") throw new GantryError("device_fault", event.text);
    if (event.kind === "ok") return hasError ? undefined : events;
  }
}

function identityOf(events: readonly MarlinEvent[]): Omit<Identity, "answerMs"> {
  const caps = new Set<string>();
  let fields: Readonly<Record<string, string>> = {};
  let sizeMm: Identity["sizeMm"];
  for (const event of events) {
    if (event.kind === "firmware") fields = event.fields;
    else if (event.kind === "area") sizeMm = event.sizeMm;
    else if (event.kind === "cap" && event.isOn) caps.add(event.name);
  }
  const machine = fields["MACHINE_TYPE"] ?? "";
  return {
    firmware: fields["FIRMWARE_NAME"] ?? "unknown",
    machine,
    isSimulated: machine.startsWith(SIMULATED),
    sizeMm,
    caps,
  };
}
