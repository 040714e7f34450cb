import { readdir } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { printAcceptedSchema } from "@gantry/shared/contract/schemas/prints.ts";
import type { PrintUpload } from "../../ports.ts";
import { PRINTER_VIEW } from "../testing/printer-view.ts";
import { type AskOptions, eventually, makeRig, type Rig } from "../testing/rig.ts";

const GCODE = [
  "; sliced for the test",
  "G21",
  "G90",
  "M104 S200",
  "M140 S60",
  "G28",
  "M190 S60",
  "M109 S200",
  "G1 X10 Y10 Z0.2 F3000",
  "G1 X50 Y10 E2",
  "M104 S0",
  "M140 S0",
  "M84",
  "",
].join("\n");

const DEVICE = {
  id: "ender",
  ...PRINTER_VIEW,
};

async function makePrintRig(): Promise<Rig> {
  const rig = await makeRig();
  rig.desk.on("device", ({ params }) => {
    if (params["id"] === "ender") return DEVICE;
    throw new GantryError("not_found", `There is no printer ${params["id"] ?? ""}`);
  });
  rig.desk.on("printSubmitted", () => ({ job: { id: "prt_1", state: "awaiting" } }));
  return rig;
}

const PATH = "/api/fabrication/jobs";

const submit = (rig: Rig, options: AskOptions, query = ""): Promise<Response> =>
  rig.ask("POST", PATH + query, { token: "maker-token", ...options });

function formOf(fields: readonly (readonly [string, string | File])[]): Promise<AskOptions> {
  const data = new FormData();
  for (const [name, value] of fields) data.append(name, value);
  const request = new Request("http://x/", { method: "POST", body: data });
  const headers = { "content-type": request.headers.get("content-type") ?? "" };
  return request.arrayBuffer().then((body) => ({ headers, body: new Uint8Array(body) }));
}

const submitted = (rig: Rig): PrintUpload | undefined =>
  rig.desk.asked.find(({ route }) => route === "printSubmitted")?.request.body as
    | PrintUpload
    | undefined;

async function expectNothingKept(rig: Rig): Promise<void> {
  expect(submitted(rig)).toBeUndefined();
  expect(await readdir(join(rig.dir, "blobs", "temp"))).toEqual([]);
}

describe("submitting a print", () => {
  const gcodeFile = new File([GCODE], "bracket.gcode");

  it.each([
    [
      "as JSON",
      async (): Promise<AskOptions> => ({
        body: { printer: "ender", name: "bracket.gcode", gcode: GCODE },
      }),
    ],
    [
      "as a form",
      () =>
        formOf([
          ["printer", "ender"],
          ["file", gcodeFile],
        ]),
    ],
    [
      "as a form with the printer last",
      () =>
        formOf([
          ["file", gcodeFile],
          ["printer", "ender"],
        ]),
    ],
    [
      "as a form with a name",
      () =>
        formOf([
          ["file", new File([GCODE], "x")],
          ["name", "bracket.gcode"],
          ["printer", "ender"],
        ]),
    ],
  ])("stores and scans G-code sent %s", async (_how, make) => {
    await using rig = await makePrintRig();
    const response = await submit(rig, await make());
    expect(response.status).toBe(202);
    expect(printAcceptedSchema.parse(await response.json()).job.id).toBe("prt_1");
    const upload = submitted(rig);
    expect(upload).toMatchObject({
      printer: "ender",
      name: "bracket.gcode",
      gcode: {
        sha256: sha256(GCODE),
        sizeBytes: GCODE.length,
        nozzleMaxC: 200,
        bedMaxC: 60,
      },
    });
    expect(upload?.gcode).not.toHaveProperty("lines");
    expect(await rig.blobs.has(sha256(GCODE))).toBe(true);
  });

  it("takes raw G-code with printer and name in the address", async () => {
    await using rig = await makePrintRig();
    const headers = { "content-type": "text/x.gcode; charset=utf-8" };
    const response = await submit(rig, { body: GCODE, headers }, "?printer=ender&name=raw.gcode");
    expect(response.status).toBe(202);
    expect(submitted(rig)).toMatchObject({ name: "raw.gcode" });
  });

  it.each([
    "../../etc/passwd",
    "..\\..\\boot.ini",
    "/etc/passwd",
    "a/b.gcode",
    "a\u0000.gcode",
    "a\nb",
    ".hidden",
    "a..b",
    "<script>alert(1)</script>",
    "x".repeat(121),
  ])("refuses the name %j, whichever way it is sent", async (name) => {
    await using rig = await makePrintRig();
    const raw = { body: GCODE, headers: { "content-type": "text/x.gcode" } };
    const replies = [
      await submit(rig, { body: { printer: "ender", name, gcode: GCODE } }),
      await submit(rig, raw, `?printer=ender&name=${encodeURIComponent(name)}`),
      await submit(
        rig,
        await formOf([
          ["printer", "ender"],
          ["name", name],
          ["file", gcodeFile],
        ]),
      ),
    ];
    const codes = await Promise.all(
      replies.map(async (reply) => ((await reply.json()) as { code: string }).code),
    );
    expect(codes).toEqual(["bad_name", "bad_name", "bad_name"]);
    await expectNothingKept(rig);
  });

  it.each([
    ["gcode_forbidden", "G28\nM997\n"],
    ["gcode_too_hot", "M104 S400\nG28\n"],
    ["gcode_out_of_bounds", "G21\nG90\nG28\nG1 X5000 F100\n"],
    ["gcode_invalid", "\u0000\u0001binary\n"],
  ])("says %s and keeps no temp file", async (code, gcode) => {
    await using rig = await makePrintRig();
    const body = { printer: "ender", name: "bad", gcode };
    const response = await submit(rig, { body });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code });
    await expectNothingKept(rig);
    const late = await submit(
      rig,
      await formOf([
        ["file", new File([gcode], "bad")],
        ["printer", "ender"],
      ]),
    );
    expect(await late.json()).toMatchObject({ code });
    expect(submitted(rig)).toBeUndefined();
  });

  it("names the missing file of a form", async () => {
    await using rig = await makePrintRig();
    const response = await submit(rig, await formOf([["printer", "ender"]]));
    expect(await response.json()).toMatchObject({
      code: "bad_request",
      details: { fields: [{ path: "file" }] },
    });
  });

  it("is for makers only, and says so before it reads", async () => {
    await using rig = await makePrintRig();
    const body = { printer: "ender", name: "a", gcode: GCODE };
    expect((await rig.ask("POST", PATH, { token: "operator-token", body })).status).toBe(403);
    expect(rig.desk.asked).toEqual([]);
  });

  it("gives the same replay hash for the same bytes, however they were sent", async () => {
    await using rig = await makePrintRig();
    const headers = { "idempotency-key": "once" };
    await submit(rig, { body: { printer: "ender", name: "bracket.gcode", gcode: GCODE }, headers });
    const form = await formOf([
      ["printer", "ender"],
      ["file", gcodeFile],
    ]);
    await submit(rig, { ...form, headers: { ...form.headers, ...headers } });
    const [first, second] = rig.desk.asked
      .filter(({ route }) => route === "printSubmitted")
      .map(({ request }) => request.replay);
    expect(first?.key).toBe("tok_mika:printSubmitted:once");
    expect(second).toEqual(first);
  });
});

describe("what the file says of itself", () => {
  const PNG = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAYAAAAf8/9hAAAAEklEQVR42mNgGAWjYBSMAggAAAQQAAGvRYgsAAAAAElFTkSuQmCC",
    "base64",
  );
  const base64 = PNG.toString("base64");
  const SLICED = [
    "; generated by PrusaSlicer 2.7.4 on 2026-01-01",
    `; thumbnail begin 16x16 ${base64.length}`,
    ...(base64.match(/.{1,78}/g) ?? []).map((line) => `; ${line}`),
    "; thumbnail end",
    GCODE,
    "; filament used [g] = 2.5",
    "; estimated printing time (normal mode) = 12m 3s",
    "",
  ].join("\n");

  it("[K23] is kept with the job; its picture becomes a blob", async () => {
    await using rig = await makePrintRig();
    const body = { printer: "ender", name: "cube", gcode: SLICED };
    expect((await submit(rig, { body })).status).toBe(202);
    const gcode = submitted(rig)?.gcode;
    expect(gcode).toMatchObject({ estimatedS: 723, layers: 1 });
    expect(gcode?.analysis).toMatchObject({
      slicer: { name: "PrusaSlicer", version: "2.7.4" },
      slicerS: 723,
      filament: { massG: 2.5 },
      layers: { count: 1, firstHeightMm: 0.2 },
      thumbnails: [{ sha256: sha256(PNG), sizeBytes: PNG.length, format: "png", width: 16 }],
    });
    expect(Buffer.from(await rig.blobs.read(sha256(PNG), 0, 1_000))).toEqual(PNG);
  });

  it("is shown as a picture, to who may see the job", async () => {
    await using rig = await makePrintRig();
    rig.desk.on("printThumbnail", () => ({ format: "png", sha256: sha256(PNG), base64 }));
    const path = `${PATH}/prt_1/thumbnail`;
    expect((await rig.ask("GET", path)).status).toBe(401);
    const reply = await rig.ask("GET", `${path}?size=small`, { token: "viewer-token" });
    expect(reply.headers.get("content-type")).toBe("image/png");
    expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
    expect(Buffer.from(await reply.arrayBuffer())).toEqual(PNG);
    expect(rig.desk.asked.at(-1)?.request.query).toEqual({ size: "small" });
    expect((await rig.ask("GET", `${path}?size=9`, { token: "viewer-token" })).status).toBe(400);
  });

  it("leaves the hint of the very fault in the refusal", async () => {
    await using rig = await makePrintRig();
    const body = { printer: "ender", name: "bad", gcode: "G28\nG1 X9\nM302 P1\n" };
    expect(await (await submit(rig, { body })).json()).toMatchObject({
      code: "gcode_forbidden",
      hint: expect.stringContaining("M109"),
      details: { line: 3 },
    });
  });
});

describe("submitting over a socket", () => {
  it("answers 404 for an unknown printer although the body never ends", async () => {
    await using rig = await makePrintRig();
    const { port } = await rig.serve();
    const status = await statusOf(
      port,
      `${PATH}?printer=nobody&name=a`,
      "text/x.gcode",
      (write) => {
        write("G28\n");
      },
    );
    expect(status).toBe(404);
  });

  it("answers 413 as soon as more is promised than may come", async () => {
    await using rig = await makePrintRig();
    const { port } = await rig.serve();
    const headers = { "content-length": String(300_000_000) };
    const path = `${PATH}?printer=ender&name=a`;
    const status = await statusOf(port, path, "text/x.gcode", (write) => write("G28\n"), headers);
    expect(status).toBe(413);
  });

  it("answers others while a large file is scanned", async () => {
    await using rig = await makePrintRig();
    const { port } = await rig.serve();
    const base = `http://127.0.0.1:${port}`;
    const headers = { authorization: "Bearer maker-token" };
    const moves = Array.from(
      { length: 80_000 },
      (_, n) => `G1 X${10 + (n % 100)} Y20 E${n * 0.01}`,
    );
    const body = GCODE.replace("M104 S0", `${moves.join("\n")}\nM104 S0`);
    const state = { isDone: false };
    const upload = fetch(`${base}${PATH}?printer=ender&name=a`, {
      method: "POST",
      headers: { ...headers, "content-type": "text/x.gcode" },
      body,
    }).finally(() => {
      state.isDone = true;
    });
    let answered = 0;
    while (!state.isDone) {
      expect((await fetch(`${base}/api/me`, { headers })).status).toBe(200);
      answered += 1;
    }
    expect((await upload).status).toBe(202);
    expect(submitted(rig)?.gcode.sizeBytes).toBe(body.length);
    expect(answered).toBeGreaterThan(10);
  });

  it("leaves nothing of an upload that is broken off", async () => {
    await using rig = await makePrintRig();
    const { port } = await rig.serve();
    const temp = join(rig.dir, "blobs", "temp");
    const request = httpRequest({
      port,
      host: "127.0.0.1",
      method: "POST",
      path: `${PATH}?printer=ender&name=a`,
      headers: { authorization: "Bearer maker-token", "content-type": "text/x.gcode" },
    });
    request.on("error", () => undefined);
    request.write(GCODE);
    await eventually(async () => (await readdir(temp)).length === 1);
    request.destroy();
    await eventually(async () => (await readdir(temp)).length === 0);
    expect(submitted(rig)).toBeUndefined();
  });
});

function statusOf(
  port: number,
  path: string,
  type: string,
  send: (write: (text: string) => void) => void,
  more: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const headers = { authorization: "Bearer maker-token", "content-type": type, ...more };
  const request = httpRequest({ port, host: "127.0.0.1", method: "POST", path, headers });
  request.on("response", (response) => {
    resolve(response.statusCode);
    request.destroy();
  });
  request.on("error", reject);
  send((text) => request.write(text));
  return promise;
}

async function makeFarmRig(limits: object): Promise<Rig> {
  const rig = await makePrintRig();
  rig.desk.on("farmPrinters", () => ({ printers: [], limits }));
  return rig;
}

describe("a print for any printer", () => {
  const BIG = { sizeMm: { x: 300, y: 300, z: 300 }, nozzleMaxC: 300, bedMaxC: 120 };
  const gcodeFile = new File([GCODE], "bracket.gcode");

  it("is read for the largest of the farm, and goes with what it needs, in JSON and as a form", async () => {
    await using rig = await makeFarmRig({ marlin: BIG });
    const wide = GCODE.replace("X50", "X290");
    const wish = { material: "petg", nozzle: 0.6, labels: ["enclosed"], priority: 7 };
    const json = await submit(rig, { body: { name: "wide", gcode: wide, ...wish } });
    expect(json.status).toBe(202);
    expect(submitted(rig)).toMatchObject({
      printer: "any",
      farm: { ...wish, dialect: "marlin" },
    });
    await using other = await makeFarmRig({ marlin: BIG });
    const form = await submit(
      other,
      await formOf([
        ["file", gcodeFile],
        ["material", "petg"],
        ["nozzle", "0.6"],
        ["labels", "enclosed"],
        ["priority", "7"],
        ["grams", ""],
        ["volume", "200x200x180"],
      ]),
    );
    expect(form.status).toBe(202);
    const volume = { x: 200, y: 200, z: 180 };
    expect(submitted(other)?.farm).toEqual({ ...wish, volume, dialect: "marlin" });
  });

  it.each([
    ["no printer is of the farm", {}, {}, "conflict"],
    ["the farm has two kinds", { marlin: BIG, klipper: BIG }, {}, "conflict"],
    ["there is none of that kind", { marlin: BIG }, { dialect: "klipper" }, "conflict"],
    ["a need is none", { marlin: BIG }, { nozzle: "wide" }, "bad_request"],
    [
      "the printer is named as well",
      { marlin: BIG },
      { printer: "ender", priority: 1 },
      "bad_request",
    ],
  ])("is refused where %s, and nothing is kept", async (_, limits, wish, code) => {
    await using rig = await makeFarmRig(limits);
    const response = await submit(rig, { body: { name: "a", gcode: GCODE, ...wish } });
    expect(await response.json()).toMatchObject({ code });
    await expectNothingKept(rig);
  });

  it("is read for the kind that it names", async () => {
    await using rig = await makeFarmRig({ marlin: BIG, klipper: BIG });
    const body = { name: "a", gcode: GCODE, dialect: "klipper" };
    expect((await submit(rig, { body })).status).toBe(202);
    expect(submitted(rig)?.farm?.dialect).toBe("klipper");
  });
});
