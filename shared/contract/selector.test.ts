import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "../base/errors.ts";
import { type Labels, labelsOf, parseLabel } from "./labels.ts";
import type { NodeRow } from "./rows.ts";
import { formatSelector, parseSelector, type Selector, selects, type Term } from "./selector.ts";

const labels = (written: Readonly<Record<string, string>>): Labels =>
  new Map(Object.entries(written).map(([name, value]) => [name, parseLabel(value)]));

const WORKSHOP = labels({
  "gpu.vram_mb": "12288",
  room: "workshop",
  kind: "a",
  model: "qwen|phi",
  "printer.volume_mm": "220x220x250",
  printer: "ender",
  motto: 'slow, "but" steady',
});

describe("labels", () => {
  it.each([
    ["12", { kind: "number", number: 12 }],
    ["-0.5", { kind: "number", number: -0.5 }],
    ["1e3", { kind: "number", number: 1_000 }],
    ["a|b|", { kind: "set", members: new Set(["a", "b"]) }],
    ["[220, 220,250]", { kind: "list", numbers: [220, 220, 250] }],
    ["220x220x250", { kind: "list", numbers: [220, 220, 250] }],
    ["[]", { kind: "text", text: "[]" }],
    ["0x10", { kind: "list", numbers: [0, 10] }],
    ["Infinity", { kind: "text", text: "Infinity" }],
    [" work shop ", { kind: "text", text: "work shop" }],
  ])("%j is %j", (written, value) => {
    expect(parseLabel(written)).toEqual(value);
  });

  it("follow from capabilities, and cannot be claimed without them (LB2)", () => {
    const node: NodeRow = {
      id: "node_1",
      name: "bench",
      publicKey: "",
      secretSha256: "",
      bootId: "",
      state: "alive",
      labels: { cmd: "shell", "gpu.vram_mb": "8000", colour: "red" },
      capabilities: {
        models: [{ name: "qwen2.5-0.5b", contextTokens: 4_096, slots: 1, sizeBytes: 1 }],
        commands: [],
        printers: [],
      },
      capabilitiesDigest: "",
      enrolledAtMs: 0,
      changedAtMs: 0,
    };
    const found = labelsOf(node);
    const does = (text: string): boolean => selects(parseSelector(text), found);
    expect(does("model has qwen, model has qwen2.5-0.5b, !cmd, !printer")).toBe(true);
    expect(does("gpu.vram_mb>=8000, colour=red, state=alive, name=bench")).toBe(true);
    const shell = { name: "shell", summary: "", hazard: "high", effect: "once" } as const;
    const able = { ...node, capabilities: { ...node.capabilities, commands: [shell] } };
    expect(selects(parseSelector("cmd:shell, cmd has shell"), labelsOf(able))).toBe(true);
  });
});

describe("a selector", () => {
  it.each([
    ["", true],
    ["  ", true],
    ["gpu.vram_mb>=8000, room=workshop, model has qwen, printer, !cmd.shell, kind in (a,b)", true],
    ["gpu.vram_mb>12288", false],
    ["gpu.vram_mb<=12288", true],
    ["gpu.vram_mb<12288.5", true],
    ["gpu.vram_mb=12288.0", true],
    ["room>=1", false],
    ["room!=office", true],
    ["cellar!=office", true],
    ["room!=workshop", false],
    ["kind in (b,c)", false],
    ["kind not in (b,c)", true],
    ["cellar not in (b,c)", true],
    ["printer exists", true],
    ["cellar exists", false],
    ["cellar not exists", true],
    ["printer not exists", false],
    ["model has-all (qwen,phi)", true],
    ["model has-all (qwen,llama)", false],
    ["model=phi|qwen", true],
    ["model=qwen", false],
    ["room has workshop", true],
    ["printer.volume_mm has 250", true],
    ['printer.volume_mm="[220,220,250]"', true],
    ['motto="slow, \\"but\\" steady"', true],
    ["printer:volume_mm", true],
  ])("%j selects the workshop: %s", (text, expected) => {
    expect(selects(parseSelector(text), WORKSHOP)).toBe(expected);
  });

  it.each([
    ["=", 0],
    ["a=", 2],
    ["a=b,", 4],
    ["a=b c", 4],
    ["a in b", 5],
    ["a in (", 6],
    ["a in (b", 7],
    ["a in ()", 6],
    ["a>=x", 3],
    ["a not b", 6],
    ["!", 1],
    ['a="b', 2],
    ["a,,b", 2],
    ["x".repeat(1_001), 1_000],
    [Array.from({ length: 33 }, () => "a").join(","), 64],
  ])("%j cannot be read at %i", (text, at) => {
    expect(() => parseSelector(text)).toThrow(
      expect.objectContaining({ code: "bad_selector", details: { at } }),
    );
  });

  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_./-]{0,8}$/);
  const value = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom("a", "12", "a|b", "[1,2]"));
  const values = fc.array(value, { minLength: 1, maxLength: 4 });
  const number = fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((n) => Number(n.toFixed(3)) + 0);
  const term: fc.Arbitrary<Term> = fc.oneof(
    fc.record({ op: fc.constantFrom("exists", "not exists"), label: name }),
    fc.record({ op: fc.constantFrom("=", "!=", "has"), label: name, value }),
    fc.record({ op: fc.constantFrom(">=", "<=", ">", "<"), label: name, number }),
    fc.record({ op: fc.constantFrom("in", "not in", "has-all"), label: name, values }),
  );
  const selector: fc.Arbitrary<Selector> = fc.array(term, { maxLength: 6 });
  const someLabels = fc.dictionary(name, value).map(labels);

  it("means the same after it was written and read again (SE1)", () => {
    fc.assert(
      fc.property(selector, (terms) => {
        const text = formatSelector(terms);
        fc.pre(text.length <= 1_000);
        expect(parseSelector(text)).toEqual(terms);
      }),
    );
  });

  it("never fails but with bad_selector and a place inside the text, and selects without failing (SE2)", () => {
    const anything = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc
        .array(
          fc.constantFrom(
            "a",
            "b=",
            "!",
            "<",
            ">=",
            "(",
            ")",
            ",",
            '"',
            "\\",
            "1.|",
            " in ",
            " not ",
            " has ",
          ),
          { maxLength: 30 },
        )
        .map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(anything, someLabels, (text, found) => {
        let at = 0;
        try {
          expect(typeof selects(parseSelector(text), found)).toBe("boolean");
        } catch (error) {
          if (!(error instanceof GantryError) || error.code !== "bad_selector") throw error;
          at = error.details["at"] as number;
        }
        expect(at).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 2_000 },
    );
  });

  it("holds for `not` exactly where it does not hold without (SE3)", () => {
    fc.assert(
      fc.property(name, values, someLabels, (label, some, found) => {
        const does = (one: Term): boolean => selects([one], found);
        const first = some[0] ?? "";
        expect(does({ op: "in", label, values: some })).toBe(
          !does({ op: "not in", label, values: some }),
        );
        expect(does({ op: "=", label, value: first })).toBe(
          !does({ op: "!=", label, value: first }),
        );
        expect(does({ op: "exists", label })).toBe(!does({ op: "not exists", label }));
      }),
    );
  });
});
