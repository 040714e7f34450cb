// The last feed items of this worker, each event as the text that goes out, made once for all readers.
//
// RI1. Items have sequence numbers without holes, first to next - 1; the oldest is dropped when full.
// RI2. Positions (`id`) grow along the ring; a number may be left out (commands without events).

import { aboutOf, type LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";

/** One event as text, without the id line and the blank line that end it. */
export interface FeedLine {
  readonly type: string;
  readonly person: string | undefined;
  /** What it is about: its subject, and the run it belongs to. */
  readonly about: readonly string[];
  readonly text: string;
}

/** All events of one command. */
export interface RingItem {
  readonly id: number;
  readonly lines: readonly FeedLine[];
}

export interface Ring {
  /** Sequence number of the oldest item kept; equals `next` when empty. */
  readonly first: number;
  /** Sequence number that the next item gets. */
  readonly next: number;
  push(item: RingItem): void;
  /** Items are missing from here on: every reader finds itself outside, the one that had all too. */
  lapse(): void;
  /** Undefined if it is not kept or has not come yet. */
  at(seq: number): RingItem | undefined;
  /** The first item after position `id`; undefined if items after it may have been dropped. */
  seqAfter(id: number): number | undefined;
}

export function makeRing(itemsMax: number): Ring {
  const items: (RingItem | undefined)[] = [];
  let first = 0;
  let next = 0;

  const at = (seq: number): RingItem | undefined =>
    seq < first || seq >= next ? undefined : items[seq % itemsMax];

  return {
    get first() {
      return first;
    },
    get next() {
      return next;
    },
    push(item) {
      items[next % itemsMax] = item;
      next += 1;
      first = Math.max(first, next - itemsMax);
    },
    lapse() {
      next += 1;
      first = next;
    },
    at,
    seqAfter(id) {
      const oldest = at(first);
      if (oldest === undefined || id < oldest.id - 1) return undefined;
      let low = first;
      let high = next;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        if ((at(middle)?.id ?? Infinity) <= id) low = middle + 1;
        else high = middle;
      }
      return low;
    },
  };
}

export const lineOf = (event: LedgerEvent): FeedLine => ({
  type: event.type,
  person: event.person,
  about: aboutOf(event),
  text: `event: ${event.type}\ndata: ${JSON.stringify(event)}\n`,
});

/** Own things for everybody; another person's from operator up. */
export const maySee = (actor: Actor, person: string | undefined): boolean =>
  person === undefined || person === actor.person || mayAct(actor.role, "operator");

/**
 * What this reader gets of one command; empty if nothing. Only the last event carries the id: a client
 * cut off in the middle gets the whole command again, never a part of it as if it were all.
 */
export function textFor(
  item: RingItem,
  actor: Actor,
  types: ReadonlySet<string> | undefined,
  about?: string,
): string {
  const lines = item.lines.filter(
    (line) =>
      maySee(actor, line.person) &&
      (types === undefined || types.has(line.type)) &&
      (about === undefined || line.about.includes(about)),
  );
  const texts = lines.map((line) => line.text);
  return texts.length === 0 ? "" : `${texts.join("\n")}id: ${item.id}\n\n`;
}
