// Parts that are turned, read or stood: knob, gear, tag, stand, washer.

import { need, type Part } from "../part.ts";

export const KNOB: Part = {
  id: "knob",
  title: "Knob",
  summary: "A knob with a grip for a round shaft or one with a flat side",
  nouns: ["knob", "dial", "handle knob", "potentiometer knob"],
  parameters: {
    diameter: {
      kind: "length",
      title: "Diameter",
      min: 8,
      max: 120,
      default: 30,
      words: ["diameter", "wide", "across"],
    },
    height: {
      kind: "length",
      title: "Height",
      min: 5,
      max: 80,
      default: 16,
      words: ["high", "height", "tall"],
    },
    shaft: {
      kind: "length",
      title: "Shaft",
      min: 2,
      max: 30,
      default: 6,
      words: ["shaft", "bore", "axle", "hole"],
      isScrewHole: true,
    },
    flat: {
      kind: "flag",
      title: "Shaft has a flat side",
      default: true,
      words: ["flat", "d shaft", "flat side"],
    },
    ridges: {
      kind: "count",
      title: "Ridges",
      min: 0,
      max: 60,
      default: 18,
      words: ["ridges", "ridge", "grooves"],
    },
  },
  sizes: ["diameter", "height"],
  mainSize: "diameter",
  check: (v) => [
    ...need(v.of("diameter") >= v.of("shaft") + 5, "shaft", "is too wide for this knob"),
    ...need(
      v.of("ridges") === 0 || (Math.PI * v.of("diameter")) / v.of("ridges") >= 2.5,
      "ridges",
      "are too many for this diameter",
    ),
  ],
  body: `
module grip() difference() {
  circle(d = diameter);
  if (ridges > 0) for (i = [0 : ridges - 1])
    rotate(i * 360 / ridges) translate([diameter / 2 + 0.3, 0]) circle(d = 1.6, $fn = 12);
}
module bore() difference() {
  circle(d = shaft);
  if (flat) translate([shaft * 0.28, -shaft]) square(2 * shaft);
}
difference() {
  union() {
    linear_extrude(height - 2 + eps) grip();
    translate([0, 0, height - 2]) cylinder(d1 = diameter - 1, d2 = diameter - 4, h = 2);
  }
  translate([0, 0, -1]) linear_extrude(height * 0.7 + 1) bore();
}
`,
};

export const GEAR: Part = {
  id: "gear",
  title: "Spur gear",
  summary:
    "A spur gear with involute teeth; two of the same module and pressure angle run together",
  nouns: ["gear", "spur gear", "cog", "cogwheel", "gear wheel"],
  parameters: {
    teeth: {
      kind: "count",
      title: "Teeth",
      min: 8,
      max: 120,
      default: 24,
      words: ["teeth", "tooth"],
    },
    module_mm: {
      kind: "length",
      title: "Module",
      min: 0.5,
      max: 8,
      default: 1.5,
      words: ["module"],
    },
    thickness: {
      kind: "length",
      title: "Thickness",
      min: 1.5,
      max: 60,
      default: 8,
      words: ["thick", "thickness", "high", "height", "wide", "width"],
    },
    bore: {
      kind: "length",
      title: "Bore",
      min: 1.5,
      max: 60,
      default: 5,
      words: ["bore", "hole", "shaft", "axle"],
      isScrewHole: true,
    },
    pressure: {
      kind: "angle",
      title: "Pressure angle",
      min: 14.5,
      max: 30,
      default: 20,
      words: ["pressure angle", "degrees"],
    },
    backlash: {
      kind: "length",
      title: "Backlash",
      min: 0,
      max: 0.6,
      default: 0.15,
      words: ["backlash", "play"],
    },
  },
  sizes: [],
  check: (v) => [
    ...need(
      v.of("bore") + 4 <= v.of("module_mm") * (v.of("teeth") - 2.5),
      "bore",
      "is too wide: it would cut into the teeth",
    ),
    ...need(
      v.of("module_mm") * (v.of("teeth") + 2) <= 400,
      "teeth",
      "make the gear wider than 400 mm",
    ),
    ...need(v.of("backlash") <= v.of("module_mm") * 0.3, "backlash", "is too much for this module"),
  ],
  body: `
pitch_r = module_mm * teeth / 2;
base_r = pitch_r * cos(pressure);
tip_r = pitch_r + module_mm;
root_r = max(pitch_r - 1.25 * module_mm, bore / 2 + 1);
steps = 6;
function roll(r) = r <= base_r ? 0 : sqrt(r * r / (base_r * base_r) - 1);
function spread(r) = roll(r) * 180 / PI - atan(roll(r));
half = 90 / teeth - backlash / 2 / pitch_r * 180 / PI + spread(pitch_r);
from_r = max(base_r, root_r);
function radius_at(i) = from_r + (tip_r - from_r) * i / steps;
function flank(i, side) = let(r = radius_at(i), a = side * max(half - spread(r), 0.2)) [r * cos(a), r * sin(a)];
module tooth() polygon(concat(
  [[root_r * 0.98 * cos(half), -root_r * 0.98 * sin(half)]],
  [for (i = [0 : steps]) flank(i, -1)],
  [for (i = [steps : -1 : 0]) flank(i, 1)],
  [[root_r * 0.98 * cos(half), root_r * 0.98 * sin(half)]]
));
linear_extrude(thickness) difference() {
  union() {
    circle(r = root_r, $fn = max(4 * teeth, 48));
    for (i = [0 : teeth - 1]) rotate(i * 360 / teeth) tooth();
  }
  circle(d = bore);
}
`,
};

export const TAG: Part = {
  id: "tag",
  title: "Tag with text",
  summary: "A name plate or key tag with raised letters",
  nouns: ["tag", "key tag", "name tag", "label", "name plate", "nameplate", "sign"],
  parameters: {
    text: { kind: "text", title: "Text", charsMax: 24, default: "Gantry" },
    letters: {
      kind: "length",
      title: "Height of the letters",
      min: 4,
      max: 60,
      default: 10,
      words: ["letters", "letter height", "high", "height", "tall"],
    },
    thickness: {
      kind: "length",
      title: "Thickness of the plate",
      min: 0.8,
      max: 10,
      default: 2,
      words: ["thick", "thickness"],
    },
    relief: {
      kind: "length",
      title: "How far the letters stand out",
      min: 0.4,
      max: 5,
      default: 1,
      words: ["relief", "raised"],
    },
    hole: {
      kind: "length",
      title: "Hole for a ring; 0 for none",
      min: 0,
      max: 12,
      default: 4,
      words: ["hole", "ring hole"],
    },
  },
  sizes: [],
  mainSize: "letters",
  check(v) {
    const widthMm = v.text("text").length * v.of("letters") * 0.85 + v.of("letters") * 1.5;
    return [
      ...need(widthMm <= 400, "text", "is longer than 400 mm at this height"),
      ...need(v.of("hole") <= v.of("letters"), "hole", "is wider than the letters are high"),
    ];
  },
  body: `
margin = letters * 0.5;
ring = hole > 0 ? hole + margin : 0;
plate_w = len(text) * letters * 0.85 + 2 * margin + ring;
plate_h = letters + 2 * margin;
linear_extrude(thickness) difference() {
  offset(r = 2) square([plate_w - 4, plate_h - 4], center = true);
  if (hole > 0) translate([-plate_w / 2 + margin * 0.6 + hole / 2 + 1, 0]) circle(d = hole);
}
translate([ring / 2, 0, thickness - eps]) linear_extrude(relief + eps)
  resize([min(len(text) * letters * 0.82, plate_w - ring - margin), 0], auto = false)
    text(text, size = letters * 0.95, font = "DejaVu Sans:style=Bold", halign = "center", valign = "center");
`,
};

export const STAND: Part = {
  id: "stand",
  title: "Stand",
  summary: "A stand for a phone, a tablet or a sign, printed lying on its side",
  nouns: ["stand", "phone stand", "tablet stand", "phone holder", "device stand"],
  parameters: {
    width: {
      kind: "length",
      title: "Width",
      min: 20,
      max: 200,
      default: 70,
      words: ["wide", "width"],
    },
    slot: {
      kind: "length",
      title: "Slot for the device",
      min: 4,
      max: 40,
      default: 13,
      words: ["slot", "device", "phone", "tablet"],
    },
    height: {
      kind: "length",
      title: "Height of the back",
      min: 30,
      max: 200,
      default: 80,
      words: ["high", "height", "tall"],
    },
    angle: {
      kind: "angle",
      title: "Lean",
      min: 5,
      max: 40,
      default: 20,
      words: ["degrees", "lean", "angle"],
    },
    thickness: {
      kind: "length",
      title: "Thickness",
      min: 2,
      max: 12,
      default: 4,
      words: ["thick", "thickness"],
    },
  },
  sizes: ["width", "height"],
  mainSize: "width",
  check: (v) => [
    ...need(v.of("height") <= v.of("thickness") * 30, "thickness", "is too thin for this height"),
  ],
  body: `
base_l = slot + 2 * thickness + height * sin(angle) + 15;
linear_extrude(width) {
  square([base_l, thickness]);
  square([thickness, thickness + 8]);
  translate([thickness + slot, thickness * 0.5]) rotate(-angle) square([thickness, height]);
}
`,
};

export const WASHER: Part = {
  id: "washer",
  title: "Washer",
  summary: "A flat ring to go under a screw, or as a shim",
  nouns: ["washer", "shim"],
  parameters: {
    hole: {
      kind: "length",
      title: "Hole",
      min: 1.5,
      max: 60,
      default: 4.5,
      words: ["hole", "inner", "inside", "bore"],
      isScrewHole: true,
    },
    outer: {
      kind: "length",
      title: "Outer diameter",
      min: 3,
      max: 120,
      default: 12,
      words: ["outer", "outside", "diameter", "wide"],
    },
    thickness: {
      kind: "length",
      title: "Thickness",
      min: 0.4,
      max: 20,
      default: 1.6,
      words: ["thick", "thickness", "high", "height"],
    },
  },
  sizes: ["hole", "outer", "thickness"],
  check: (v) => [
    ...need(v.of("outer") >= v.of("hole") + 1.6, "outer", "leaves a rim thinner than 0.8 mm"),
  ],
  body: `
linear_extrude(thickness) difference() {
  circle(d = outer);
  circle(d = hole);
}
`,
};
