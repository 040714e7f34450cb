// One program of the appliance as a child process: started, watched, started again when it dies.
//
// LP1. A program that says it cannot run here (usage, configuration, permission, a busy port) is not
//      started again; everything else is, with a growing pause.
// LP2. Children do not get the terminal's Ctrl-C: the launcher stops them, in its own order. They do
//      not outlive it either: the kernel ends them with it (setpriv, where the machine has it).

import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { backoffMs } from "@gantry/shared/base/backoff.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";

const SETPRIV = "/usr/bin/setpriv";
const STOP_MS = 12_000; // the programs give themselves TIMEOUT.stopMs
const RESTART = { firstMs: 500, factor: 2, maxMs: 10_000, jitter: 0.2 };
const STEADY_MS = 30_000;
const LOG_BYTES_MAX = 50_000_000;
/** sysexits: usage, unavailable (port busy), not permitted, configuration. LP1. */
const HOPELESS = new Set([64, 69, 77, 78]);

export interface ProgramSpec {
  readonly name: string;
  /** Path of the entry point. */
  readonly entry: string;
  readonly env: NodeJS.ProcessEnv;
}

export interface Program {
  readonly name: string;
  start(env?: NodeJS.ProcessEnv): void;
  /** SIGTERM, then SIGKILL after 12 s. Resolves when it is gone. */
  stop(): Promise<void>;
}

export interface ProgramPorts {
  readonly root: string;
  readonly logDir: string;
  readonly clock: Clock;
  /** A line of its output. */
  readonly onLine: (program: string, line: string) => void;
  /** It ended and will not be started again (LP1). */
  readonly onHopeless: (program: string, code: number) => void;
}

type Life =
  | { readonly kind: "idle" }
  | { readonly kind: "running"; readonly child: ChildProcess; readonly sinceMs: number }
  | { readonly kind: "waiting"; readonly cancel: AbortController }
  | { readonly kind: "stopped" };

export function makeProgram(spec: ProgramSpec, ports: ProgramPorts): Program {
  const { root, logDir, clock, onLine, onHopeless } = ports;
  let env = spec.env;
  let life: Life = { kind: "idle" };
  let deaths = 0;

  function launch(): void {
    const command = [process.execPath, join(root, spec.entry)];
    const argv = existsSync(SETPRIV) ? [SETPRIV, "--pdeathsig", "TERM", ...command] : command; // LP2
    const [file = process.execPath, ...args] = argv;
    const child = spawn(file, args, {
      cwd: root,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    life = { kind: "running", child, sinceMs: clock.monotonic() };
    follow(child.stdout, child.stderr);
    child.once("error", (error) => onLine(spec.name, `cannot be started: ${error.message}`));
    child.once("close", (code) => died(code ?? 70));
  }

  function follow(...streams: readonly Readable[]): void {
    const log = openLog(logDir, spec.name);
    let open = streams.length;
    for (const stream of streams) {
      createInterface({ input: stream })
        .on("line", (line) => {
          log.write(`${line}\n`);
          onLine(spec.name, line);
        })
        .on("close", () => {
          open -= 1;
          if (open === 0) log.end();
        });
    }
  }

  function died(code: number): void {
    if (life.kind !== "running") return;
    deaths = clock.monotonic() - life.sinceMs > STEADY_MS ? 1 : deaths + 1;
    if (HOPELESS.has(code)) {
      life = { kind: "stopped" };
      onHopeless(spec.name, code);
      return;
    }
    const pauseMs = Math.round(backoffMs(RESTART, deaths, Math.random));
    onLine(spec.name, `ended with code ${code}; starting it again in ${pauseMs} ms`);
    const cancel = new AbortController();
    life = { kind: "waiting", cancel };
    clock.sleep(pauseMs, cancel.signal).then(launch, () => {});
  }

  return {
    name: spec.name,
    start(more = {}) {
      env = { ...env, ...more };
      if (life.kind === "idle") launch();
    },
    async stop() {
      const before = life;
      life = { kind: "stopped" };
      if (before.kind === "waiting") before.cancel.abort();
      if (before.kind === "running") await end(before.child, clock);
    },
  };
}

async function end(child: ChildProcess, clock: Clock): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const patience = new AbortController();
  const late = clock.sleep(STOP_MS, patience.signal).then(
    () => void child.kill("SIGKILL"),
    () => {},
  );
  await gone;
  patience.abort();
  await late;
}

/** Appends; a log over 50 MB is put aside once, as NAME.1.log, when the program starts. */
function openLog(logDir: string, name: string): ReturnType<typeof createWriteStream> {
  mkdirSync(logDir, { recursive: true, mode: 0o700 });
  const path = join(logDir, `${name}.log`);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES_MAX) renameSync(path, join(logDir, `${name}.1.log`));
  return createWriteStream(path, { flags: "a", mode: 0o600 });
}
