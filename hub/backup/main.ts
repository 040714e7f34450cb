// node hub/bin/restore.js FILE DATA_DIR [--json]: restores a backup into an empty folder. Reads the same
// environment as the hub, for its id and addresses. Exit 0, or that of the error.

import { resolve } from "node:path";
import { ERRORS, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { readConfig } from "../config.ts";
import { type Restored, restoreBackup } from "./restore.ts";

const words = process.argv.slice(2);
const isJson = words.includes("--json");
const [file, dataDir] = words.filter((word) => !word.startsWith("--"));

function textOf({ dataDir, manifest, clusterId, hub }: Restored): string {
  const { index, madeAtMs, parts, missing } = manifest;
  return [
    `${dataDir} holds the state of log entry ${index}, saved ${new Date(madeAtMs).toISOString()}, and ${parts.length - 1} files.`,
    ...(missing.length === 0
      ? []
      : [`${missing.length} files were missing in the backup already.`]),
    `It is a new cluster, ${clusterId}, of one hub, ${hub}. What is to be done now:`,
    `  1. make sure that no hub of the old cluster runs any more`,
    `  2. start this hub with GANTRY_HUB_ID=${hub}; tokens of people and programs are valid as before`,
    `  3. give each machine a new join code: gantry join-code NAME`,
    `  4. add further hubs: gantry cluster add`,
    "",
  ].join("\n");
}

let shown = -1;
/** One line that overwrites itself, only where a person looks. */
function showProgress(doneBytes: number, totalBytes: number): void {
  const percent = Math.floor((100 * doneBytes) / totalBytes);
  if (!process.stderr.isTTY || isJson || percent === shown) return;
  shown = percent;
  process.stderr.write(`\r\u001b[Kunpacked ${percent} %${percent === 100 ? "\n" : ""}`);
}

async function run(): Promise<void> {
  if (file === undefined || dataDir === undefined)
    throw new GantryError("bad_request", "Usage: gantry restore FILE --data-dir DIR [--json]");
  const config = readConfig({ ...process.env, GANTRY_DATA_DIR: resolve(dataDir) });
  const restored = await restoreBackup(file, config, showProgress);
  process.stdout.write(isJson ? `${JSON.stringify(restored)}\n` : textOf(restored));
}

try {
  await run();
} catch (error) {
  const { code, message } = toErrorRecord(error);
  const text = error instanceof GantryError ? message : String(error);
  if (isJson) process.stdout.write(`${JSON.stringify({ error: { code, message: text } })}\n`);
  process.stderr.write(`gantry restore: ${text}\n`);
  const hasBegun = !["bad_request", "bad_config", "conflict", "not_found"].includes(code);
  if (hasBegun && !isJson) process.stderr.write(`Empty ${dataDir} before you try again\n`);
  process.exitCode = ERRORS[code].exit;
}
