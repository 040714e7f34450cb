// Makes parts: OpenSCAD turns a program into a body, PrusaSlicer a body into G-code, both in a sandbox.
//
// CD1. A machine says that it can do this only after it has done it once since it was started: the
//      program is there, the sandbox lets it run, and a cube came out that is one.
// CD2. A program of a person's is cleaned again here and runs only where it can see no file of ours
//      (adapters/sandbox.ts, `namespaces`).
// CD3. Whatever the program says of itself, only a body that our own check found closed and a G-code
//      that is not empty leave this file.
// CD4. A program that does not end is ended after TIMEOUT.cadMs, for good: trying again would not help.

import { deflateSync } from "node:zlib";
import { availableParallelism } from "node:os";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { blockMesh } from "@gantry/shared/cad/block.ts";
import { assertFits, checkMesh, type Mesh, type MeshFacts } from "@gantry/shared/cad/mesh.ts";
import { drawMesh, pngOf } from "@gantry/shared/cad/preview.ts";
import { sliceIni, type SliceProfile } from "@gantry/shared/cad/slicing.ts";
import { cleanSource } from "@gantry/shared/cad/source.ts";
import { readStl, writeStl } from "@gantry/shared/cad/stl.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { findProgram, openSandbox, type SandboxOrder } from "../adapters/sandbox.ts";

export interface Tool {
  readonly version: string;
  /** It sees no file but its own: programs of people may run. */
  readonly isIsolated: boolean;
}

export interface CadTools {
  readonly cad: Tool | undefined;
  readonly slicer: Tool | undefined;
  /** Why one of them is not offered, for the log. */
  readonly faults: readonly string[];
  /** Throws bad_request with the line, command_failed, too_large, capability_missing. */
  render(source: string, isFree: boolean, signal: AbortSignal): Promise<Mesh>;
  /** `onShare`: 0 to 1. Throws command_failed, mesh_invalid, too_large. */
  slice(
    mesh: Mesh,
    profile: SliceProfile,
    preview: Uint8Array | undefined,
    onShare: (share: number) => void,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
}

export interface CadPorts {
  readonly clock: Clock;
  /** Search path for the programs, before that of the system. */
  readonly path?: string | undefined;
  /** For one program; default TIMEOUT.cadMs. */
  readonly timeoutMs?: number;
}

const MEMORY_BYTES = 4_294_967_296;
const PROBE = "cube(10);";
const PROBE_PROFILE: SliceProfile = {
  sizeMm: { x: 200, y: 200, z: 200 },
  nozzleMaxC: 260,
  bedMaxC: 110,
  nozzleMm: 0.4,
  material: "pla",
  layerMm: 0.3,
  infillPercent: 0,
  walls: 1,
  supports: false,
  brimMm: 0,
};
const THUMBNAIL_LINE_CHARS = 78;

/** CD1: takes about as long as making a cube. */
export async function openCadTools(ports: CadPorts, signal: AbortSignal): Promise<CadTools> {
  const { clock, path, timeoutMs = TIMEOUT.cadMs } = ports;
  const faults: string[] = [];
  const openscad = await findProgram("openscad", path);
  const slicer = await findProgram("prusa-slicer", path);
  const isThere = openscad !== undefined || slicer !== undefined;
  const sandbox = isThere ? await openSandbox(signal) : undefined;
  if (isThere && sandbox === undefined) faults.push("prlimit (util-linux) is missing");

  async function inTime(
    name: string,
    order: Omit<SandboxOrder, "memoryBytes" | "cpuS" | "fileBytes">,
    signal: AbortSignal,
  ) {
    if (sandbox === undefined) throw new GantryError("capability_missing", `${name} is not here`);
    const limit = clock.timeout(timeoutMs, signal);
    const cpuS = Math.ceil((timeoutMs / 1_000) * availableParallelism());
    const bounds = { memoryBytes: MEMORY_BYTES, cpuS, fileBytes: LIMIT.modelBytes.max };
    try {
      return await sandbox.run({ ...order, ...bounds }, limit);
    } catch (error) {
      if (signal.aborted || !limit.aborted) throw error;
      const text = `${name} was ended after ${timeoutMs / 1_000} s: the part is too complex, or its program never ends`;
      throw new GantryError("command_failed", text, { details: { reason: "timeout", timeoutMs } }); // CD4
    }
  }

  async function render(source: string, isFree: boolean, signal: AbortSignal): Promise<Mesh> {
    if (openscad === undefined) throw new GantryError("capability_missing", "There is no openscad");
    if (isFree && sandbox?.isolation !== "namespaces") {
      const text =
        "This machine cannot shut a program in, so it renders parts of the library alone";
      throw new GantryError("capability_missing", text); // CD2
    }
    const program = isFree ? cleanSource(source) : source;
    const { exitCode, words, outputs, ...end } = await inTime(
      "OpenSCAD",
      {
        program: openscad,
        args: ["--export-format", "binstl", "-o", "part.stl", "part.scad"],
        files: { "part.scad": program },
        outputs: ["part.stl"],
      },
      signal,
    );
    const stl = outputs.get("part.stl");
    if (exitCode !== 0 || stl === undefined) throw openscadFault(exitCode, end.signal, words);
    return readStl(stl);
  }

  const slice: CadTools["slice"] = async (mesh, profile, preview, onShare, signal) => {
    if (slicer === undefined)
      throw new GantryError("capability_missing", "There is no prusa-slicer");
    const { exitCode, words, outputs, ...end } = await inTime(
      "PrusaSlicer",
      {
        program: slicer,
        args: ["--export-gcode", "--load", "part.ini", "--output", "part.gcode", "part.stl"],
        files: {
          "part.stl": writeStl(mesh),
          "part.ini": sliceIni(profile),
        },
        outputs: ["part.gcode"],
        onLine(line) {
          const percent = /^(\d{1,3}) => /u.exec(line)?.[1];
          if (percent !== undefined) onShare(Math.min(1, Number(percent) / 100));
        },
      },
      signal,
    );
    const gcode = outputs.get("part.gcode");
    if (exitCode !== 0 || gcode === undefined || gcode.length === 0) {
      throw slicerFault(exitCode, end.signal, words);
    }
    return preview === undefined ? gcode : withThumbnail(gcode, preview);
  };

  const isIsolated = sandbox?.isolation === "namespaces";
  const cad = await tested("openscad", openscad, async () => {
    const { volumeMm3 } = checkMesh(await render(PROBE, false, signal));
    if (Math.abs(volumeMm3 - 1_000) > 0.01) throw new Error(`a cube of ${volumeMm3} mm3 came out`);
    const order = { program: openscad ?? "", args: ["--version"], files: {}, outputs: [] };
    return (await inTime("OpenSCAD", order, signal)).words;
  });
  const slicing = await tested("prusa-slicer", slicer, async () => {
    const gcode = await slice(blockMesh(10, 10, 10), PROBE_PROFILE, undefined, () => {}, signal);
    return new TextDecoder().decode(gcode.subarray(0, 100));
  });

  async function tested(
    name: string,
    found: string | undefined,
    test: () => Promise<string>,
  ): Promise<Tool | undefined> {
    if (found === undefined || sandbox === undefined) return undefined;
    try {
      const version = /(\d+\.\d+(?:\.\d+)?)/u.exec(await test())?.[1] ?? "unknown";
      return { version, isIsolated };
    } catch (error) {
      if (signal.aborted) throw error;
      faults.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  return { cad, slicer: slicing, faults, render, slice };
}

export const readBody = readStl;
export const writeBody = writeStl;

/** Checks and draws; throws mesh_invalid. */
export function inspect(
  mesh: Mesh,
  profile: SliceProfile | undefined,
): { facts: MeshFacts; picture: () => Uint8Array } {
  const facts = checkMesh(mesh);
  if (profile !== undefined) assertFits(facts.sizeMm, profile.sizeMm);
  return { facts, picture: () => pngOf(drawMesh(mesh, 320, 240), deflateSync) };
}

const STARVED = /bad_alloc|out of memory|cannot allocate/iu;

function openscadFault(
  exitCode: number | null,
  signal: NodeJS.Signals | null,
  words: string,
): GantryError {
  if (signal !== null || STARVED.test(words)) return ended("OpenSCAD", exitCode, signal, words);
  const line = /(?:ERROR|Error): ([^\n]+)/u.exec(words)?.[1];
  const at = /line (\d+)/u.exec(words)?.[1];
  if (/Current top level object is (?:empty|not a 3D object)/u.test(words)) {
    const text = "The program makes no body: nothing is left of it, or it is flat";
    return new GantryError("mesh_invalid", text, {
      details: { hint: "Use linear_extrude, or larger sizes." },
    });
  }
  const told = line ?? words.trim().split("\n").at(-1) ?? "";
  const details = { exitCode, ...(at === undefined ? {} : { line: Number(at) }) };
  return new GantryError("command_failed", `OpenSCAD refused the program: ${told.slice(0, 300)}`, {
    details,
  });
}

function slicerFault(
  exitCode: number | null,
  signal: NodeJS.Signals | null,
  words: string,
): GantryError {
  if (/could not fit on the bed|outside of the print/iu.test(words)) {
    return new GantryError("mesh_invalid", "The part does not fit on the bed", {
      details: { hint: "Make it smaller, or in parts." },
    });
  }
  if (/no extrusions|no layers|empty layer/iu.test(words)) {
    return new GantryError(
      "mesh_invalid",
      "There is a layer with nothing in it, or no layer at all",
      {
        details: { hint: "Is it thinner than one layer, or floating?" },
      },
    );
  }
  return ended("PrusaSlicer", exitCode, signal, words);
}

function ended(
  name: string,
  exitCode: number | null,
  signal: NodeJS.Signals | null,
  words: string,
): GantryError {
  const isStarved = STARVED.test(words);
  const how = isStarved
    ? `needs more than ${MEMORY_BYTES / 1_073_741_824} GiB of memory`
    : signal === null
      ? `ended with exit code ${exitCode}`
      : `was ended by ${signal}`;
  const line = words.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
  const told = isStarved || line === "" ? "" : `: ${line}`;
  return new GantryError("command_failed", `${name} ${how}${told}`, {
    details: { exitCode, signal },
  });
}

/** In PrusaSlicer's own form, after its first line: printers with a screen show it. */
function withThumbnail(gcode: Uint8Array, png: Uint8Array): Uint8Array {
  const text = Buffer.from(png).toString("base64");
  const lines = text.match(new RegExp(`.{1,${THUMBNAIL_LINE_CHARS}}`, "gu")) ?? [];
  const block = [
    ";",
    `; thumbnail begin 320x240 ${text.length}`,
    ...lines.map((line) => `; ${line}`),
    "; thumbnail end",
    ";",
    "",
  ].join("\n");
  const at = gcode.indexOf(10) + 1;
  return Buffer.concat([gcode.subarray(0, at), Buffer.from(block), gcode.subarray(at)]);
}
