import { describe, expect, it } from "vitest";
import { held } from "./held.ts";

const row = (id: string, state = "open") => ({ id, state });

describe("a list that is held still", () => {
  it("H1: keeps the order and the place of what is shown, with what is known now", () => {
    const { rows } = held([row("b"), row("a")], [row("a", "done"), row("b")]);
    expect(rows).toEqual([
      { item: row("b"), isGone: false },
      { item: row("a", "done"), isGone: false },
    ]);
  });

  it("H2: counts what is new and keeps what is gone", () => {
    const { rows, fresh } = held([row("a"), row("b")], [row("d"), row("c"), row("b")]);
    expect(rows.map(({ item, isGone }) => [item.id, isGone])).toEqual([
      ["a", true],
      ["b", false],
    ]);
    expect(fresh).toBe(2);
  });
});
