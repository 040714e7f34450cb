// Test equipment: a tail mark in memory, as the file of a hub that lost no power has it.

import type { TailMark } from "../raft-log.ts";
import type { Mark } from "../raft-log-scan.ts";

export function makeMemoryMark(): TailMark {
  let kept: Mark | undefined;
  return {
    read: () => kept,
    write(mark) {
      kept = mark;
    },
  };
}
