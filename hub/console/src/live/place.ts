// The address bar as a hook. After a move the focus goes to the heading of the new page, so that the
// keyboard and a screen reader start there.

import { useEffect, useState } from "preact/hooks";
import { parsePlace, type Place } from "../core/route.ts";

export function usePlace(): Place {
  const [place, setPlace] = useState(() => parsePlace(location.hash));
  useEffect(() => {
    const onMove = (): void => setPlace(parsePlace(location.hash));
    addEventListener("hashchange", onMove);
    onMove();
    return () => removeEventListener("hashchange", onMove);
  }, []);
  return place;
}

/** Changes the address without a new entry in the history: for filters and a chat's new id. */
export function replacePlace(hash: string): void {
  history.replaceState(null, "", hash);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function goTo(hash: string): void {
  location.hash = hash;
}
