// Parts that fix things: bracket, cable clip, spacer, hook, hinge, adapter ring.

import { need, type Part } from "../part.ts";

const HOLE = {
  kind: "length",
  title: "Screw hole",
  min: 1.5,
  max: 14,
  default: 4.5,
  words: ["hole", "holes", "screw hole", "screw holes", "bore"],
  isScrewHole: true,
} as const;
const THICKNESS = {
  kind: "length",
  title: "Thickness",
  min: 1.2,
  max: 20,
  default: 4,
  words: ["thick", "thickness", "wall"],
} as const;

export const BRACKET: Part = {
  id: "bracket",
  title: "Angle bracket",
  summary: "An angle with screw holes in both legs and a rib between them",
  nouns: ["bracket", "angle bracket", "l bracket", "angle", "shelf bracket"],
  parameters: {
    width: {
      kind: "length",
      title: "Width",
      min: 8,
      max: 200,
      default: 30,
      words: ["wide", "width"],
    },
    leg: {
      kind: "length",
      title: "Leg on the floor",
      min: 12,
      max: 250,
      default: 40,
      words: ["leg", "legs", "long", "length", "deep", "depth"],
    },
    height: {
      kind: "length",
      title: "Leg on the wall",
      min: 12,
      max: 250,
      default: 40,
      words: ["high", "height", "tall"],
    },
    thickness: THICKNESS,
    hole: HOLE,
    holes: {
      kind: "count",
      title: "Holes in each leg",
      min: 1,
      max: 6,
      default: 2,
      words: ["holes each", "holes per leg"],
    },
    rib: { kind: "flag", title: "Rib", default: true, words: ["rib", "ribs", "gusset"] },
  },
  sizes: ["leg", "height", "width"],
  check(v) {
    const room = (v.of("width") - (v.is("rib") ? v.of("thickness") : 0)) / v.of("holes");
    const shorter = Math.min(v.of("leg"), v.of("height"));
    return [
      ...need(
        room >= v.of("hole") + 2,
        "holes",
        "do not fit beside each other: fewer, smaller, or a wider bracket",
      ),
      ...need(
        shorter >= v.of("thickness") + v.of("hole") + 4,
        "hole",
        "is too wide for the shorter leg",
      ),
      ...need(
        !v.is("rib") || v.of("holes") % 2 === 0,
        "holes",
        "must be even where there is a rib in the middle",
      ),
    ];
  },
  body: `
module leg_plate(size) difference() {
  square([width, size]);
  gap = width / holes;
  for (i = [0 : holes - 1])
    translate([gap * (i + 0.5), thickness + (size - thickness) * 0.6]) circle(d = hole);
}
linear_extrude(thickness) leg_plate(leg);
translate([0, thickness, 0]) rotate([90, 0, 0]) linear_extrude(thickness) leg_plate(height);
if (rib) translate([(width - thickness) / 2, 0, 0])
  rotate([90, 0, 90]) linear_extrude(thickness)
    polygon([[eps, eps], [leg * 0.9, eps], [leg * 0.9, thickness * 0.9], [thickness * 0.9, height * 0.9], [eps, height * 0.9]]);
`,
};

export const CABLE_CLIP: Part = {
  id: "cable_clip",
  title: "Cable clip",
  summary: "A clip that snaps over a cable, to be screwed down",
  nouns: ["cable clip", "wire clip", "cable holder", "cable clamp", "clip"],
  parameters: {
    cable: {
      kind: "length",
      title: "Cable",
      min: 2,
      max: 40,
      default: 6,
      words: ["cable", "wire", "diameter", "hose"],
    },
    width: {
      kind: "length",
      title: "Width",
      min: 4,
      max: 60,
      default: 10,
      words: ["wide", "width"],
    },
    wall: {
      kind: "length",
      title: "Wall",
      min: 1.2,
      max: 8,
      default: 2.4,
      words: ["wall", "thick", "thickness"],
    },
    hole: { ...HOLE, default: 3.4, max: 8 },
    opening: {
      kind: "length",
      title: "Opening",
      min: 0.6,
      max: 38,
      default: 4.2,
      words: ["opening", "mouth"],
    },
  },
  sizes: [],
  mainSize: "cable",
  check: (v) => [
    ...need(
      v.of("opening") < v.of("cable"),
      "opening",
      "must be narrower than the cable, or it does not hold",
    ),
    ...need(
      v.of("opening") >= v.of("cable") * 0.3,
      "opening",
      "is so narrow that the cable cannot go in",
    ),
    ...need(v.of("hole") + 2 <= v.of("width"), "hole", "is too wide for the width of the clip"),
  ],
  body: `
r = cable / 2;
tab = hole + 6;
difference() {
  linear_extrude(width) union() {
    difference() {
      union() {
        circle(r = r + wall);
        translate([-(r + wall), -(r + wall)]) square([2 * (r + wall), r + wall]);
        translate([0, -(r + wall)]) square([r + wall + tab, wall]);
      }
      circle(r = r);
      translate([-opening / 2, 0]) square([opening, r + wall + 1]);
    }
  }
  translate([r + wall + tab / 2, -(r + wall) - 1, width / 2])
    rotate([-90, 0, 0]) cylinder(d = hole, h = wall + 2);
}
`,
};

export const SPACER: Part = {
  id: "spacer",
  title: "Spacer",
  summary: "A sleeve that keeps two things apart, round or with six sides",
  nouns: ["spacer", "standoff", "sleeve", "bushing", "distance piece"],
  parameters: {
    height: {
      kind: "length",
      title: "Height",
      min: 0.6,
      max: 200,
      default: 10,
      words: ["high", "height", "tall", "long", "length", "thick"],
    },
    hole: HOLE,
    outer: {
      kind: "length",
      title: "Outer diameter",
      min: 3,
      max: 60,
      default: 9,
      words: ["outer", "outside", "outer diameter", "diameter", "wide"],
    },
    shape: { kind: "choice", title: "Shape", options: ["round", "hexagonal"], default: "round" },
  },
  sizes: ["outer", "height"],
  mainSize: "height",
  check: (v) => [
    ...need(
      v.of("outer") >= v.of("hole") + 1.6,
      "outer",
      "leaves a wall thinner than 0.8 mm around the hole",
    ),
    ...need(
      v.of("height") <= v.of("outer") * 12,
      "height",
      "is more than 12 times the diameter: it would fall over while printing",
    ),
  ],
  body: `
linear_extrude(height) difference() {
  if (shape == "round") circle(d = outer);
  else circle(d = outer / cos(30), $fn = 6);
  circle(d = hole);
}
`,
};

export const HOOK: Part = {
  id: "hook",
  title: "Wall hook",
  summary:
    "A hook with a plate to be screwed to the wall; printed lying, so that it does not split",
  nouns: ["hook", "wall hook", "coat hook", "tool hook"],
  parameters: {
    reach: {
      kind: "length",
      title: "Inner width",
      min: 8,
      max: 120,
      default: 25,
      words: ["reach", "opening", "inside", "deep", "depth"],
    },
    width: {
      kind: "length",
      title: "Width",
      min: 6,
      max: 60,
      default: 14,
      words: ["wide", "width"],
    },
    thickness: { ...THICKNESS, min: 2.4, default: 5 },
    height: {
      kind: "length",
      title: "Height of the plate",
      min: 25,
      max: 200,
      default: 60,
      words: ["high", "height", "tall"],
    },
    hole: HOLE,
  },
  sizes: ["reach", "height", "width"],
  mainSize: "reach",
  check: (v) => [
    ...need(v.of("hole") + 3 <= v.of("width"), "hole", "is too wide for the width of the hook"),
    ...need(
      v.of("height") >= v.of("reach") / 2 + v.of("thickness") + 4 * v.of("hole"),
      "height",
      "leaves no room for two screws above the hook",
    ),
    ...need(
      v.of("reach") <= v.of("thickness") * 15,
      "thickness",
      "is too thin for such a wide hook",
    ),
  ],
  body: `
bend = reach / 2 + thickness;
difference() {
  linear_extrude(width) {
    square([thickness, height]);
    translate([bend, eps]) difference() {
      circle(r = bend);
      circle(r = bend - thickness);
      translate([-bend - 1, 0]) square(2 * bend + 2);
    }
    translate([2 * bend - thickness, 0]) square([thickness, reach / 3]);
    translate([2 * bend - thickness / 2, reach / 3]) circle(d = thickness);
  }
  for (y = [height - hole * 1.25, height - hole * 3])
    translate([-1, y, width / 2]) rotate([0, 90, 0]) cylinder(d = hole, h = thickness + 2);
}
`,
};

export const HINGE: Part = {
  id: "hinge",
  title: "Hinge",
  summary: "Two leaves with knuckles for a pin (a screw or a piece of filament), printed flat",
  nouns: ["hinge", "door hinge", "lid hinge"],
  parameters: {
    width: {
      kind: "length",
      title: "Width",
      min: 15,
      max: 200,
      default: 40,
      words: ["wide", "width", "long", "length"],
    },
    leaf: {
      kind: "length",
      title: "Length of a leaf",
      min: 10,
      max: 120,
      default: 25,
      words: ["leaf", "leaves", "deep", "depth"],
    },
    thickness: { ...THICKNESS, max: 8, default: 3 },
    pin: {
      kind: "length",
      title: "Pin",
      min: 1.5,
      max: 8,
      default: 3.2,
      words: ["pin", "axle"],
      isScrewHole: true,
    },
    knuckles: {
      kind: "count",
      title: "Knuckles",
      min: 3,
      max: 11,
      default: 5,
      words: ["knuckles", "knuckle"],
    },
    hole: { ...HOLE, default: 3.4, max: 8 },
    gap: {
      kind: "length",
      title: "Gap",
      min: 0.1,
      max: 1,
      default: 0.3,
      words: ["gap", "clearance"],
    },
  },
  sizes: ["width", "leaf"],
  mainSize: "width",
  check: (v) => [
    ...need(v.of("knuckles") % 2 === 1, "knuckles", "must be odd, so that one leaf has both ends"),
    ...need(v.of("width") / v.of("knuckles") >= 3, "knuckles", "would be narrower than 3 mm each"),
    ...need(
      v.of("leaf") >= v.of("hole") + v.of("pin") + 2 * v.of("thickness") + 4,
      "leaf",
      "is too short for a screw hole beside the knuckle",
    ),
    ...need(
      v.of("width") >= 2 * v.of("hole") + 8,
      "hole",
      "is too wide for two of them in the leaf",
    ),
  ],
  body: `
r = pin / 2 + thickness * 0.7;
pitch = width / knuckles;
module leaf_of(first) {
  difference() {
    union() {
      translate([0, r + gap, 0]) cube([width, leaf - r - gap, thickness]);
      for (i = [first : 2 : knuckles - 1]) translate([i * pitch + gap / 2, 0, 0]) {
        translate([0, 0, r]) rotate([0, 90, 0]) cylinder(r = r, h = pitch - gap);
        cube([pitch - gap, r + gap + eps, thickness]);
      }
    }
    translate([-1, 0, r]) rotate([0, 90, 0]) cylinder(d = pin, h = width + 2);
    for (x = [width * 0.25, width * 0.75])
      translate([x, (leaf + r) / 2 + 1, -1]) cylinder(d = hole, h = thickness + 2);
  }
}
leaf_of(0);
translate([0, -2 * r - 5, 0]) mirror([0, 1, 0]) leaf_of(1);
`,
};

export const RING: Part = {
  id: "ring",
  title: "Adapter ring",
  summary: "Joins a pipe or hose of one diameter to one of another, with a collar between",
  nouns: [
    "adapter ring",
    "adaptor ring",
    "ring",
    "adapter",
    "adaptor",
    "hose adapter",
    "pipe adapter",
    "reducer",
  ],
  parameters: {
    from: {
      kind: "length",
      title: "Outer diameter of the first end",
      min: 6,
      max: 200,
      default: 32,
      words: ["from", "first", "outer", "outside"],
    },
    to: {
      kind: "length",
      title: "Outer diameter of the second end",
      min: 6,
      max: 200,
      default: 40,
      words: ["to", "second"],
    },
    wall: {
      kind: "length",
      title: "Wall",
      min: 0.8,
      max: 10,
      default: 2,
      words: ["wall", "thick", "thickness"],
    },
    length: {
      kind: "length",
      title: "Length of each end",
      min: 4,
      max: 120,
      default: 20,
      words: ["long", "length", "high", "height"],
    },
    collar: {
      kind: "length",
      title: "Length of the cone between",
      min: 2,
      max: 120,
      default: 10,
      words: ["collar", "cone"],
    },
  },
  sizes: ["from", "to"],
  fromTo: ["from", "to"],
  check: (v) => [
    ...need(
      Math.min(v.of("from"), v.of("to")) >= 2 * v.of("wall") + 2,
      "wall",
      "closes the narrower end",
    ),
    ...need(
      Math.abs(v.of("from") - v.of("to")) <= 3 * v.of("collar"),
      "collar",
      "is too short: the cone would be too flat to print without support",
    ),
  ],
  body: `
a = from / 2;
b = to / 2;
rotate_extrude() polygon([
  [a - wall, 0], [a, 0], [a, length], [b, length + collar], [b, 2 * length + collar],
  [b - wall, 2 * length + collar], [b - wall, length + collar], [a - wall, length],
]);
`,
};
