// What a hub has written to its log, as far as the test still has it.

import type { ClusterHub } from "../support/cluster.ts";

export interface HubLine {
  readonly atMs: number;
  readonly term: number | undefined;
}

/** Lines with this message. The first line that is kept may be half a line: it is left out. */
export function linesOf(hub: ClusterHub, message: string): HubLine[] {
  return hub
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}") && line.includes(`"${message}"`))
    .map((line) => JSON.parse(line) as { readonly time: string; readonly term?: number })
    .map(({ time, term }) => ({ atMs: Date.parse(time), term }));
}
