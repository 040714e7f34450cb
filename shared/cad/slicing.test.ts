import { deflateSync, inflateSync } from "node:zlib";
import { expect, it } from "vitest";
import { makeMeshBuilder } from "./mesh.ts";
import { drawMesh, pngOf } from "./preview.ts";
import {
  assertProfile,
  MATERIAL_NAMES,
  SLICE_DEFAULTS,
  sliceIni,
  type SliceProfile,
} from "./slicing.ts";

const profile: SliceProfile = {
  ...SLICE_DEFAULTS,
  sizeMm: { x: 220, y: 200, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 110,
};

it("makes a profile of the printer's room, the nozzle and the filament", () => {
  const ini = new Map(
    sliceIni(profile)
      .trim()
      .split("\n")
      .map((line) => line.split(" = ", 2) as [string, string]),
  );
  expect(ini.get("bed_shape")).toBe("0x0,220x0,220x200,0x200");
  expect(ini.get("max_print_height")).toBe("250");
  expect(ini.get("nozzle_diameter")).toBe("0.4");
  expect(ini.get("temperature")).toBe("210");
  expect(ini.has("post_process")).toBe(false);
});

it("refuses a material that the printer cannot heat for, and layers too thick for the nozzle", () => {
  for (const material of MATERIAL_NAMES)
    expect(() => assertProfile({ ...profile, material })).not.toThrow();
  expect(() => assertProfile({ ...profile, material: "abs", nozzleMaxC: 240 })).toThrow(
    /needs 245 °C/u,
  );
  expect(() => assertProfile({ ...profile, material: "petg", bedMaxC: 60 })).toThrow(
    /bed of 80 °C/u,
  );
  expect(() => assertProfile({ ...profile, layerMm: 0.36 })).toThrow(/80 % of the nozzle/u);
});

it("draws a part as a picture that can be read again", () => {
  const builder = makeMeshBuilder();
  builder.addTriangle([0, 0, 0, 10, 0, 0, 0, 0, 10], "here");
  const picture = drawMesh(builder.finish(), 40, 30);
  const opaque = picture.pixels.filter((value, index) => index % 4 === 3 && value === 255).length;
  expect(opaque).toBeGreaterThan(200);
  expect(opaque).toBeLessThan(40 * 30 * 0.6); // half of what it is fitted into
  const png = pngOf(picture, deflateSync);
  const view = new DataView(png.buffer);
  expect([view.getUint32(16), view.getUint32(20)]).toEqual([40, 30]);
  const dataBytes = view.getUint32(33);
  expect(inflateSync(png.subarray(41, 41 + dataBytes)).length).toBe(30 * (40 * 4 + 1));
});
