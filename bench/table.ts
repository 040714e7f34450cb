// Figures as people read them: a table for the terminal, and the generated block of
// docs/performance.md. No number of that page is typed by hand.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type Figure, isMet, rounded } from "./measure.ts";
import type { Results } from "./run.ts";

export interface Block {
  readonly begin: string;
  readonly end: string;
}

const BENCH: Block = {
  begin: "<!-- bench:begin (written by bench/run.ts) -->",
  end: "<!-- bench:end -->",
};
const HEAD = ["what", "goal", "median", "p99", "floor", "ratio", "goal met"] as const;

/** Aligned columns. */
export function textTable(figures: readonly Figure[]): string {
  const rows = [[...HEAD], ...figures.map(cells)];
  const widths = HEAD.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Fills the block between the markers; leaves a page without markers, or no page, alone. */
export function writeBlock(path: string, results: Results, block: Block = BENCH): void {
  if (!existsSync(path)) return;
  const page = readFileSync(path, "utf8");
  const [begin, end] = [page.indexOf(block.begin), page.indexOf(block.end)];
  if (begin === -1 || end === -1) return;
  const head = page.slice(0, begin + block.begin.length);
  writeFileSync(path, `${head}\n\n${markdown(results)}\n${page.slice(end)}`);
}

function markdown(results: Results): string {
  return Object.values(results)
    .map(({ command, date, machine, loadBefore, loadAfter, durability, figures }) => {
      const loads = `load ${loadBefore.join(" ")} before, ${loadAfter.join(" ")} after`;
      const where = `${machine.cores} cores of ${machine.cpu}, Node ${machine.node}`;
      return [
        `\`${command}\` · ${date.slice(0, 16).replace("T", " ")} UTC · ${where} · ${loads}. ${capital(durability)}.`,
        "",
        line(HEAD),
        line(HEAD.map(() => "---")),
        ...figures.map((figure) => line(cells(figure))),
        ...notes(figures),
        "",
      ].join("\n");
    })
    .join("\n");
}

function cells(figure: Figure): string[] {
  const { name, unit, median, p99, goal, floor } = figure;
  const withUnit = (value: number): string => `${value} ${unit}`;
  return [
    name,
    goalText(figure),
    withUnit(median),
    p99 === undefined ? "" : withUnit(p99),
    floor === undefined ? "" : `${withUnit(floor.value)} (${floor.name})`,
    floor === undefined ? "" : `${rounded(median / floor.value)} x`,
    goal === undefined ? "" : metText(figure),
  ];
}

function goalText({ unit, goal, p99Goal }: Figure): string {
  if (goal === undefined) return "";
  const median = "atMost" in goal ? `<= ${goal.atMost} ${unit}` : `>= ${goal.atLeast} ${unit}`;
  return p99Goal === undefined ? median : `${median}, p99 <= ${p99Goal.atMost} ${unit}`;
}

function metText(figure: Figure): string {
  if (isMet(figure)) return "yes";
  const { median, goal, unit } = figure;
  if (goal === undefined) return "";
  const bound = "atMost" in goal ? goal.atMost : goal.atLeast;
  const off = rounded(Math.abs(median - bound));
  const isMedianOff = "atMost" in goal ? median > bound : median < bound;
  return isMedianOff ? `no, by ${off} ${unit}` : "no, by its p99";
}

const notes = (figures: readonly Figure[]): readonly string[] => {
  const lines = figures.flatMap(({ name, note }) =>
    note === undefined ? [] : `- ${name}: ${note}`,
  );
  return lines.length === 0 ? [] : ["", ...lines];
};

const line = (row: readonly string[]): string =>
  `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
