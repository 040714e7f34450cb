// Is what is on the screen live? A word always, a banner when it is not.

import { useEffect, useState } from "preact/hooks";
import { duration } from "../core/format.ts";
import { useNow } from "../live/now.ts";
import { useConsole } from "../live/store.ts";

export function LiveDot() {
  const { kind } = useConsole((state) => state.live);
  return <span class={`live-dot ${kind}`}>{kind === "live" ? "Live" : "Connecting"}</span>;
}

/** Below this a loss is not worth a banner: the feed is redialled within 50 ms to 5 s. */
const QUIET_LOSS_MS = 1_500;

export function LiveBanner() {
  const live = useConsole((state) => state.live);
  const isLost = live.kind === "lost";
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    setLong(false);
    if (!isLost) return undefined;
    const timer = setTimeout(() => setLong(true), QUIET_LOSS_MS);
    return () => clearTimeout(timer);
  }, [isLost]);
  return (
    <div role="status">{live.kind === "lost" && isLong && <Age sinceMs={live.sinceMs} />}</div>
  );
}

function Age({ sinceMs }: { readonly sinceMs: number }) {
  const nowMs = useNow();
  return (
    <div class="banner">
      Reconnecting by itself.{" "}
      <span aria-live="off">Live data is {duration((nowMs - sinceMs) / 1_000)} old.</span>
    </div>
  );
}
