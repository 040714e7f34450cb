import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { confirmationView, printView } from "../testing/fixtures.ts";
import { printFacts } from "../prints-view.ts";
import { renderConfirmation } from "./box.ts";
import { type Look, lookOf, PLAIN } from "./look.ts";
import { makeMarkdownWriter, renderMarkdown } from "./markdown.ts";
import { renderProgress } from "./progress.ts";
import { renderTable } from "./table.ts";
import { clean, cut, displayWidth, wrap } from "./text.ts";
import { formatBytes, formatSeconds, formatShare } from "./units.ts";

const RICH: Look = { isRich: true, columns: 60 };
/** ANSI sequences as words, so that a snapshot can be read. */
const visible = (text: string): string => text.replaceAll("\u001b[", "⟦");

interface Row {
  readonly name: string;
  readonly note: string;
}

const ANSWER = `# Two printers

Printer **sim** is \`idle\` and *cold*; it can take a print of up to 220 x 220 x 250 mm now.

- first, clear the bed
- then send the file
1. or ask

| printer | state |
|---------|:-----:|
| sim | idle |
| 台式机 | printing |

\`\`\`
G28 ; home **all**
\`\`\`
> see [the manual](https://example.test/m)
---
done`;

describe("[K18] an answer in the terminal", () => {
  it("is formatted on a terminal", () => {
    expect(visible(renderMarkdown(RICH, ANSWER))).toMatchInlineSnapshot(`
      "⟦1m⟦4mTwo printers⟦24m⟦22m

      Printer ⟦1msim⟦22m is ⟦36midle⟦39m and ⟦3mcold⟦23m; it can take a print of
      up to 220 x 220 x 250 mm now.

      • first, clear the bed
      • then send the file
      1. or ask

      ⟦1mprinter │ state⟦22m
      sim     │ idle
      台式机  │ printing

        ⟦36mG28 ; home **all**⟦39m
      │ see ⟦4mthe manual⟦24m (https://example.test/m)
      ⟦2m────────────────────────⟦22m
      done"
    `);
  });

  it("is the plain text in a pipe", () => {
    expect(renderMarkdown(PLAIN, ANSWER)).toBe(ANSWER);
  });

  it("looks the same streamed as whole (MD2)", () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 });
    fc.assert(
      fc.property(pieces, (sizes) => {
        const writer = makeMarkdownWriter(RICH);
        let screen = "";
        let at = 0;
        for (let turn = 0; at < ANSWER.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          screen = draw(screen, writer.push(ANSWER.slice(at, at + size)));
          at += size;
        }
        screen = draw(screen, writer.push("\n") + writer.end());
        expect(screen).toBe(`${renderMarkdown(RICH, ANSWER)}\n`);
      }),
      { numRuns: 50 },
    );
  });

  it("shows the confirmation as a box, or as lines in a pipe", () => {
    expect(visible(renderConfirmation(RICH, confirmationView()))).toMatchInlineSnapshot(`
      "⟦31m╭─ Needs your word · high hazard ──────────────────────────╮⟦39m
      ⟦31m│⟦39m ⟦1mPrint bracket on sim⟦22m                                     ⟦31m│⟦39m
      ⟦31m│⟦39m ⟦31m! heats the nozzle to 215 °C⟦39m                             ⟦31m│⟦39m
      ⟦31m│⟦39m ⟦31m! moves without anybody near⟦39m                             ⟦31m│⟦39m
      ⟦31m│⟦39m                                                          ⟦31m│⟦39m
      ⟦31m│⟦39m ⟦1mPhrase: print bracket⟦22m                                    ⟦31m│⟦39m
      ⟦31m│⟦39m ⟦2m287 s left · cfm_1⟦22m                                       ⟦31m│⟦39m
      ⟦31m╰──────────────────────────────────────────────────────────╯⟦39m"
    `);
    expect(renderConfirmation(PLAIN, confirmationView())).toMatchInlineSnapshot(`
      "Needs a person's word (high hazard): Print bracket on sim
        ! heats the nozzle to 215 °C
        ! moves without anybody near
        Say or type the phrase within 287 s: print bracket
        gantry confirm cfm_1 print bracket"
    `);
  });

  it("aligns a table by display width and cuts it to the terminal", () => {
    const rows = [
      { name: "台式机", note: "a note that is far too long for the narrow terminal of this test" },
      { name: "sim", note: "\u001b[31mred\u001b[0m\nline" },
    ];
    const columns = [
      { title: "NAME", value: (row: Row) => row.name },
      { title: "NOTE", value: (row: Row) => row.note },
    ];
    const table = renderTable({ isRich: false, columns: 40 }, columns, rows, "none");
    expect(table).toMatchInlineSnapshot(`
      "NAME    NOTE
      台式机  a note that is far too long for…
      sim     red line"
    `);
    expect(renderTable(PLAIN, columns, [], "none")).toBe("none");
  });

  it("shows progress as a bar that fits, or as words", () => {
    const progress = { label: "bracket", share: 0.425, notes: ["215/215 °C", "20 min 0 s left"] };
    expect(visible(renderProgress({ isRich: true, columns: 80 }, progress))).toMatchInlineSnapshot(
      `"bracket ⟦36m██████████▎░░░░░░░░░░░░░⟦39m  42 %  215/215 °C  20 min 0 s left"`,
    );
    expect(renderProgress(PLAIN, progress)).toMatchInlineSnapshot(
      `"bracket 42 %  215/215 °C  20 min 0 s left"`,
    );
    for (const columns of [12, 20, 33, 48, 60, 200]) {
      expect(displayWidth(renderProgress({ isRich: true, columns }, progress))).toBeLessThan(
        Math.max(columns, 20),
      );
    }
  });

  it("shows what the scan of a print found", () => {
    expect(printFacts(PLAIN, printView())).toMatchInlineSnapshot(`
      "job       prt_1
      name      bracket
      printer   sim
      state     printing
      progress  42 %
      time      about 1 h 2 min
      heat      nozzle 215 °C, bed 60 °C
      filament  1.23 m
      layers    10
      size      1.5 KiB, 90 commands
      by        owner
      ! heats the nozzle to 215 °C"
    `);
  });
});

// oxlint-disable-next-line no-control-regex -- the erase sequences are what is looked for
const ERASE = /(\r\u001b\[(?:\d+A\u001b\[)?J)/;

/** Just enough of a terminal: line feeds, and erasing the line in which the cursor is. */
function draw(screen: string, text: string): string {
  let result = screen;
  for (const part of text.split(ERASE)) {
    // The rows of a raw line that the terminal wrapped are one line here.
    if (part.startsWith("\r")) result = result.slice(0, result.lastIndexOf("\n") + 1);
    else result += part;
  }
  return result;
}

describe("text that others wrote (TX1)", () => {
  it.each([
    ["colours", "a\u001b[31mb\u001b[0m", "ab"],
    ["a window title", "a\u001b]0;owned\u0007b", "ab"],
    ["the clipboard", "a\u001b]52;c;aGk=\u001b\\b", "ab"],
    ["a half sequence", "a\u001b[", "a["],
    ["C1 controls", "a\u009b31mb", "a31mb"],
    ["carriage return and backspace", "safe\rrm -rf\b", "saferm -rf"],
    ["reversed reading", "a\u202egnp.exe", "agnp.exe"],
    ["CRLF", "a\r\nb\tc", "a\nb\tc"],
  ])("loses %s", (_, text, shown) => {
    expect(clean(text)).toBe(shown);
  });

  it("never keeps a control character, whatever comes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // oxlint-disable-next-line no-control-regex -- what must not be there
        expect(clean(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      }),
    );
  });
});

describe("measures", () => {
  it.each([
    ["abc", 3],
    ["é", 1],
    ["e\u0301", 1],
    ["台式机", 6],
    ["👍🏽", 2],
    ["👨‍👩‍👧", 2],
    ["\u001b[1mbold\u001b[22m", 4],
    ["215 °C", 6],
    ["─│", 2],
  ])("%j is %i columns wide", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it("cuts and wraps inside the width and loses nothing", () => {
    expect(cut("abcdef", 4)).toBe("abc…");
    expect(cut("台式机", 4)).toBe("台…");
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.integer({ min: 2, max: 30 }),
        (text, width) => {
          const line = text.replaceAll("\n", "");
          expect(displayWidth(cut(line, width))).toBeLessThanOrEqual(width);
          expect(wrap(line, width).join("").replaceAll(" ", "")).toBe(line.replaceAll(" ", ""));
        },
      ),
    );
  });

  it("says numbers as people do", () => {
    expect([0, 1_023, 1_536, 20_971_520].map(formatBytes)).toEqual([
      "0 B",
      "1023 B",
      "1.5 KiB",
      "20 MiB",
    ]);
    expect([0.4, 65, 3_725].map(formatSeconds)).toEqual(["0 s", "1 min 5 s", "1 h 2 min"]);
    expect([-1, 0.999, 1].map(formatShare)).toEqual(["0 %", "99 %", "100 %"]);
  });

  it("is rich only on a terminal without NO_COLOR", () => {
    const tty = { write: () => undefined, isTty: true, columns: 100 };
    expect(lookOf(tty, {})).toEqual({ isRich: true, columns: 100 });
    expect(lookOf(tty, { NO_COLOR: "1" }).isRich).toBe(false);
    expect(lookOf(tty, { TERM: "dumb" }).isRich).toBe(false);
    expect(lookOf({ ...tty, isTty: false }, {}).isRich).toBe(false);
  });
});
