// When things happened in a run, as its timeline tells it. Pure.

import { words } from "./format.ts";
import type { RunTimeline } from "./views.ts";

type Entry = RunTimeline["entries"][number];

export interface Happening {
  readonly atMs: number;
  readonly by: string;
  readonly what: string;
  readonly place?: string | undefined;
  readonly attempt?: number | undefined;
  readonly note?: string | undefined;
}

/** One line for each thing that happened, in order. */
export const happenings = (entries: readonly Entry[]): readonly Happening[] =>
  entries.flatMap(({ at, by, items }) =>
    items.map((item) => ({ ...item, atMs: Date.parse(at), by })),
  );

export interface Times {
  readonly beganMs?: number;
  readonly endedMs?: number;
}

const BEGINS = new Set(["taken"]);
const ENDS = new Set(["finished", "failed", "approved", "rejected", "timerFired", "resolved"]);

/** Of the last try at this place; what the timeline does not hold is left out. */
export function timesOf(lines: readonly Happening[], place: string): Times {
  const own = lines.filter((line) => line.place === place);
  const began = own.findLast(({ what }) => BEGINS.has(what));
  const ended = own.findLast(({ what }) => ENDS.has(what));
  const isEnded = ended !== undefined && ended.atMs >= (began?.atMs ?? 0);
  return {
    ...(began === undefined ? {} : { beganMs: began.atMs }),
    ...(isEnded ? { endedMs: ended.atMs } : {}),
  };
}

const WORDS: Readonly<Record<string, string>> = {
  taken: "began",
  finished: "is done",
  lost: "was lost with its worker",
  timerFired: "waited long enough",
  retriedFrom: "retried",
  continued: "went on",
};

/** `fetch began, try 2`, `approved: mara: looks right`. */
export function happeningWords({ what, place, attempt, note }: Happening): string {
  const word = WORDS[what] ?? words(what).toLowerCase();
  const head = place === undefined ? words(WORDS[what] ?? what) : `${place} ${word}`;
  const tries = attempt === undefined || attempt < 2 ? "" : `, try ${attempt}`;
  return `${head}${tries}${note === undefined || note === "" ? "" : `: ${note}`}`;
}
