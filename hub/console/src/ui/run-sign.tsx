// The state of a node as a shape, so that colour is never the only sign of it.

import type { RunNodeState } from "../core/run-graph.ts";

/** In a square of 16, drawn with a line. */
const SHAPES: Readonly<Record<RunNodeState, string>> = {
  pending: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0 -11",
  ready: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0 -11M8 7.2v1.6M7.2 8h1.6",
  running: "M5 3l8 5-8 5z",
  waiting: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0 -11M8 4.8V8l2.4 1.6",
  done: "M3 8.6l3.4 3.4L13 4.6",
  failed: "M4 4l8 8M12 4l-8 8",
  skipped: "M3 8h10M9.5 4.5L13 8l-3.5 3.5",
  cancelled: "M4 4h8v8H4z",
  unknown: "M5.6 6a2.4 2.4 0 1 1 3.4 2.2c-.7.3-1 .8-1 1.6M8 12.4v.4",
};

export const signPath = (state: RunNodeState): string => SHAPES[state];
