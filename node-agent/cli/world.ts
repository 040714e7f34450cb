// What the command line needs of the process around it. main.ts gives the real one, tests their own.

import type { Random } from "@gantry/shared/base/prng.ts";
import type { Environment } from "@gantry/shared/contract/config.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";

export interface Output {
  write(text: string): void;
  readonly isTty: boolean;
  /** Width of the terminal; 80 where there is none. */
  readonly columns: number;
}

export interface Input extends AsyncIterable<Uint8Array | string> {
  readonly isTty: boolean;
}

/** A conversation with the keyboard, line by line. */
export interface LineReader {
  /** Undefined at the end of input. Rejects when the signal aborts. */
  ask(prompt: string, signal: AbortSignal): Promise<string | undefined>;
  /** Ctrl-C while it is open. */
  onInterrupt(handler: () => void): void;
  close(): void;
}

export interface LineOptions {
  /** Lines of before, the newest first. */
  readonly history?: readonly string[];
  /** Told all lines, the newest first, when one was typed at a terminal. */
  readonly onHistory?: (lines: readonly string[]) => void;
  /** What may be typed here instead of the end of this line, and which end that is. */
  readonly complete?: (line: string) => [string[], string];
}

export interface World {
  readonly env: Environment;
  readonly cwd: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Input;
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  readonly openLines: (options?: LineOptions) => Promise<LineReader>;
  /** Runs a Node program with this terminal; its exit code. */
  readonly runNode: (file: string, args: readonly string[]) => Promise<number>;
}
