// Programs in OpenSCAD that people or models wrote: read into words first, and only what was read runs.
//
// SR1. No file is named: `use`, `include`, `import`, `surface` and the other words of FILES are refused
//      with their line. OpenSCAD itself would open any file of the machine (measured: /etc/passwd).
// SR2. What runs is put together again from the words that were looked at, without comments: a word
//      that this reader and OpenSCAD see differently cannot hide between them.

import { GantryError } from "../base/errors.ts";
import { LIMIT } from "../base/policy.ts";

const FILES: ReadonlySet<string> = new Set(
  "use include import import_stl import_dxf import_off surface dxf_cross dxf_dim dxf_linear_extrude dxf_rotate_extrude file filename".split(
    " ",
  ),
);
const TOKEN =
  /(?<space>[ \t\r\n]+)|(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<text>"(?:[^"\\\r\n]|\\[\\"nrt])*")|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?<word>[A-Za-z_$][A-Za-z0-9_$]*)|(?<sign>\/(?![*/])|[-+*%^<>=!&|?:;,.(){}[\]#])/uy;

/** SR1 and SR2. Throws bad_request with `details.line`, too_large. */
export function cleanSource(source: string): string {
  const { max } = LIMIT.cadSourceChars;
  if (source.length > max) {
    throw new GantryError(
      "too_large",
      `The program has ${source.length} characters; ${max} are the most`,
    );
  }
  let line = 1;
  let cleaned = "";
  TOKEN.lastIndex = 0;
  for (let at = 0; at < source.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (match === null)
      throw refused(`cannot be read from ${JSON.stringify(source.slice(at, at + 20))} on`, line);
    const [token] = match;
    const { word, comment } = match.groups ?? {};
    if (word !== undefined && FILES.has(word.toLowerCase())) {
      throw refused(`may not name files: ${word}`, line); // SR1
    }
    const lines = token.split("\n").length - 1;
    cleaned += comment === undefined ? token : " " + "\n".repeat(lines);
    line += lines;
  }
  if (cleaned.trim() === "") throw refused("is empty", 1);
  return cleaned;
}

const refused = (why: string, line: number): GantryError =>
  new GantryError("bad_request", `The program ${why}, line ${line}`, {
    details: { line, fields: [{ path: "source", message: `line ${line}: ${why}` }] },
  });
