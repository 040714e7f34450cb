#!/usr/bin/env node
// Launcher of the supervisor. The compile cache must be open before the first .ts loads.
import { enableCompileCache } from "node:module";

enableCompileCache();
const { main } = await import("../supervisor/main.ts");
try {
  await main();
  process.exit(0); // serialport keeps a handle for a moment after close
} catch (error) {
  const exit = error?.kind?.exit ?? 70;
  console.error(JSON.stringify({ level: "error", code: error?.code, msg: String(error?.message) }));
  process.exit(exit);
}
