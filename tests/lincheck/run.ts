// node tests/lincheck/run.ts HISTORY.jsonl ...: judges histories from files. Exit 0: linearizable, 1: not, 2: undecided.

import { readFileSync } from "node:fs";
import { parseHistory } from "./history.ts";
import { judge } from "./verdict.ts";

let exitCode = 0;
for (const path of process.argv.slice(2)) {
  const startedMs = performance.now();
  const history = parseHistory(readFileSync(path, "utf8"));
  const verdict = judge(history);
  const tookMs = Math.round(performance.now() - startedMs);
  const unknown = history.filter(({ status }) => status === "unknown").length;
  const facts = `${history.length} operations, ${unknown} unknown, ${tookMs} ms`;
  if (verdict.kind === "linearizable") {
    console.log(`${path}: linearizable (${facts}, ${verdict.keys} keys)`);
  } else if (verdict.kind === "broken") {
    console.log(`${path}: NOT linearizable, key ${verdict.key} (${facts})\n${verdict.words}`);
    exitCode = 1;
  } else {
    console.log(`${path}: undecided, key ${verdict.key}: ${verdict.why} (${facts})`);
    if (exitCode === 0) exitCode = 2;
  }
}
process.exitCode = exitCode;
