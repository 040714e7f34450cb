// `gantry` in this process, against a fake hub: argv in, exit code and output out.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { type FakeHub, makeFakeHub } from "@gantry/shared/client/testing/fake-hub.ts";
import type { Environment } from "@gantry/shared/contract/config.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { runCli } from "../run.ts";
import type { LineReader, Output, World } from "../world.ts";

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Environment;
  /** stdin, stdout and stderr are a terminal of 80 columns. */
  readonly isTty?: boolean;
  readonly stdin?: string;
  /** What the person types, line by line; then the input ends. */
  readonly typed?: readonly string[];
  readonly signal?: AbortSignal;
  /** Told what is written, e.g. to interrupt at the right moment. */
  readonly onOutput?: (text: string) => void;
}

export interface Rig extends AsyncDisposable {
  readonly hub: FakeHub;
  readonly dir: string;
  readonly nodeRuns: { readonly file: string; readonly args: readonly string[] }[];
  readonly prompts: string[];
  gantry(argv: readonly string[], options?: RunOptions): Promise<Run>;
}

export async function makeRig(): Promise<Rig> {
  const hub = await makeFakeHub();
  const dir = await mkdtemp(join(tmpdir(), "gantry-cli-"));
  const random = seededRandom(3);
  const nodeRuns: { file: string; args: readonly string[] }[] = [];
  const prompts: string[] = [];
  // Waits between looks are short here; time-outs stay what they are.
  const clock = {
    ...systemClock,
    sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / 100, signal),
  };

  async function gantry(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
    let out = "";
    let err = "";
    const isTty = options.isTty ?? false;
    const { onOutput } = options;
    const output = (take: (text: string) => void): Output => ({
      write: (text) => {
        take(text);
        onOutput?.(text);
      },
      isTty,
      columns: 80,
    });
    const { port } = new URL(hub.url);
    const typed = [...(options.typed ?? [])];
    const lines: LineReader = {
      ask: async (prompt) => {
        prompts.push(prompt);
        return typed.shift();
      },
      onInterrupt: () => undefined,
      close: () => undefined,
    };
    const world: World = {
      env: {
        GANTRY_HTTP_PORT: port,
        GANTRY_TOKEN: "gt_test",
        GANTRY_DATA_DIR: join(dir, "data"),
        XDG_STATE_HOME: join(dir, "state"),
        ...options.env,
      },
      cwd: dir,
      stdout: output((text) => (out += text)),
      stderr: output((text) => (err += text)),
      stdin: Object.assign(pieces(options.stdin ?? ""), { isTty }),
      clock,
      random,
      signal: options.signal ?? new AbortController().signal,
      openLines: async () => lines,
      runNode: async (file, args) => {
        nodeRuns.push({ file, args });
        return 3;
      },
    };
    const code = await runCli(argv, world);
    return { code, out, err };
  }

  return {
    hub,
    dir,
    nodeRuns,
    prompts,
    gantry,
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Some text in two pieces, cut inside it. */
async function* pieces(text: string): AsyncGenerator<string> {
  const half = Math.floor(text.length / 2);
  yield text.slice(0, half);
  yield text.slice(half);
}
