// gantry-hub recover --data-dir DIR [--yes]: goes on with one hub alone. Exit 0 when it is done, that
// of bad_request (64) when nobody said yes, else that of the error.

import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { makeLogger } from "@gantry/shared/adapters/pino.ts";
import { ERRORS, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { openRecovery, type Outlook } from "./recover.ts";

const USAGE = "Usage: gantry-hub recover --data-dir DIR [--yes]";
const MEBIBYTE = 1_048_576;

function wordsOf(outlook: Outlook): string {
  const { hub, clusterId, voters, term, lastIndex, lastTerm, commitIndex, damage } = outlook;
  const others = voters.filter((id) => id !== hub);
  const uncertain = lastIndex - commitIndex;
  return [
    `${hub} of cluster ${clusterId}: voters ${voters.join(" ")}`,
    `  log         entry ${lastIndex} of term ${lastTerm}, this hub knows term ${term}`,
    `  committed   up to entry ${commitIndex}, as this hub knows`,
    ...(damage === undefined ? [] : [`  damaged     ${damage}`]),
    "",
    `What was acknowledged by ${others.join(" and ") || "others"} after entry ${lastIndex} is lost.`,
    uncertain === 0
      ? "Nothing else is uncertain."
      : `The ${uncertain} entries after ${commitIndex} may never have been acknowledged; they count from now on.`,
    `The cluster gets a new id: ${others.join(", ") || "other hubs"} can only come back as new hubs, with empty data folders.`,
    `If a majority can still be started, do that instead. The old state is copied first (${(outlook.sizeBytes / MEBIBYTE).toFixed(1)} MiB).`,
    "",
  ].join("\n");
}

async function isAgreed(hub: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const typed = await lines.question(`Type the hub's name, ${hub}, to go on: `);
  lines.close();
  return typed.trim() === hub;
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((word, place) => place > 0 || word !== "recover"),
    options: { "data-dir": { type: "string" }, yes: { type: "boolean" } },
  });
  const dataDir = values["data-dir"] ?? process.env["GANTRY_DATA_DIR"];
  if (dataDir === undefined) throw new GantryError("bad_request", USAGE);
  await using recovery = await openRecovery(resolve(dataDir));
  const { hub } = recovery.outlook;
  process.stdout.write(`${wordsOf(recovery.outlook)}\n`);
  if (values.yes !== true && !(await isAgreed(hub))) {
    throw new GantryError("bad_request", "Nothing was changed. To go on, say --yes");
  }
  const { clusterId, keptAt, lastIndex } = await recovery.run(makeLogger("warn", { hub }));
  process.stdout.write(
    `Done: ${hub} is alone in cluster ${clusterId}, log entry ${lastIndex}.\nThe old state is in ${keptAt}; remove it when all is well.\nStart the hub, then add others: gantry cluster add HUB tcp://HOST:PORT\n`,
  );
}

try {
  await run();
} catch (error) {
  const { code, message } = toErrorRecord(error);
  const isUsage = error instanceof TypeError && "code" in error;
  const text = isUsage ? USAGE : error instanceof GantryError ? message : String(error);
  process.stderr.write(`gantry-hub recover: ${text}\n`);
  process.exitCode = isUsage ? ERRORS.bad_request.exit : ERRORS[code].exit;
}
