// The requests that slicers really send, byte for byte as their programs build them: PrusaSlicer and
// OrcaSlicer with libcurl (OctoPrint.cpp), Cura's OctoPrint plug-in with Qt (OctoPrintOutputDevice.py).

import { readdir } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { slicerUploadSchema } from "@gantry/shared/contract/schemas/slicers.ts";
import type { PrintUpload } from "../../ports.ts";
import { PRINTER_VIEW } from "../testing/printer-view.ts";
import { makeRig, type Rig } from "../testing/rig.ts";
import { readMultipart } from "../multipart.ts";
import { jobNameOf } from "./upload.ts";

const GCODE = "M104 S200\nG28\nM109 S200\nG1 X10 Y10 Z0.2 E1\nM104 S0\n";

const device = (id: string, more: object = {}): object => ({
  id,
  ...PRINTER_VIEW,
  temperatures: { nozzleC: 21.5, nozzleTargetC: 0, bedC: 20, bedTargetC: 0 },
  ...more,
});

const PRINT = {
  id: "prt_7",
  name: "bracket",
  printer: "ender",
  state: "printing",
  progress: 0.25,
  startedCount: 1,
  by: "mika",
  createdAt: "2026-01-02T03:04:05.000Z",
  startedAt: "2026-01-02T03:05:05.000Z",
  estimatedS: 600,
  remainingS: 450,
  gcode: {
    sha256: "a".repeat(64),
    sizeBytes: 4_000,
    commands: 9,
    nozzleMaxC: 200,
    bedMaxC: 0,
    filamentMm: 1_200,
    layers: 3,
    hazards: [],
  },
};

interface Setting {
  readonly printers?: readonly string[];
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly ender?: object;
}

async function makeFarm({
  printers = ["ender"],
  flags = {},
  ender = {},
}: Setting = {}): Promise<Rig> {
  const rig = await makeRig();
  const devices = new Map(printers.map((id) => [id, device(id, id === "ender" ? ender : {})]));
  rig.desk.on("devices", () => ({ devices: [...devices.values()] }));
  rig.desk.on("device", ({ params }) => {
    const found = devices.get(params["id"] ?? "");
    if (found === undefined) throw new GantryError("not_found", "There is no such printer");
    return found;
  });
  rig.desk.on("flag", ({ params }) => {
    const key = params["key"] ?? "";
    if (!(key in flags)) throw new GantryError("not_found", "There is no such flag");
    return { key, value: flags[key], revision: 1 };
  });
  rig.desk.on("printSubmitted", ({ body }) => ({
    job: { id: "prt_1", state: (body as PrintUpload).isKept === true ? "cancelled" : "awaiting" },
  }));
  rig.desk.on("print", () => PRINT);
  rig.desk.on("prints", () => ({
    jobs: [PRINT, { ...PRINT, id: "prt_6" }, { ...PRINT, id: "prt_5", name: "cube" }],
  }));
  for (const route of ["printAgain", "printPaused", "printResumed", "printCancelled"] as const) {
    rig.desk.on(route, () => ({ job: { id: "prt_8", state: "awaiting" } }));
  }
  return rig;
}

interface Part {
  readonly head: string;
  readonly body: string | Uint8Array;
}

function formOf(boundary: string, parts: readonly Part[]): Uint8Array {
  return Buffer.concat([
    ...parts.flatMap(({ head, body }) => [
      Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
      typeof body === "string" ? Buffer.from(body) : body,
      Buffer.from("\r\n"),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
}

const CURL = "------------------------d74496d66958873e";
const curlField = (name: string, body: string): Part => ({
  head: `Content-Disposition: form-data; name="${name}"`,
  body,
});
const curlFile = (fileName: string, body: string | Uint8Array): Part => ({
  head: `Content-Disposition: form-data; name="file"; filename="${fileName}"\r\nContent-Type: application/octet-stream`,
  body,
});

/** PrusaSlicer 2.x, OrcaSlicer, SuperSlicer: print, path, file. */
const prusa = (fileName: string, print: string, body: string | Uint8Array = GCODE, path = "") => ({
  headers: {
    "x-api-key": "maker-token",
    "content-type": `multipart/form-data; boundary=${CURL}`,
    "user-agent": "PrusaSlicer/2.7.4",
    accept: "*/*",
  },
  body: formOf(CURL, [
    curlField("print", print),
    curlField("path", path),
    curlFile(fileName, body),
  ]),
});

const QT = "boundary_.oOo._MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=";
const qtPart = (disposition: string, body: string, type: string): Part => ({
  head: `Content-Type: ${type}\r\nContent-Disposition: form-data; ${disposition}`,
  body,
});

/** Cura's plug-in: path, file, select, print; the boundary is quoted. */
const cura = (fileName: string, isPrinted: boolean) => ({
  headers: {
    "x-api-key": "maker-token",
    "content-type": `multipart/form-data; boundary="${QT}"`,
    "user-agent": "cura/5.7.1 OctoPrintPlugin/3.7.3",
  },
  body: formOf(QT, [
    qtPart('name="path"', "", "text/plain"),
    qtPart(`name="file"; filename="${fileName}"`, GCODE, "application/octet-stream"),
    ...(isPrinted
      ? [
          qtPart('name="select"', "true", "text/plain"),
          qtPart('name="print"', "true", "text/plain"),
        ]
      : []),
  ]),
});

const submitted = (rig: Rig): PrintUpload | undefined =>
  rig.desk.asked.find(({ route }) => route === "printSubmitted")?.request.body as
    | PrintUpload
    | undefined;

const key = { headers: { "x-api-key": "maker-token" } };

describe("[K69] a slicer's upload", () => {
  it.each([
    [
      "PrusaSlicer",
      prusa("bracket_0.2mm_PLA_MK3S_41m.gcode", "true"),
      "bracket_0.2mm_PLA_MK3S_41m",
    ],
    ["Cura", cura("CE3_bracket.gcode", true), "CE3_bracket"],
    ["a name of many scripts", prusa("Löffel [v2], größer.gcode", "true"), "Löffel _v2__ größer"],
  ])("of %s becomes an ordinary print that waits for its word", async (_who, request, name) => {
    await using rig = await makeFarm();
    const response = await rig.ask("POST", "/api/files/local", request);
    expect(response.status).toBe(201);
    const reply = slicerUploadSchema.parse(await response.json());
    expect(reply).toMatchObject({
      done: true,
      effectivePrint: true,
      job: { id: "prt_1", state: "awaiting" },
      files: { local: { name: `${name}.gcode`, origin: "local" } },
    });
    expect(response.headers.get("location")).toBe(reply.files.local.refs.resource);
    expect(submitted(rig)).toMatchObject({
      printer: "ender",
      name,
      gcode: { sha256: sha256(GCODE), nozzleMaxC: 200 },
    });
    expect(submitted(rig)).not.toHaveProperty("isKept");
    expect(rig.desk.asked.at(-1)?.request.actor?.person).toBe("mika");
  });

  it.each([
    ["PrusaSlicer", prusa("part.gcode", "false")],
    ["Cura", cura("part.gcode", false)],
  ])("of %s without print only keeps the file", async (_who, request) => {
    await using rig = await makeFarm();
    const response = await rig.ask("POST", "/api/files/local", request);
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ effectivePrint: false });
    expect(submitted(rig)).toMatchObject({ isKept: true });
  });

  it("is refused with the line and what to do when the file is dangerous", async () => {
    await using rig = await makeFarm();
    const request = prusa("bad.gcode", "true", "G28\nM302 P1\n");
    const response = await rig.ask("POST", "/api/files/local", request);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: "gcode_forbidden", details: { line: 2 } });
    expect(submitted(rig)).toBeUndefined();
    expect(await readdir(join(rig.dir, "blobs", "temp"))).toEqual([]);
  });

  it("needs a token of a maker", async () => {
    await using rig = await makeFarm();
    const { body, headers } = prusa("part.gcode", "true");
    for (const [token, status] of [
      ["", 401],
      ["wrong", 401],
      ["operator-token", 403],
    ] as const) {
      const sent = { body, headers: { ...headers, "x-api-key": token } };
      expect((await rig.ask("POST", "/api/files/local", sent)).status).toBe(status);
    }
    expect(rig.desk.asked).toEqual([]);
  });

  it.each([
    "../../etc/passwd.gcode",
    "..\\..\\boot.gcode",
    "/etc/part.gcode",
    "a/b.gcode",
    "a..gcode",
    "a\u0007b.gcode",
    ".gcode",
    "___.gcode",
  ])("is refused under the name %j", async (name) => {
    await using rig = await makeFarm();
    const response = await rig.ask("POST", "/api/files/local", prusa(name, "true"));
    expect(response.status).toBe(400);
    expect(submitted(rig)).toBeUndefined();
  });

  it.each(["../x", "a/../b", "/abs", "a\\b", "a\u0000b"])(
    "is refused into the folder %j",
    async (path) => {
      await using rig = await makeFarm();
      const response = await rig.ask(
        "POST",
        "/api/files/local",
        prusa("a.gcode", "true", GCODE, path),
      );
      expect(await response.json()).toMatchObject({ code: "bad_name" });
      expect(submitted(rig)).toBeUndefined();
    },
  );
});

it("waits for 100 Continue, as curl does before a large file", async () => {
  await using rig = await makeFarm();
  const { port } = await rig.serve();
  const { headers, body } = prusa("part.gcode", "true");
  const path = "/octoprint/ender/api/files/local";
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const sent = { ...headers, expect: "100-continue", "content-length": String(body.length) };
  const request = httpRequest({ host: "127.0.0.1", port, method: "POST", path, headers: sent });
  request.once("continue", () => request.end(body));
  request.once("response", ({ statusCode }) => resolve(statusCode));
  request.once("error", reject);
  request.flushHeaders();
  expect(await promise).toBe(201);
  expect(submitted(rig)).toMatchObject({ printer: "ender", name: "part" });
});

/** A ZIP of one stored file; `sizeBytes` is what its header says. */
function zipOf(name: string, body: Uint8Array, sizeBytes = body.length): Uint8Array {
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04_03_4b_50, 0);
  head.writeUInt32LE(crc32(body), 14);
  head.writeUInt32LE(body.length, 18);
  head.writeUInt32LE(sizeBytes, 22);
  head.writeUInt16LE(Buffer.byteLength(name), 26);
  return Buffer.concat([head, Buffer.from(name), body]);
}

describe("archives and binaries", () => {
  const gcode = Buffer.from(GCODE);

  it.each([
    ["a 3MF under its own name", "plate.3mf", zipOf("Metadata/plate_1.gcode", gcode)],
    ["a 3MF that calls itself G-code", "plate.gcode", zipOf("Metadata/plate_1.gcode", gcode)],
    ["a path out of the archive", "a.gcode", zipOf("../../../etc/cron.d/x", gcode)],
    ["an absolute path in it", "a.gcode", zipOf("/etc/passwd", gcode)],
    [
      "a bomb: a little that says it is 4 GB",
      "a.gcode",
      zipOf("a.gcode", Buffer.alloc(9), 0xff_ff_ff_ff),
    ],
    ["an archive of the G-code ending twice", "plate.gcode.3mf", zipOf("a", gcode)],
    ["Cura's UFP", "part.ufp", zipOf("/3D/model.gcode", gcode)],
    ["binary G-code under its name", "part.bgcode", Buffer.from("GCDE\u0001")],
    [
      "binary G-code that calls itself text",
      "part.gcode",
      Buffer.from("GCDE\u0001\u0000\u0000\u0000"),
    ],
    ["gzip", "part.gcode", Buffer.from([0x1f, 0x8b, 8, 0])],
    ["zstd", "part.gcode", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0])],
    ["a model that was not sliced", "part.stl", Buffer.from("solid part\n")],
  ])("are refused unread: %s", async (_what, name, body) => {
    await using rig = await makeFarm();
    const response = await rig.ask("POST", "/api/files/local", prusa(name, "true", body));
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ hint: expect.stringContaining("plain G-code") });
    expect(submitted(rig)).toBeUndefined();
    expect(await readdir(join(rig.dir, "blobs", "temp"))).toEqual([]);
  });

  it("are told by their first bytes however these are cut", async () => {
    await using rig = await makeFarm();
    const headers = { authorization: "Bearer maker-token", "content-type": "text/x.gcode" };
    const { port } = await rig.serve();
    const body = ReadableStream.from([
      Buffer.from("P"),
      Buffer.from("K\u0003"),
      Buffer.from("\u0004xx"),
    ]);
    const url = `http://127.0.0.1:${port}/api/fabrication/jobs?printer=ender&name=a`;
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      duplex: "half",
    });
    expect(response.status).toBe(415);
  });
});

describe("which printer", () => {
  const two = ["ender", "voron"];

  it.each([
    ["its address says", "/octoprint/voron/api/files/local", {}, "voron"],
    ["the query says", "/api/files/local?printer=voron", {}, "voron"],
    ["the flag of the key says", "/api/files/local", { "slicer.token.tok_mika": "voron" }, "voron"],
    ["the flag of the person says", "/api/files/local", { "slicer.person.mika": "voron" }, "voron"],
    [
      "the key's flag says before the person's",
      "/api/files/local",
      { "slicer.person.mika": "ender", "slicer.token.tok_mika": "voron" },
      "voron",
    ],
    [
      "the address says before any flag",
      "/octoprint/ender/api/files/local",
      { "slicer.person.mika": "voron" },
      "ender",
    ],
  ])("%s", async (_what, path, flags, printer) => {
    await using rig = await makeFarm({ printers: two, flags });
    expect((await rig.ask("POST", path, prusa("a.gcode", "true"))).status).toBe(201);
    expect(submitted(rig)).toMatchObject({ printer });
  });

  it("is never guessed: of two, the slicer is told how to say which", async () => {
    await using rig = await makeFarm({ printers: two });
    const response = await rig.ask("POST", "/api/files/local", prusa("a.gcode", "true"));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      hint: expect.stringContaining("/octoprint/PRINTER"),
      details: { printers: two },
    });
    const lost = await rig.ask(
      "POST",
      "/octoprint/nobody/api/files/local",
      prusa("a.gcode", "true"),
    );
    expect(lost.status).toBe(404);
    const odd = await rig.ask(
      "POST",
      "/octoprint/..%2f..%2fx/api/files/local",
      prusa("a.gcode", "true"),
    );
    expect(odd.status).toBe(400);
    expect(submitted(rig)).toBeUndefined();
  });
});

describe("what a slicer reads", () => {
  it("is an OctoPrint to PrusaSlicer's connection test, with a key and not without", async () => {
    await using rig = await makeFarm();
    for (const path of ["/api/version", "/octoprint/ender/api/version"]) {
      const reply = (await (await rig.ask("GET", path, key)).json()) as Record<string, string>;
      expect(reply["api"]).toBeDefined();
      expect(reply["text"]).toMatch(/^OctoPrint /);
      expect((await rig.ask("GET", path)).status).toBe(401);
    }
    expect(await (await rig.ask("GET", "/api/server", key)).json()).toHaveProperty("version");
  });

  it("has all that Cura asks before it shows a printer", async () => {
    await using rig = await makeFarm();
    const get = async (path: string): Promise<unknown> => {
      const reply = await rig.ask("GET", path, key);
      expect(reply.status).toBe(200);
      return reply.json();
    };
    expect(await get("/api/settings")).toMatchObject({
      feature: { sdSupport: false },
      plugins: {},
    });
    expect(await get("/api/printerprofiles")).toMatchObject({
      profiles: { _default: { current: true, name: "ender", volume: { width: 220, height: 250 } } },
    });
    expect(await get("/api/printer")).toMatchObject({
      temperature: { tool0: { actual: 21.5, target: 0 }, bed: { actual: 20 } },
      state: { text: "Operational", flags: { operational: true, ready: true, printing: false } },
    });
    expect(await get("/api/job")).toMatchObject({
      job: { file: { name: null } },
      state: "Operational",
    });
    expect(await get("/api/currentuser")).toMatchObject({ name: "mika" });
    const headers = { ...key.headers, "content-type": "application/json" };
    const login = await rig.ask("POST", "/api/login", { headers, body: '{"passive": true}' });
    expect(await login.json()).toMatchObject({ name: "mika", active: true });
  });

  it("says 409 of a printer that is off, as OctoPrint does", async () => {
    await using rig = await makeFarm({ ender: { online: false, phase: "offline" } });
    expect((await rig.ask("GET", "/api/printer", key)).status).toBe(409);
    expect(await (await rig.ask("GET", "/api/job", key)).json()).toMatchObject({
      state: "Offline",
    });
  });

  it("shows the print that runs, and passes on pause, resume and cancel, but no start", async () => {
    await using rig = await makeFarm({ ender: { phase: "printing", job: "prt_7" } });
    expect(await (await rig.ask("GET", "/api/job", key)).json()).toMatchObject({
      job: { file: { name: "bracket.gcode", size: 4_000 }, estimatedPrintTime: 600 },
      progress: { completion: 25, printTimeLeft: 450 },
      state: "Printing",
    });
    const ask = async (body: object): Promise<number> =>
      (await rig.ask("POST", "/api/job", { ...key, body })).status;
    expect(await ask({ command: "pause" })).toBe(204);
    expect(await ask({ command: "pause", action: "resume" })).toBe(204);
    expect(await ask({ command: "cancel" })).toBe(204);
    const wished = rig.desk.asked
      .map(({ route }) => route)
      .filter((route) => route.startsWith("print"));
    expect(wished).toEqual(["print", "printPaused", "printResumed", "printCancelled"]);
    expect(await ask({ command: "start" })).toBe(409);
    expect(await ask({ command: "restart" })).toBe(409);
    expect(rig.desk.asked.filter(({ route }) => route === "printAgain")).toEqual([]);
  });

  it("lists files by name, and prints one again by the ordinary way", async () => {
    await using rig = await makeFarm();
    const { files } = (await (await rig.ask("GET", "/api/files", key)).json()) as {
      files: { name: string }[];
    };
    expect(files.map(({ name }) => name)).toEqual(["bracket.gcode", "cube.gcode"]);
    const path = "/api/files/local/cube.gcode";
    expect(await (await rig.ask("GET", path, key)).json()).toMatchObject({ size: 4_000 });
    const body = { command: "select", print: true };
    expect((await rig.ask("POST", path, { ...key, body })).status).toBe(204);
    expect(rig.desk.asked.at(-1)).toMatchObject({
      route: "printAgain",
      request: { params: { id: "prt_5" }, body: { printer: "ender" } },
    });
    expect((await rig.ask("POST", "/api/files/local/no.gcode", { ...key, body })).status).toBe(404);
    expect((await rig.ask("GET", "/api/files/local/..%2f..%2fetc", key)).status).toBe(400);
  });
});

describe("whatever comes", () => {
  it("a form is read whole or refused, with nothing left behind", async () => {
    await using rig = await makeFarm();
    const whole = Buffer.from(prusa("a.gcode", "true").body);
    const { headers } = prusa("a.gcode", "true");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.option(fc.nat(whole.length)),
        async (changes, cutAt) => {
          const body = Buffer.from(whole.subarray(0, cutAt ?? whole.length));
          for (const [at, byte] of changes) if (at < body.length) body[at] = byte;
          const reply = await rig.ask("POST", "/api/files/local", {
            headers,
            body: new Uint8Array(body),
          });
          expect([201, 400, 415, 422]).toContain(reply.status);
          expect(await readdir(join(rig.dir, "blobs", "temp"))).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("bytes that are no form at all end in a refusal of the reader's own", async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "--b",
        "\r\n",
        "--b--",
        "content-disposition: form-data; name=",
        '"x"',
        "; filename=",
      ),
      fc.string({ unit: "binary", maxLength: 8 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
        const chunks = ReadableStream.from(pieces.map((text) => Buffer.from(text)));
        let open = 0;
        const sink = {
          begin: () => void (open += 1),
          data: () => undefined,
          end: () => void (open -= 1),
        };
        const outcome = await readMultipart(chunks as AsyncIterable<Uint8Array>, "b", sink).then(
          () => "read",
          (error: GantryError) => error.code,
        );
        expect(["read", "bad_request"]).toContain(outcome);
        expect(open).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 400 },
    );
  });

  it("a name is one that we use, or is refused", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (name) => {
        expect(outcomeOf(name)).toMatch(
          /^refused: (bad_name|unsupported_media)$|^[\p{L}\p{N}][\p{L}\p{N} ._()+-]{0,119}$/u,
        );
      }),
    );
    expect(outcomeOf("../x")).toBe("refused: bad_name");
  });
});

function outcomeOf(name: string): string {
  try {
    return jobNameOf(name);
  } catch (error) {
    return `refused: ${(error as GantryError).code}`;
  }
}
