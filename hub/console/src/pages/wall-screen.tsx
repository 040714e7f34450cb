// The wall on a screen of its own: nobody is logged in, nothing can be done here. It reads again and
// again, and says when what it shows is old.

import type { WallView } from "@gantry/shared/contract/schemas/farm.ts";
import { useEffect, useState } from "preact/hooks";
import { duration } from "../core/format.ts";
import { call, ProblemError } from "../live/api.ts";
import { useNow } from "../live/now.ts";
import { WallTiles } from "../ui/wall.tsx";

const READ_MS = 2_000;
/** Below this what is shown counts as now. */
const FRESH_MS = 10_000;

interface Seen {
  readonly wall: WallView | undefined;
  readonly atMs: number;
  readonly trouble: string | undefined;
}

export function WallScreen({ token }: { readonly token: string }) {
  const [seen, setSeen] = useState<Seen>(() => ({
    wall: undefined,
    atMs: Date.now(),
    trouble: undefined,
  }));
  const nowMs = useNow();
  useEffect(() => {
    document.title = "Wall · Gantry";
    let timer: ReturnType<typeof setTimeout>;
    let isOver = false;
    const look = async (): Promise<void> => {
      try {
        const headers = { authorization: `Bearer ${token}` };
        const wall = await call<WallView>("/api/wall", { headers, timeoutMs: FRESH_MS });
        if (!isOver) setSeen({ wall, atMs: Date.now(), trouble: undefined });
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        const { title } = error.problem;
        if (!isOver) setSeen((before) => ({ ...before, trouble: title }));
      }
      if (!isOver) timer = setTimeout(() => void look(), READ_MS);
    };
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [token]);
  const ageMs = nowMs - seen.atMs;
  const isOld = ageMs > FRESH_MS || (seen.wall === undefined && seen.trouble !== undefined);
  return (
    <main class="wall-screen">
      <h1 class="unseen">Printers</h1>
      {isOld && (
        <p class="wall-old" role="alert">
          {seen.trouble ?? "The hub does not answer"}. This is {duration(ageMs / 1_000)} old.
        </p>
      )}
      {seen.wall !== undefined && <WallTiles wall={seen.wall} />}
    </main>
  );
}
