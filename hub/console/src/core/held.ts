// A list that does not move under a person's hand while events come in. Pure.
//
//   H1. A row stays where it is until the person asks for the list anew; what is known of it is kept
//       up to date.
//   H2. New rows are counted, not shown; rows that left the list stay and say so.

export interface HeldRow<T> {
  readonly item: T;
  readonly isGone: boolean;
}

export interface Held<T> {
  readonly rows: readonly HeldRow<T>[];
  readonly fresh: number;
}

/** `shown`: what is on the screen; `now`: the list as it was just read. */
export function held<T extends { readonly id: string }>(
  shown: readonly T[],
  now: readonly T[],
): Held<T> {
  const current = new Map(now.map((item) => [item.id, item]));
  const ids = new Set(shown.map(({ id }) => id));
  return {
    rows: shown.map((item) => ({
      item: current.get(item.id) ?? item,
      isGone: !current.has(item.id),
    })),
    fresh: now.filter(({ id }) => !ids.has(id)).length,
  };
}
