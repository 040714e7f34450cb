// One call of `gantry`: parse, load the command, run it, turn what it throws into an exit code.

import { mintId } from "@gantry/shared/base/ids.ts";
import { parseInvocation, wantsJson } from "./args.ts";
import type { Context } from "./context.ts";
import type { World } from "./world.ts";

/** The exit code: 0, or what the error table says. Never throws. */
export async function runCli(argv: readonly string[], world: World): Promise<number> {
  const requestId = mintId("req", world.clock.now(), world.random);
  const isJson = wantsJson(argv);
  try {
    if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-v")) {
      const { versionText } = await import("./commands/version.ts");
      world.stdout.write(`${versionText()}\n`);
      return 0;
    }
    const { name, spec, words, options } = parseInvocation(argv);
    const command = await spec.load();
    const context: Context = { world, requestId, name, spec, words, options, isJson };
    return (await command(context)) ?? 0;
  } catch (error) {
    const { report } = await import("./report.ts");
    return report(error, requestId, isJson, world);
  }
}
