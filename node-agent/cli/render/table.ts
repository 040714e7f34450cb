// Tables and lists of facts, aligned by what the eye sees. Pure.

import { type Look, paint } from "./look.ts";
import { cleanLine, cut, displayWidth, padEnd, padStart } from "./text.ts";

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Numbers stand at the right. */
  readonly align?: "right";
}

const GAP = "  ";
const NARROWEST = 6;

/** Rows under titles; the last column gives way when the terminal is too narrow. */
export function renderTable<Row>(
  look: Look,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  whenEmpty: string,
): string {
  if (rows.length === 0) return whenEmpty;
  const cells = rows.map((row) => columns.map((column) => cleanLine(column.value(row))));
  const titles = columns.map((column) => column.title);
  const widths = fit(
    titles.map((title, index) =>
      Math.max(displayWidth(title), ...cells.map((line) => displayWidth(line[index] ?? ""))),
    ),
    look.columns,
  );
  const renderLine = (line: readonly string[]): string =>
    line
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        const text = cut(cell, width);
        return columns[index]?.align === "right" ? padStart(text, width) : padEnd(text, width);
      })
      .join(GAP)
      .trimEnd();
  return [paint(look, "bold", renderLine(titles)), ...cells.map(renderLine)].join("\n");
}

/** Takes from the widest column until the line fits. */
function fit(wanted: readonly number[], columnsMax: number): number[] {
  const widths = [...wanted];
  const total = (): number =>
    widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  for (let excess = total() - columnsMax; excess > 0; excess = total() - columnsMax) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= NARROWEST) break;
    const second = Math.max(NARROWEST, ...widths.filter((_, index) => index !== widest));
    widths[widest] = Math.max(NARROWEST, width - Math.max(1, Math.min(excess, width - second)));
  }
  return widths;
}

/** `name  value` lines; those without a value are left out. */
export function renderFacts(
  look: Look,
  facts: readonly (readonly [name: string, value: string | undefined])[],
): string {
  const known = facts.filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(0, ...known.map(([name]) => displayWidth(name)));
  return known
    .map(
      ([name, value]) =>
        `${paint(look, "dim", padEnd(name, width))}${GAP}${cleanLine(value ?? "")}`,
    )
    .join("\n");
}
