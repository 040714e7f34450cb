// One line of G-code as a command, read as strictly as the strictest firmware would.
//
// GC1. What is accepted has one meaning: one command, each letter once, plain decimal numbers. Line
//      numbers (`N`), checksums (`*`), host commands (`@`), escapes and a second command are faults.
// GC2. `text` is what goes over the wire: no comment, upper case, trimmed. `format` after `parse`
//      gives the same command again.
// GC3. No `E` stands right behind a digit in `text`: firmware that reads numbers with C's strtod takes
//      `X1E3` for X1000.

import { GantryError } from "../base/errors.ts";

export interface Command {
  /** Letter and number without leading zeros: `G1`, `M104`, `T0`, `G29.1`. */
  readonly name: string;
  /** Parameter letters and their numbers; undefined for a bare letter such as in `G28 X`. */
  readonly words: ReadonlyMap<string, number | undefined>;
  /** Exactly what is sent. */
  readonly text: string;
}

/**
 * 95 bytes fit Marlin's MAX_CMD_SIZE of 96; `N` with up to 8 digits, a space, `*` and 3 digits are
 * ours. A longer line loses its checksum and is asked for again for ever (notes on the queue).
 */
export const COMMAND_BYTES_MAX = 81;

/** Commands whose argument is free text. */
const TEXT_COMMANDS: ReadonlySet<string> = new Set(["M117", "M862.3"]);

const HEAD = /^([GMT])(\d{1,4})(?:\.(\d{1,2}))?/;
const WORD = /\s*([A-Z])([-+]?(?:\d{1,9}(?:\.\d{0,20})?|\.\d{1,20}))?/y;
const PRINTABLE = /^[\x20-\x7e]*$/;

/** Undefined for a line with nothing but a comment. Throws gcode_invalid. `line`: for the error. */
export function parseCommand(source: string, line: number): Command | undefined {
  const bare = withoutComment(source);
  if (bare === "") return undefined;
  const fail = (why: string): GantryError => invalidLine(why, line, source);
  if (!PRINTABLE.test(bare)) throw fail("has a byte that is not printable ASCII");
  if (bare.includes("*")) throw fail("brings its own checksum");
  if (bare.includes("\\")) throw fail("has a backslash");
  const upper = bare.toUpperCase();
  if (/^N\s*[-+]?\d/.test(upper)) throw fail("brings its own line number");
  if (bare.startsWith("@")) throw fail("is a command for another host program");
  const head = HEAD.exec(upper);
  if (head === null) throw fail("is not a G, M or T command");
  const name = nameOf(head);
  const rest = upper.slice(head[0].length);
  if (TEXT_COMMANDS.has(name) && (rest === "" || rest.startsWith(" "))) {
    return bounded({ name, words: new Map(), text: name + bare.slice(head[0].length) }, fail);
  }
  const text = upper.replaceAll(/(?<=[\d.])E/g, " E"); // GC3
  return bounded({ name, words: wordsOf(rest, fail), text }, fail);
}

/** The text up to `;`, trimmed; tabs count as spaces. */
export function withoutComment(source: string): string {
  const at = source.indexOf(";");
  return (at === -1 ? source : source.slice(0, at)).replaceAll("\t", " ").trim();
}

function nameOf(head: RegExpExecArray): string {
  const [, letter = "", digits = "", sub] = head;
  return `${letter}${Number(digits)}${sub === undefined ? "" : `.${Number(sub)}`}`;
}

function wordsOf(
  rest: string,
  fail: (why: string) => GantryError,
): ReadonlyMap<string, number | undefined> {
  const words = new Map<string, number | undefined>();
  WORD.lastIndex = 0;
  while (WORD.lastIndex < rest.length) {
    const word = WORD.exec(rest);
    if (word === null) throw fail("cannot be read after its command");
    const [, letter = "", digits] = word;
    if (letter === "G" || letter === "M" || letter === "N") {
      throw fail("has two commands on one line");
    }
    if (words.has(letter)) throw fail(`has ${letter} twice`);
    words.set(letter, digits === undefined ? undefined : Number(digits));
  }
  return words;
}

function bounded(command: Command, fail: (why: string) => GantryError): Command {
  if (command.text.length > COMMAND_BYTES_MAX) throw fail(`is over ${COMMAND_BYTES_MAX} bytes`);
  return command;
}

const PLAIN =
  "One command a line, plain ASCII: export it again, or look at the slicer's own scripts.";

/** The error for one line; the text is cut, for it may be anything. */
export function invalidLine(why: string, line: number, source: string, hint = PLAIN): GantryError {
  const text = source.slice(0, 80);
  return new GantryError("gcode_invalid", `Line ${line} ${why}`, { details: { line, text, hint } });
}
