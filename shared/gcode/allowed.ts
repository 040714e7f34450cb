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

/** Why the best known of the others are refused; the rest are "not on the list". */
const REASONS: Readonly<Record<string, string>> = {
  M0: "waits for a button on the printer",
  M1: "waits for a button on the printer",
  M28: "writes to the printer's card",
  M29: "writes to the printer's card",
  M30: "deletes from the printer's card",
  M108: "breaks a wait that the host relies on",
  M110: "changes the line numbers of the link",
  M112: "is the emergency stop, which belongs to the stop button",
  M118: "sends words to the host",
  M155: "changes the reports that the host relies on",
  M206: "moves the origin for every later job",
  M211: "turns the end stops off",
  M302: "allows cold extrusion",
  M410: "drops moves and loses the position",
  M500: "writes the printer's settings",
  M501: "changes the printer's settings",
  M502: "changes the printer's settings",
  M503: "reads the printer's settings",
  M504: "checks the printer's settings",
  M997: "flashes the firmware",
  M999: "restarts the printer",
};

/** Undefined if allowed. `name` as in Command. */
export function whyForbidden(name: string): string | undefined {
  if (ALLOWED_COMMANDS.has(name)) return undefined;
  return REASONS[name] ?? "is not on the list of allowed commands";
}
