// Parts that hold things: box, tray, enclosure.

import { need, type Part } from "../part.ts";

const WALL = {
  kind: "length",
  title: "Wall",
  min: 0.8,
  max: 10,
  default: 2,
  words: ["wall", "walls", "thick", "wall thickness", "thickness"],
} as const;
const FOOTPRINT = `
module footprint(w, d, r) {
  offset(r = r) square([w - 2 * r, d - 2 * r], center = true);
}
`;

export const BOX: Part = {
  id: "box",
  title: "Box",
  summary: "A box with rounded corners, with a lid if wanted",
  nouns: ["box", "case", "container"],
  parameters: {
    width: {
      kind: "length",
      title: "Width",
      min: 8,
      max: 400,
      default: 60,
      words: ["wide", "width"],
    },
    depth: {
      kind: "length",
      title: "Depth",
      min: 8,
      max: 400,
      default: 40,
      words: ["deep", "depth", "long", "length"],
    },
    height: {
      kind: "length",
      title: "Height",
      min: 4,
      max: 400,
      default: 30,
      words: ["high", "height", "tall"],
    },
    measured: {
      kind: "choice",
      title: "Sizes are",
      options: ["outside", "inside"],
      default: "outside",
    },
    wall: WALL,
    bottom: {
      kind: "length",
      title: "Bottom",
      min: 0.6,
      max: 10,
      default: 1.6,
      words: ["bottom", "floor"],
    },
    radius: {
      kind: "length",
      title: "Corner radius",
      min: 0,
      max: 50,
      default: 3,
      words: ["radius", "corner radius"],
    },
    lid: { kind: "flag", title: "Lid", default: false, words: ["lid", "cover", "cap"] },
    clearance: {
      kind: "length",
      title: "Gap of the lid",
      min: 0.05,
      max: 1,
      default: 0.2,
      words: ["gap", "clearance"],
    },
  },
  sizes: ["width", "depth", "height"],
  check(v) {
    const grows = v.text("measured") === "inside" ? 2 * v.of("wall") : 0;
    const shorter = Math.min(v.of("width"), v.of("depth")) + grows;
    return [
      ...need(
        shorter >= 2 * v.of("wall") + 4,
        "wall",
        "leaves less than 4 mm inside: make it thinner or the box larger",
      ),
      ...need(shorter > 2 * v.of("radius"), "radius", "is more than half of the shorter side"),
      ...need(
        v.of("bottom") + 2 <= v.of("height") + grows,
        "bottom",
        "leaves less than 2 mm of room above it",
      ),
      ...need(
        !v.is("lid") || shorter >= 4 * v.of("wall") + 4,
        "lid",
        "has no room for its rim: make the wall thinner or the box larger",
      ),
    ];
  },
  body: `${FOOTPRINT}
grow = measured == "inside" ? 1 : 0;
w = width + grow * 2 * wall;
d = depth + grow * 2 * wall;
h = height + grow * bottom;
inner_r = max(radius - wall, 0);
difference() {
  linear_extrude(h) footprint(w, d, radius);
  translate([0, 0, bottom]) linear_extrude(h) footprint(w - 2 * wall, d - 2 * wall, inner_r);
}
if (lid) translate([w + 5, 0, 0]) {
  rim = min(4, h / 3);
  rw = w - 2 * wall - 2 * clearance;
  rd = d - 2 * wall - 2 * clearance;
  linear_extrude(bottom) footprint(w, d, radius);
  linear_extrude(bottom + rim) difference() {
    footprint(rw, rd, max(inner_r - clearance, 0));
    footprint(rw - 2 * wall, rd - 2 * wall, max(inner_r - clearance - wall, 0));
  }
}
`,
};

export const TRAY: Part = {
  id: "tray",
  title: "Tray with compartments",
  summary: "A flat tray, divided into rows and columns",
  nouns: ["tray", "sorting tray", "organizer", "organiser", "drawer insert"],
  parameters: {
    width: {
      kind: "length",
      title: "Width",
      min: 20,
      max: 400,
      default: 120,
      words: ["wide", "width"],
    },
    depth: {
      kind: "length",
      title: "Depth",
      min: 20,
      max: 400,
      default: 80,
      words: ["deep", "depth", "long", "length"],
    },
    height: {
      kind: "length",
      title: "Height",
      min: 4,
      max: 150,
      default: 20,
      words: ["high", "height", "tall"],
    },
    columns: {
      kind: "count",
      title: "Columns",
      min: 1,
      max: 12,
      default: 3,
      words: ["columns", "column"],
    },
    rows: { kind: "count", title: "Rows", min: 1, max: 12, default: 2, words: ["rows", "row"] },
    wall: { ...WALL, default: 1.6 },
    bottom: {
      kind: "length",
      title: "Bottom",
      min: 0.6,
      max: 10,
      default: 1.2,
      words: ["bottom", "floor"],
    },
  },
  sizes: ["width", "depth", "height"],
  check(v) {
    const cell = (size: string, count: string): number =>
      (v.of(size) - v.of("wall") * (v.of(count) + 1)) / v.of(count);
    return [
      ...need(cell("width", "columns") >= 5, "columns", "would be narrower than 5 mm each"),
      ...need(cell("depth", "rows") >= 5, "rows", "would be narrower than 5 mm each"),
      ...need(
        v.of("bottom") + 2 <= v.of("height"),
        "bottom",
        "leaves less than 2 mm of room above it",
      ),
    ];
  },
  body: `
cw = (width - wall * (columns + 1)) / columns;
cd = (depth - wall * (rows + 1)) / rows;
linear_extrude(bottom) square([width, depth]);
linear_extrude(height) difference() {
  square([width, depth]);
  for (c = [0 : columns - 1], r = [0 : rows - 1])
    translate([wall + c * (cw + wall), wall + r * (cd + wall)]) square([cw, cd]);
}
`,
};

export const ENCLOSURE: Part = {
  id: "enclosure",
  title: "Enclosure for a circuit board",
  summary: "A case with screw posts, a cable opening, slots for air and a lid to screw on",
  nouns: [
    "enclosure",
    "electronics enclosure",
    "electronics box",
    "project box",
    "pcb case",
    "board case",
    "board enclosure",
  ],
  parameters: {
    width: {
      kind: "length",
      title: "Width of the board",
      min: 20,
      max: 250,
      default: 70,
      words: ["wide", "width"],
    },
    depth: {
      kind: "length",
      title: "Depth of the board",
      min: 20,
      max: 250,
      default: 50,
      words: ["deep", "depth", "long", "length"],
    },
    height: {
      kind: "length",
      title: "Room above the bottom",
      min: 8,
      max: 120,
      default: 25,
      words: ["high", "height", "tall"],
    },
    wall: WALL,
    screw: {
      kind: "length",
      title: "Pilot hole of the posts",
      min: 1.5,
      max: 5,
      default: 2.5,
      words: ["screw", "screws", "screw hole"],
    },
    cable: {
      kind: "length",
      title: "Cable opening",
      min: 0,
      max: 20,
      default: 6,
      words: ["cable", "cable opening", "cable hole"],
    },
    vents: {
      kind: "count",
      title: "Air slots",
      min: 0,
      max: 12,
      default: 4,
      words: ["vents", "vent", "air slots", "slots"],
    },
  },
  sizes: ["width", "depth", "height"],
  check(v) {
    return [
      ...need(v.of("cable") + 4 <= v.of("height"), "cable", "is too wide for this height"),
      ...need(v.of("vents") * 6 + 20 <= v.of("width"), "vents", "are too many for this width"),
      ...need(v.of("screw") + 3 <= 8, "screw", "is too wide for the posts, which are 8 mm"),
    ];
  },
  body: `${FOOTPRINT}
post = 8;
w = width + 2 * wall + 2 * post;
d = depth + 2 * wall;
h = height + wall;
module corners() for (x = [-1, 1], y = [-1, 1])
  translate([x * (w / 2 - wall - post / 2), y * (d / 2 - wall - post / 2)]) children();
difference() {
  union() {
    linear_extrude(wall) footprint(w, d, 2);
    linear_extrude(h) {
      difference() { footprint(w, d, 2); footprint(w - 2 * wall, d - 2 * wall, 1); }
      intersection() { footprint(w, d, 2); corners() square(post + 2 * eps, center = true); }
    }
  }
  translate([0, 0, wall + 2]) linear_extrude(h) corners() circle(d = screw);
  if (cable > 0) translate([0, -d / 2 + wall / 2, wall + 1 + cable / 2])
    rotate([90, 0, 0]) cylinder(d = cable, h = 2 * wall + 2, center = true);
  if (vents > 0) for (i = [0 : vents - 1])
    translate([(i - (vents - 1) / 2) * 6, d / 2 - wall / 2, wall + height * 0.55])
      cube([2.4, 2 * wall + 2, height * 0.4], center = true);
}
translate([w + 5, 0, 0]) {
  linear_extrude(wall) difference() {
    footprint(w, d, 2);
    corners() circle(d = screw + 0.9);
  }
}
`,
};
