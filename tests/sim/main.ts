// node tests/sim/main.ts [--seed N] [--seeds N] [--budget S] [--jobs N] [--nightly] [--shrink] [--mutant NAME] [--json]
import { runCommandLine } from "./command-line.ts";

process.exitCode = await runCommandLine(process.argv.slice(2));
