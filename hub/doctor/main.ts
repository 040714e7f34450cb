// node hub/bin/doctor.js DATA_DIR [--json]: examines a data folder. Exit 0 when all is well, that of
// data_damaged (74) when a check fails, else that of the error.

import { resolve } from "node:path";
import { ERRORS, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { examine, type Report } from "./doctor.ts";

const words = process.argv.slice(2);
const isJson = words.includes("--json");
const dataDir = words.find((word) => !word.startsWith("--"));

function tableOf({ dataDir, checks, isOk }: Report): string {
  const lines = checks.flatMap(({ name, isOk, note, faults, advice }) => [
    `${isOk ? "ok  " : "FAIL"}  ${name.padEnd(14)} ${note}`.trimEnd(),
    ...faults.map((fault) => `        ${fault}`),
    ...(isOk ? [] : [`        -> ${advice}`]),
  ]);
  const failed = checks.filter((check) => !check.isOk).length;
  const end = isOk ? "All is well." : `${failed} of ${checks.length} checks failed.`;
  return `${dataDir}\n${lines.join("\n")}\n${end}\n`;
}

/** One line that overwrites itself, only where a person looks. */
function showProgress(note: string): void {
  if (process.stderr.isTTY && !isJson) process.stderr.write(`\r\u001b[K${note} ...`);
}

async function run(): Promise<number> {
  if (dataDir === undefined) {
    throw new GantryError("bad_request", "Usage: gantry doctor DATA_DIR [--json]");
  }
  const report = await examine(resolve(dataDir), showProgress);
  if (process.stderr.isTTY && !isJson) process.stderr.write("\r\u001b[K");
  process.stdout.write(isJson ? `${JSON.stringify(report, null, 2)}\n` : tableOf(report));
  return report.isOk ? 0 : ERRORS.data_damaged.exit;
}

try {
  process.exitCode = await run();
} catch (error) {
  const { code, message } = toErrorRecord(error);
  const text = error instanceof GantryError ? message : String(error);
  if (isJson)
    process.stdout.write(
      `${JSON.stringify({ dataDir, isOk: false, error: { code, message: text } })}\n`,
    );
  process.stderr.write(`gantry doctor: ${text}\n`);
  process.exitCode = ERRORS[code].exit;
}
