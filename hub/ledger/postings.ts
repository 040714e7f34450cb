// Lists of numbers that only grow, PAGE to a row: `order` has page K of a list under `NAME/K`, `count`
// how many numbers there are. What one command adds to a list is one write, however many runs it is about.
//
// PO1. Numbers of a list grow with their place: a place is found by halving.
// PO2. What a command has added is in the rows when it ends: who appends also flushes.

import type { Rows } from "./rows.ts";

const PAGE = 64;

export interface Postings {
  /** At the end of the list; greater than all before it (PO1). */
  append(list: string, number: number): void;
  /** PO2. */
  flush(): void;
}

export function makePostings(rows: Rows): Postings {
  const open = new Map<string, { count: number; page: string }>();

  function tailOf(list: string): { count: number; page: string } {
    let tail = open.get(list);
    if (tail === undefined) {
      const count = rows.get("count", list) ?? 0;
      const isWhole = count % PAGE === 0;
      const page = isWhole ? "" : (rows.get("order", `${list}/${Math.floor(count / PAGE)}`) ?? "");
      tail = { count, page };
      open.set(list, tail);
    }
    return tail;
  }

  return {
    append(list, number) {
      const tail = tailOf(list);
      tail.page = tail.page === "" ? String(number) : `${tail.page},${number}`;
      tail.count += 1;
      if (tail.count % PAGE !== 0) return;
      rows.cool("order", `${list}/${tail.count / PAGE - 1}`, tail.page);
      tail.page = "";
    },
    flush() {
      for (const [list, { count, page }] of open) {
        if (page !== "") rows.cool("order", `${list}/${Math.floor(count / PAGE)}`, page);
        rows.cool("count", list, count);
      }
      open.clear();
    },
  };
}

/** Numbers that only grow, by their place. */
export interface Numbers {
  readonly count: number;
  at(place: number): number;
}

/** The page looked at last is kept: a walk reads each page once. */
export function numbersIn(rows: Rows, list: string): Numbers {
  let known = -1;
  let numbers: readonly number[] = [];
  return {
    count: rows.get("count", list) ?? 0,
    at(place) {
      const page = Math.floor(place / PAGE);
      if (page !== known) {
        numbers = (rows.get("order", `${list}/${page}`) ?? "").split(",").map(Number);
        known = page;
      }
      return numbers[place % PAGE] ?? 0;
    },
  };
}
