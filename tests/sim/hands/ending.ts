// Which of the acknowledged jobs and prints have not ended, by the ledger of the hub that serves.

import type { Office } from "./office.ts";
import type { People } from "./people.ts";

const ENDED: ReadonlySet<string> = new Set([
  "done",
  "failed",
  "cancelled",
  "interrupted",
  "unknown",
]);

/** One sentence for each. */
export function leftOpen(
  offices: Iterable<Office>,
  { jobs, prints }: Pick<People, "jobs" | "prints">,
): string[] {
  const rows = [...offices].find(({ serving }) => serving.desk !== undefined)?.hub.rows;
  if (rows === undefined) return ["no hub serves"];
  const found = [
    ...[...jobs].map((id) => [id, rows.get("job", id)] as const),
    ...[...prints].map((id) => [id, rows.get("print", id)] as const),
  ];
  return found.flatMap(([id, row]) => {
    if (row === undefined) return [`${id} is lost`];
    return ENDED.has(row.state) ? [] : [`${id} ${JSON.stringify(row)}`];
  });
}
