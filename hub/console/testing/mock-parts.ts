// Parts of the mock hub: a box that is made, and what came of it.

import { blockMesh } from "@gantry/shared/cad/block.ts";
import { PARTS } from "@gantry/shared/cad/library.ts";
import { checkMesh } from "@gantry/shared/cad/mesh.ts";
import { writeStl } from "@gantry/shared/cad/stl.ts";
import type { MakeView, PartParameter } from "@gantry/shared/contract/schemas/cad.ts";

const MESH = blockMesh(40, 30, 20);
export const MOCK_STL = writeStl(MESH);

const file = (job: string, name: string) => ({
  url: `/api/cad/jobs/${job}/files/${name}`,
  sha256: "0".repeat(64),
  sizeBytes: MOCK_STL.length,
});

const madeBox = (id: string, isSliced: boolean): MakeView => ({
  id,
  state: "done",
  name: "Box 40x30x20",
  summary: "Box: width 40 mm, depth 30 mm, height 20 mm (not said, so: wall 2 mm, lid no)",
  part: "box",
  parameters: {
    width: 40,
    depth: 30,
    height: 20,
    measured: "outside",
    wall: 2,
    bottom: 1.6,
    radius: 3,
    lid: false,
    clearance: 0.2,
  },
  cached: false,
  progress: 1,
  steps: [{ step: "render", state: "done", tookMs: 210 }],
  mesh: checkMesh(MESH),
  files: { stl: file(id, "stl"), ...(isSliced ? { gcode: file(id, "gcode") } : {}) },
  ...(isSliced ? { printer: "ender" } : {}),
});

const VIEWS: Readonly<Record<string, MakeView>> = {
  job_box: madeBox("job_box", false),
  job_sliced: madeBox("job_sliced", true),
  job_wrong: {
    ...madeBox("job_wrong", false),
    state: "failed",
    files: {},
    steps: [{ step: "render", state: "waiting" }],
    error: {
      code: "command_failed",
      message: "OpenSCAD was ended after 120 s",
      details: { hint: "Make it simpler." },
    },
  },
};

const PART_LIST = PARTS.map(({ id, title, summary, parameters }) => ({
  id,
  title,
  summary,
  parameters: Object.entries(parameters).map(([name, spec]): PartParameter => {
    const { kind, title, default: standard } = spec;
    const options = spec.kind === "choice" ? { options: [...spec.options] } : {};
    const range = "min" in spec ? { min: spec.min, max: spec.max, unit: "mm" } : {};
    return { name, title, kind, default: standard, ...options, ...range };
  }),
}));

/** Undefined for what is not of parts, or not there. */
export function readParts(path: string): unknown {
  if (path === "/api/cad/parts") return { parts: PART_LIST };
  const id = /^\/api\/cad\/jobs\/([^/]+)$/u.exec(path)?.[1];
  return id === undefined ? undefined : VIEWS[id];
}

export function actOnParts(path: string): unknown {
  if (path === "/api/cad/generate") return VIEWS["job_box"];
  if (path.endsWith("/slice")) return VIEWS["job_sliced"];
  if (path.endsWith("/print")) return { job: { id: "prt_lid", state: "awaiting" } };
  return undefined;
}
