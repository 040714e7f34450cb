import { crc32 as systemCrc, deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCK_FACES, blockMesh } from "./block.ts";
import { assertFits, checkMesh, type Mesh } from "./mesh.ts";
import { readStl, writeStl } from "./stl.ts";
import { read3mf } from "./threemf.ts";
import { crc32, readZip } from "./zip.ts";

const inflate = (packed: Uint8Array, bytesMax: number): Uint8Array =>
  inflateRawSync(packed, { maxOutputLength: Math.max(1, bytesMax) });

const ascii = ({ corners, triangles }: Mesh): Uint8Array => {
  const lines = Array.from({ length: triangles }, (_, index) => {
    const at = Array.from(corners.subarray(index * 9, index * 9 + 9));
    const vertex = (from: number): string => `vertex ${at.slice(from, from + 3).join(" ")}`;
    return `facet normal 0 0 1\n outer loop\n ${vertex(0)}\n ${vertex(3)}\n ${vertex(6)}\n endloop\nendfacet`;
  });
  return new TextEncoder().encode(
    `solid a part with a name\n${lines.join("\n")}\nendsolid a part\n`,
  );
};

const refusal = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    const { code, message, details } = error as {
      code: string;
      message: string;
      details: { hint?: string };
    };
    return `${code}: ${message}${details.hint === undefined ? "" : ` > ${details.hint}`}`;
  }
};

describe("meshes", () => {
  it("measures a closed body, read from either form of STL", () => {
    const facts = {
      triangles: 12,
      vertices: 8,
      sizeMm: { x: 4, y: 3, z: 2 },
      minMm: { x: 0, y: 0, z: 0 },
      volumeMm3: 24,
    };
    const mesh = blockMesh(4, 3, 2);
    for (const bytes of [writeStl(mesh), ascii(mesh)])
      expect(checkMesh(readStl(bytes))).toEqual(facts);
  });

  it("writes what readers that guess the form from the bytes take for binary", () => {
    for (const faces of [BLOCK_FACES, BLOCK_FACES.toReversed()]) {
      const first = writeStl(blockMesh(4, 2, 2, faces)).subarray(84, 84 + 128);
      expect(first.some((byte) => byte > 127)).toBe(true);
    }
  });

  it("reads a binary file whose header begins with solid", () => {
    const bytes = writeStl(blockMesh(1, 1, 1));
    bytes.set(new TextEncoder().encode("solid x"));
    expect(checkMesh(readStl(bytes)).triangles).toBe(12);
  });

  it("refuses a hole, a face turned round, a face twice and a body inside out, with the place", () => {
    expect(refusal(() => checkMesh(blockMesh(4, 3, 2, BLOCK_FACES.slice(1))))).toMatch(
      /^mesh_invalid: The model is not closed: there is a hole at [\d, ]+ mm > Repair/u,
    );
    const turned = BLOCK_FACES.map(([a, b, c], index) => (index === 0 ? [a, c, b] : [a, b, c]));
    expect(refusal(() => checkMesh(blockMesh(4, 3, 2, turned)))).toContain(
      "look in opposite directions",
    );
    expect(
      refusal(() => checkMesh(blockMesh(4, 3, 2, [...BLOCK_FACES, ...BLOCK_FACES.slice(0, 1)]))),
    ).toContain("3 faces meet in one edge");
    const inside = BLOCK_FACES.map(([a, b, c]) => [a, c, b]);
    expect(refusal(() => checkMesh(blockMesh(4, 3, 2, inside)))).toContain("inside out");
    expect(refusal(() => checkMesh(blockMesh(4, 3, 2, [])))).toContain("empty");
  });

  it("says whether it fits, and when turning helps", () => {
    const room = { x: 200, y: 100, z: 50 };
    expect(refusal(() => assertFits({ x: 200, y: 100, z: 50 }, room))).toBeUndefined();
    expect(refusal(() => assertFits({ x: 90, y: 150, z: 50 }, room))).toBe(
      "mesh_invalid: The part is 90 x 150 x 50 mm; there is room for 200 x 100 x 50 mm > It fits when turned by 90 degrees.",
    );
    expect(refusal(() => assertFits({ x: 90, y: 90, z: 51 }, room))).toContain("Make it smaller");
  });

  it("refuses what is no STL file, with its place", () => {
    expect(refusal(() => readStl(new Uint8Array(10)))).toContain("it has only 10 bytes");
    expect(refusal(() => readStl(writeStl(blockMesh(1, 1, 1)).subarray(0, 300)))).toContain(
      "12 triangles need 684 bytes, it has 300",
    );
    const cut = ascii(blockMesh(1, 1, 1)).subarray(0, 400);
    expect(refusal(() => readStl(cut))).toMatch(/not an STL file: .* at line \d+/u);
    const huge = writeStl(blockMesh(1, 1, 1));
    new DataView(huge.buffer).setFloat32(96, Number.NaN, true);
    expect(refusal(() => readStl(huge))).toContain("at triangle 1");
  });

  it("never does anything but read or refuse, whatever the bytes", () => {
    const seeds = [writeStl(blockMesh(1, 2, 3)), ascii(blockMesh(1, 2, 3))];
    const spoilt = fc.tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
      fc.nat(700),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      spoilt.map(([seed, changes, length]) => {
        const copy = seed.slice(0, Math.max(seed.length - (length % 120), 0));
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return copy;
      }),
    );
    fc.assert(
      fc.property(bytes, (file) => {
        const told = refusal(() => checkMesh(readStl(file)));
        expect(typeof told === "string" ? told : "read").toMatch(
          /^(?:mesh_invalid|too_large|read)/u,
        );
      }),
      { numRuns: 1_000 },
    );
  });
});

interface Entry {
  readonly name: string;
  readonly data: Uint8Array;
  readonly says?: { sizeBytes?: number; localAt?: number; flags?: number; method?: number };
}

/** A ZIP file as its writer wants it, also a wrong one. */
function zip(entries: readonly Entry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, data, says = {} } of entries) {
    const packed = deflateRawSync(data);
    const text = new TextEncoder().encode(name);
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04_03_4b_50, true);
    local.setUint16(26, text.length, true);
    const head = new DataView(new ArrayBuffer(46));
    head.setUint32(0, 0x02_01_4b_50, true);
    head.setUint16(8, says.flags ?? 0, true);
    head.setUint16(10, says.method ?? 8, true);
    head.setUint32(16, systemCrc(data), true);
    head.setUint32(20, packed.length, true);
    head.setUint32(24, says.sizeBytes ?? data.length, true);
    head.setUint16(28, text.length, true);
    head.setUint32(42, says.localAt ?? at, true);
    const piece = [new Uint8Array(local.buffer), text, packed];
    parts.push(...piece);
    directory.push(new Uint8Array(head.buffer), text);
    at += piece.reduce((sum, { length }) => sum + length, 0);
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06_05_4b_50, true);
  end.setUint16(8, entries.length, true);
  end.setUint16(10, entries.length, true);
  end.setUint32(16, at, true);
  return new Uint8Array(Buffer.concat([...parts, ...directory, new Uint8Array(end.buffer)]));
}

const MODEL = `<?xml version="1.0"?><model unit="centimeter"><resources><object id="7" type="model"><mesh><vertices>${Array.from({ length: 8 }, (_, bits) => `<vertex x="${bits & 1}" y="${(bits >> 1) & 1}" z="${bits >> 2}"/>`).join("")}</vertices><triangles>${BLOCK_FACES.map(([a, b, c]) => `<triangle v1="${a}" v2="${b}" v3="${c}"/>`).join("")}</triangles></mesh></object></resources><build><item objectid="7" transform="2 0 0 0 1 0 0 0 1 5 0 0"/></build></model>`;
const modelFile = (text: string): Uint8Array =>
  zip([{ name: "3D/3dmodel.model", data: new TextEncoder().encode(text) }]);
const readText = (text: string): unknown =>
  refusal(() => checkMesh(read3mf(modelFile(text), inflate)));

describe("3MF files", () => {
  it("are read with their unit and their place", () => {
    expect(readText(MODEL)).toMatchObject({
      sizeMm: { x: 20, y: 10, z: 10 },
      minMm: { x: 50, y: 0, z: 0 },
    });
    expect(readText(MODEL.replace("2 0 0", "-2 0 0"))).toMatchObject({ sizeMm: { x: 20 } }); // mirrored, not inside out
  });

  it.each([
    [
      "a document type",
      MODEL.replace("<model", '<!DOCTYPE m [<!ENTITY a "b">]><model'),
      "document type",
    ],
    [
      "an object of objects",
      MODEL.replace("<mesh>", '<components><component objectid="7"/></components><mesh>'),
      "made of other objects",
    ],
    ["a corner that is no number", MODEL.replace('x="1"', 'x="1e999x"'), "is not a number"],
    [
      "a corner that is not there",
      MODEL.replace('v1="0"', 'v1="99"'),
      "A coordinate is not a number",
    ],
    ["an object that is not there", MODEL.replace('objectid="7"', 'objectid="8"'), "does not have"],
    ["nothing to build", MODEL.replace(/<build>.*<\/build>/u, ""), "empty"],
  ])("with %s are refused", (_what, text, words) => {
    expect(readText(text)).toContain(words);
  });

  const data = new TextEncoder().encode(MODEL);
  it.each<[string, Entry[], string]>([
    ["a way out of the folder", [{ name: "../../etc/cron.d/x", data }], "is no name"],
    ["an absolute path", [{ name: "/etc/passwd", data }], "is no name"],
    ["a drive", [{ name: "c:/x", data }], "is no name"],
    ["a backslash", [{ name: "3D\\x.model", data }], "is no name"],
    [
      "one name twice",
      [
        { name: "3D/a.model", data },
        { name: "3D/A.model", data },
      ],
      "twice",
    ],
    ["a bomb", [{ name: "3D/a.model", data: new Uint8Array(20_000_000) }], "zip bomb"],
    [
      "a hidden bomb",
      [{ name: "3D/a.model", data: new Uint8Array(20_000_000), says: { sizeBytes: 60_000 } }],
      "cannot be unpacked",
    ],
    [
      "entries over each other",
      [
        { name: "3D/a.model", data },
        { name: "3D/b.model", data, says: { localAt: 0 } },
      ],
      "overlaps",
    ],
    ["a password", [{ name: "3D/a.model", data, says: { flags: 1 } }], "encrypted"],
    ["another method", [{ name: "3D/a.model", data, says: { method: 12 } }], "unknown way"],
    [
      "too much altogether",
      Array.from({ length: 3 }, (_, n) => ({
        name: `3D/${n}.bin`,
        data,
        says: { sizeBytes: 70_000_000 },
      })),
      "when unpacked",
    ],
    ["no model", [{ name: "x.txt", data }], "one model"],
  ])("with %s are refused", (_what, entries, words) => {
    const told = refusal(() => read3mf(zip(entries), inflate));
    expect(told).toMatch(/^mesh_invalid: /u);
    expect(told).toContain(words);
    expect(told).toContain(" > "); // a hint
  });

  it("are refused, not followed, whatever the bytes", () => {
    const file = modelFile(MODEL);
    const spoilt = fc.tuple(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(60),
    );
    fc.assert(
      fc.property(spoilt, ([changes, less]) => {
        const copy = file.slice(0, file.length - less);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        const told = refusal(() => checkMesh(read3mf(copy, inflate)));
        expect(typeof told === "string" ? told : "read").toMatch(
          /^(?:mesh_invalid|too_large|read)/u,
        );
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.string(), fc.nat(), (noise, at) => {
        const cut = at % MODEL.length;
        const told = readText(MODEL.slice(0, cut) + noise + MODEL.slice(cut + noise.length));
        expect(typeof told === "string" ? told : "read").toMatch(
          /^(?:mesh_invalid|too_large|read)/u,
        );
      }),
      { numRuns: 300 },
    );
  });

  it("has the checksum of ZIP and PNG", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(crc32(bytes)).toBe(systemCrc(bytes));
      }),
    );
    expect(refusal(() => readZip(new Uint8Array(100), 1_000, inflate))).toContain("cut off");
  });
});
