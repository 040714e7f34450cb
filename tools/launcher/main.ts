// npm start: runs the whole appliance on this machine until Ctrl-C.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { reasonOf, systemClock } from "@gantry/shared/flow/clock.ts";
import { type Appliance, type ApplianceOptions, startAppliance } from "./appliance.ts";
import { runDemo } from "./demo.ts";
import { prettyLine } from "./lines.ts";

const HELP = `npm start                 run the whole appliance here until Ctrl-C
npm start -- --demo       show the main job on a simulated printer and end
npm start -- --hubs 3     three hubs that hold one log: any of them may be killed
npm start -- --quiet      without the programs' log lines
npm start -- --help       this text

One hub (or several), one node agent and one firmware bridge run on this machine. Everything that must survive
is in ./data (GANTRY_DATA_DIR), the logs as JSON in ./data/logs. Settings are environment variables:
npx gantry config lists them all.

  GANTRY_PRINTERS=ender=serial:/dev/serial/by-id/...?baud=250000 npm start
  GANTRY_LLM_MODELS=hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf npm start
  GANTRY_HTTP_PORT=9090 GANTRY_MQTT_PORT=1884 npm start
`;

const root = join(import.meta.dirname, "..", "..");

/** Gives the exit code: that of the error table, 0 when it ended as asked. */
export async function main(args: readonly string[]): Promise<number> {
  const flags = readFlags(args);
  if (flags === undefined) return 64;
  if (flags.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(name, () => stop.abort(new GantryError("cancelled", "Stopped by a person")));
  }
  const style = { hasColour: process.stdout.isTTY };
  const options: ApplianceOptions = {
    root,
    hubs: flags.hubs,
    env: process.env,
    clock: systemClock,
    signal: stop.signal,
    onLine(program, line) {
      if (!flags.quiet) process.stdout.write(`${prettyLine(program, line, style)}\n`);
    },
  };
  try {
    if (flags.demo) await demo(options);
    else await run(options);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return flags.demo ? 75 : 0;
    return complain(error);
  }
}

interface Flags {
  readonly demo: boolean;
  readonly help: boolean;
  readonly quiet: boolean;
  readonly hubs: number;
}

function readFlags(args: readonly string[]): Flags | undefined {
  const flag = { type: "boolean", default: false } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        demo: flag,
        help: { ...flag, short: "h" },
        quiet: { ...flag, short: "q" },
        hubs: { type: "string", default: "1" },
      },
    });
    const { demo: isDemo, help, quiet } = values;
    if (!["1", "3", "5"].includes(values.hubs))
      throw new Error(
        "--hubs takes 1, 3 or 5: an even number of hubs stands no more than one less",
      );
    return { demo: isDemo, help, quiet, hubs: Number(values.hubs) };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return undefined;
  }
}

async function demo(options: ApplianceOptions): Promise<void> {
  const startedMs = systemClock.monotonic();
  const say = (text: string): void => {
    const seconds = ((systemClock.monotonic() - startedMs) / 1_000).toFixed(1).padStart(5);
    process.stdout.write(`${seconds} s  ${text}\n`);
  };
  const heard: string[] = [];
  const onLine: ApplianceOptions["onLine"] = (program, line) => {
    heard.push(prettyLine(program, line, { hasColour: false }));
    if (heard.length > 50) heard.shift();
  };
  try {
    await runDemo({ ...options, onLine }, say); // the story reads better without the log
    say("The demo is done: everything did what it should");
  } catch (error) {
    process.stderr.write(
      `The last lines of the log:\n${heard.map((line) => `  ${line}\n`).join("")}`,
    );
    throw error;
  }
}

async function run(options: ApplianceOptions): Promise<void> {
  const appliance = await startAppliance(options);
  process.stdout.write(welcome(appliance));
  try {
    await new Promise((_resolve, reject) => {
      const { signal } = options;
      if (signal.aborted) reject(reasonOf(signal));
      signal.addEventListener("abort", () => reject(reasonOf(signal)), { once: true });
    });
  } finally {
    process.stdout.write("\nStopping: agent, bridge, hub\n");
    await appliance.stop();
  }
}

const welcome = ({ url, urls, token, tokenPath }: Appliance): string => `
  Gantry is ready.

  Console     ${url}/#token=${token}
${urls.length === 1 ? "" : `  All hubs    ${urls.join("  ")}\n              npx gantry cluster status\n`}  Your token  in ${tokenPath} (the owner's: keep it to yourself)

  Try         npx gantry ask "status"
              npx gantry devices
              npm run -s demo-part > tile.gcode && npx gantry print tile.gcode --on sim

  Ctrl-C stops everything.

`;

function complain(error: unknown): number {
  if (!(error instanceof GantryError)) throw error;
  process.stderr.write(`gantry: ${error.message}\n  ${error.kind.hint}\n`);
  return error.kind.exit;
}
