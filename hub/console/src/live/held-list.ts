import { useEffect, useState } from "preact/hooks";
import { held, type Held } from "../core/held.ts";

export interface HeldList<T> extends Held<T> {
  /** Puts the list on the screen as it is now. */
  readonly renew: () => void;
}

/** The list as it was when the page was opened, with its rows kept up to date (core/held.ts). */
export function useHeldList<T extends { readonly id: string }>(now: readonly T[]): HeldList<T> {
  const [shown, setShown] = useState(now);
  const { rows, fresh } = held(shown, now);
  const latest = rows.map(({ item }) => item);
  // The last that was known of a row is kept for when it leaves the list.
  useEffect(() => setShown(shown.length === 0 ? now : latest), [now]);
  return { rows, fresh, renew: () => setShown(now) };
}
