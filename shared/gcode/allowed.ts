// Which commands a job file may have. What is not listed is refused: a list of the bad ones would
// miss the next firmware's.

const span = (...names: readonly string[]): readonly string[] =>
  names.flatMap((name) => name.split(" "));

/** What slicers and their start and end scripts use, and nothing that outlives the job. */
export const ALLOWED_COMMANDS: ReadonlySet<string> = new Set(
  span(
    "G0 G1 G2 G3 G4 G10 G11 G17 G20 G21 G27 G28 G29 G80 G90 G91 G92", // G80: Prusa's mesh levelling
    "M17 M18 M73 M74 M75 M76 M77 M82 M83 M84 M104 M105 M106 M107 M109 M114 M115 M117",
    "M140 M141 M190 M191 M201 M203 M204 M205 M207 M208 M220 M221 M300 M400 M420 M486",
    "M572 M593 M600 M862.1 M862.2 M862.3 M862.4 M862.5 M862.6 M900 T0 T1 T2 T3 T4",
  ),
);

/** Why a command is refused, and what to do instead. */
export interface Refusal {
  readonly why: string;
  readonly hint: string;
}

const REMOVE = "Remove it from the start, end or layer script of the slicer's printer profile.";
const AT_PRINTER = "Change the printer's settings at the printer, not in a job.";
const PAUSE = "Pause from the console, or use M600 for a change of filament.";
const CARD = "Send files through the hub; jobs may not touch the printer's card.";
const HEAT = "Heat the nozzle with M109 before filament is pushed.";

/** The best known of the others; the rest are "not on the list". */
const REASONS: Readonly<Record<string, Refusal>> = {
  M0: { why: "waits for a button on the printer", hint: PAUSE },
  M1: { why: "waits for a button on the printer", hint: PAUSE },
  M20: { why: "lists the printer's card", hint: CARD },
  M21: { why: "mounts the printer's card", hint: CARD },
  M22: { why: "unmounts the printer's card", hint: CARD },
  M23: { why: "opens a file of the printer's card", hint: CARD },
  M24: { why: "starts a file of the printer's card", hint: CARD },
  M26: { why: "moves in a file of the printer's card", hint: CARD },
  M28: { why: "writes to the printer's card", hint: CARD },
  M29: { why: "writes to the printer's card", hint: CARD },
  M30: { why: "deletes from the printer's card", hint: CARD },
  M32: { why: "starts a file of the printer's card", hint: CARD },
  M928: { why: "writes to the printer's card", hint: CARD },
  M42: { why: "switches a pin of the board", hint: REMOVE },
  M43: { why: "switches pins of the board", hint: REMOVE },
  M81: { why: "switches the power off", hint: "Switch it off after the job, by its plug." },
  M92: { why: "changes how far a step goes", hint: AT_PRINTER },
  M98: { why: "runs a file of the printer", hint: REMOVE },
  M108: { why: "breaks a wait that the host relies on", hint: REMOVE },
  M110: { why: "changes the line numbers of the link", hint: REMOVE },
  M112: { why: "is the emergency stop, which belongs to the stop button", hint: REMOVE },
  M118: { why: "sends words to the host", hint: "Show a message with M117." },
  M155: { why: "changes the reports that the host relies on", hint: REMOVE },
  M206: { why: "moves the origin for every later job", hint: AT_PRINTER },
  M211: { why: "turns the end stops off", hint: REMOVE },
  M301: { why: "changes how heat is controlled", hint: AT_PRINTER },
  M302: { why: "allows cold extrusion", hint: HEAT },
  M303: { why: "heats to find new settings", hint: AT_PRINTER },
  M410: { why: "drops moves and loses the position", hint: REMOVE },
  M428: { why: "moves the origin for every later job", hint: AT_PRINTER },
  M500: { why: "writes the printer's settings", hint: AT_PRINTER },
  M501: { why: "changes the printer's settings", hint: AT_PRINTER },
  M502: { why: "changes the printer's settings", hint: AT_PRINTER },
  M503: { why: "reads the printer's settings", hint: AT_PRINTER },
  M504: { why: "checks the printer's settings", hint: AT_PRINTER },
  M808: { why: "repeats a part of the file", hint: "Slice several copies instead." },
  M997: {
    why: "flashes the firmware",
    hint: "Update firmware with nothing in the queue, by hand.",
  },
  M999: { why: "restarts the printer", hint: REMOVE },
};

const OTHER: Refusal = { why: "is not on the list of allowed commands", hint: REMOVE };

/** A printer's own list: more than the usual, or less. Names as in Command. */
export interface CommandProfile {
  readonly alsoAllowed?: readonly string[];
  readonly alsoForbidden?: readonly string[];
}

/** Undefined if allowed. `name` as in Command. */
export function whyForbidden(name: string, profile: CommandProfile = {}): Refusal | undefined {
  if (profile.alsoForbidden?.includes(name) === true) {
    return { why: "is forbidden for this printer", hint: REMOVE };
  }
  if (ALLOWED_COMMANDS.has(name) || profile.alsoAllowed?.includes(name) === true) return undefined;
  return REASONS[name] ?? OTHER;
}
