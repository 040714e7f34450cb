// 3MF files into meshes: a ZIP with one XML file of corners and triangles. Pure and bounded.
//
// TM1. No XML beyond elements and attributes: a document type or an entity is refused, so that nothing
//      can grow or fetch anything.
// TM2. What is built is what the `build` list names, each with its place; an object of objects is refused.

import { LIMIT } from "../base/policy.ts";
import { badMesh, makeMeshBuilder, type Mesh } from "./mesh.ts";
import { type Inflate, readZip } from "./zip.ts";

const UNIT_MM: Readonly<Record<string, number>> = {
  micron: 0.001,
  millimeter: 1,
  centimeter: 10,
  inch: 25.4,
  foot: 304.8,
  meter: 1_000,
};
const ATTRIBUTES_CHARS_MAX = 4_096;

/** Throws mesh_invalid, too_large. */
export function read3mf(bytes: Uint8Array, inflate: Inflate): Mesh {
  const entries = readZip(bytes, LIMIT.modelBytes.max, inflate);
  const models = entries.filter(({ name }) => /^3D\/[^/]+\.model$/iu.test(name));
  const [model] = models;
  if (model === undefined || models.length > 1) {
    throw badMesh(`A 3MF file has one model in its folder 3D; this one has ${models.length}`, {
      at: "3D/",
      hint: "Export it again, as STL or as a plain 3MF file.",
    });
  }
  return readModel(new TextDecoder("utf-8").decode(model.read()));
}

interface Body {
  readonly points: number[];
  readonly faces: number[];
}

function readModel(xml: string): Mesh {
  if (/<!|\]\]>/u.test(xml.replaceAll(/<!--[\s\S]*?-->/gu, ""))) {
    throw bad("it has a document type or CDATA", 0); // TM1
  }
  const bodies = new Map<string, Body>();
  const items: { readonly id: string; readonly transform: string | undefined; at: number }[] = [];
  let scale = 1;
  let current: Body | undefined;
  for (const { name, attributes, at } of elementsOf(xml)) {
    switch (name) {
      case "model":
        scale = UNIT_MM[attributes.get("unit") ?? "millimeter"] ?? 1;
        break;
      case "object": {
        current = { points: [], faces: [] };
        bodies.set(attributes.get("id") ?? "", current);
        break;
      }
      case "vertex":
        if (current === undefined) throw bad("a corner belongs to no object", at);
        for (const axis of ["x", "y", "z"]) current.points.push(numberOf(attributes.get(axis), at));
        break;
      case "triangle":
        if (current === undefined) throw bad("a triangle belongs to no object", at);
        for (const corner of ["v1", "v2", "v3"])
          current.faces.push(numberOf(attributes.get(corner), at));
        if (current.faces.length > LIMIT.meshTriangles.max * 3)
          throw bad("it has too many triangles", at);
        break;
      case "component":
        throw bad("an object is made of other objects", at); // TM2
      case "item":
        items.push({
          id: attributes.get("objectid") ?? "",
          transform: attributes.get("transform"),
          at,
        });
        break;
    }
  }
  const builder = makeMeshBuilder();
  for (const { id, transform, at } of items) {
    const body = bodies.get(id);
    if (body === undefined)
      throw bad(`it builds an object ${id.slice(0, 20)} that it does not have`, at);
    place(body, matrixOf(transform, at), scale, (corners) =>
      builder.addTriangle(corners, `object ${id.slice(0, 20)}`),
    );
  }
  return builder.finish();
}

interface Element {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly at: number;
}

/** Opening and empty elements in order; names without their prefix. */
function* elementsOf(xml: string): Generator<Element> {
  for (let at = xml.indexOf("<"); at >= 0; at = xml.indexOf("<", at + 1)) {
    if (xml.startsWith("<!--", at)) {
      at = xml.indexOf("-->", at);
      if (at < 0) return;
      continue;
    }
    const next = xml[at + 1];
    if (next === "/" || next === "?") continue;
    const end = xml.indexOf(">", at);
    if (end < 0) throw bad("an element has no end", at);
    if (end - at > ATTRIBUTES_CHARS_MAX) throw bad("an element is very long", at);
    const text = xml.slice(at + 1, end);
    const name = /^(?:[\w.-]+:)?([\w.-]+)/u.exec(text)?.[1] ?? "";
    const attributes = new Map<string, string>();
    for (const [, key = "", value = ""] of text.matchAll(/\s([\w.:-]+)\s*=\s*"([^"<&]*)"/gu)) {
      attributes.set(key, value);
    }
    yield { name, attributes, at };
  }
}

/** Twelve numbers, rows first, as 3MF has them; the identity where there are none. */
function matrixOf(text: string | undefined, at: number): readonly number[] {
  if (text === undefined) return [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
  const numbers = text
    .trim()
    .split(/\s+/u)
    .map((word) => numberOf(word, at));
  if (numbers.length !== 12) throw bad("a transform does not have twelve numbers", at);
  return numbers;
}

function place(
  { points, faces }: Body,
  matrix: readonly number[],
  scale: number,
  add: (corners: Float64Array) => void,
): void {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0, tx = 0, ty = 0, tz = 0] =
    matrix;
  const corners = new Float64Array(9);
  const isMirrored = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0;
  const order = isMirrored ? [0, 2, 1] : [0, 1, 2];
  for (let face = 0; face < faces.length; face += 3) {
    for (const [to, from] of order.entries()) {
      const at = (faces[face + from] ?? -1) * 3;
      const [x = Number.NaN, y = Number.NaN, z = Number.NaN] = [
        points[at],
        points[at + 1],
        points[at + 2],
      ];
      corners[to * 3] = (x * a + y * d + z * g + tx) * scale;
      corners[to * 3 + 1] = (x * b + y * e + z * h + ty) * scale;
      corners[to * 3 + 2] = (x * c + y * f + z * i + tz) * scale;
    }
    add(corners);
  }
}

function numberOf(text: string | undefined, at: number): number {
  const isNumber =
    text !== undefined && /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/iu.test(text);
  if (isNumber) return Number(text);
  throw bad(`${JSON.stringify((text ?? "").slice(0, 20))} is not a number`, at);
}

const bad = (why: string, at: number) =>
  badMesh(`The 3MF model cannot be read: ${why}`, {
    at: `character ${at}`,
    hint: "Export it again, as STL or as a plain 3MF file.",
  });
