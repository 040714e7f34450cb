import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sendJson } from "@gantry/shared/client/testing/fake-hub.ts";
import type { MakeView } from "@gantry/shared/contract/schemas/cad.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { confirmationView } from "./testing/fixtures.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const file = (name: string) => ({
  url: `/api/cad/jobs/job_1/files/${name}`,
  sha256: "0".repeat(64),
  sizeBytes: 4,
});
const view = (set: Partial<MakeView> = {}): MakeView => ({
  id: "job_1",
  state: "leased",
  name: "Box 40x30x20",
  summary: "Box: width 40 mm (not said, so: wall 2 mm)",
  part: "box",
  cached: false,
  progress: 0.3,
  steps: [{ step: "render", state: "running" }],
  files: {},
  ...set,
});
const done = (set: Partial<MakeView> = {}): MakeView =>
  view({
    state: "done",
    progress: 1,
    printer: "sim",
    steps: [{ step: "render", state: "done", tookMs: 210 }],
    mesh: {
      triangles: 12,
      vertices: 8,
      sizeMm: { x: 40, y: 30, z: 20 },
      minMm: { x: 0, y: 0, z: 0 },
      volumeMm3: 5_400,
    },
    files: { stl: file("stl"), gcode: file("gcode") },
    ...set,
  });
const lives = (last: MakeView): void => {
  rig.hub.json("POST /api/cad/generate", view(), 202);
  rig.hub.on("GET /api/cad/jobs/job_1", (_, reply, nth) =>
    sendJson(reply, nth === 0 ? view() : last),
  );
};

it("makes a part out of words, says what was assumed, and saves the file", async () => {
  lives(done());
  rig.hub.on("GET /api/cad/jobs/job_1/files/stl", (_, reply) => void reply.end("body"));
  const { code, out } = await rig.gantry(["make", "a", "box", "40x30x20", "-o", "box.stl"]);
  expect([code, out]).toMatchObject([0, expect.stringContaining("not said, so: wall 2 mm")]);
  expect(out).toContain("40 x 30 x 20 mm, 5.4 cm3, 12 triangles, closed");
  expect(out).toContain("render 0.21 s");
  expect(rig.hub.seen[0]?.body).toEqual({ prompt: "a box 40x30x20" });
  expect(await readFile(join(rig.dir, "box.stl"), "utf8")).toBe("body");
  const again = await rig.gantry(["make", "a box", "-o", "box.stl"]);
  expect(again.code).toBe(65); // nothing is written over
});

it("slices and hands it to the printer, where the word starts it", async () => {
  lives(done());
  rig.hub.json(
    "POST /api/cad/jobs/job_1/print",
    { job: { id: "prt_1", state: "awaiting" }, confirmation: confirmationView() },
    202,
  );
  rig.hub.json("POST /api/confirmation/cfm_1/confirm", { job: { id: "prt_1", state: "ready" } });
  const { code, out } = await rig.gantry([
    "make",
    "a box",
    "--print",
    "--printer",
    "sim",
    "--material",
    "petg",
    "--yes",
    "print bracket",
  ]);
  expect(code).toBe(0);
  expect(rig.hub.seen[0]?.body).toEqual({
    prompt: "a box",
    printer: "sim",
    slice: { material: "petg" },
  });
  expect(out).toContain("G-code 4 B for sim");
  expect(out).toContain("Print prt_1 is awaiting");
  expect(out).toContain("job prt_1 is ready");
});

it("gives JSON lines, one for each change and none for the words", async () => {
  lives(done());
  const { code, out } = await rig.gantry(["make", "a box", "--slice", "--json"]);
  expect(code).toBe(0);
  const states = out
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as MakeView).state);
  expect(states).toEqual(["leased", "done"]);
});

it("says why it failed, with the code of the fault, and what it can make", async () => {
  lives(
    view({ state: "failed", error: { code: "mesh_invalid", message: "The model is not closed" } }),
  );
  const failed = await rig.gantry(["make", "a box"]);
  expect([failed.code, failed.err]).toMatchObject([
    65,
    expect.stringContaining("The model is not closed"),
  ]);
  const parts = [
    {
      id: "box",
      title: "Box",
      summary: "A box",
      parameters: [
        {
          name: "width",
          title: "Width",
          kind: "length",
          default: 60,
          min: 8,
          max: 400,
          unit: "mm",
        },
      ],
    },
  ];
  rig.hub.json("GET /api/cad/parts", { parts });
  const { out } = await rig.gantry(["make", "--list"]);
  expect(out).toContain("width = 60 (8-400 mm)");
});

it("sends a program of one's own, and slices what was made before", async () => {
  lives(done());
  await writeFile(join(rig.dir, "mine.scad"), "cube(1);");
  expect((await rig.gantry(["make", "--source", "mine.scad"])).code).toBe(0);
  expect(rig.hub.seen[0]?.body).toEqual({ source: "cube(1);", name: "mine" });
  rig.hub.json("GET /api/cad/jobs/job_1", done({ files: { stl: file("stl") } }));
  rig.hub.json("POST /api/cad/jobs/job_1/slice", done(), 202);
  expect((await rig.gantry(["make", "--job", "job_1", "--slice"])).out).toContain("G-code 4 B");
});

it.each([[[]], [["box", "-o", "box.step"]], [["box", "--source", "x.scad"]]])(
  "explains itself when it is called with %j",
  async (words) => {
    const { code, err } = await rig.gantry(["make", ...words]);
    expect([code, err]).toMatchObject([64, expect.stringContaining("gantry make")]);
    expect(rig.hub.seen).toEqual([]);
  },
);
