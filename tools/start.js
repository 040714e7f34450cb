#!/usr/bin/env node
// Entry of `npm start`: opens the compile cache before the first .ts file loads.
import { enableCompileCache } from "node:module";

enableCompileCache();
const { main } = await import("./launcher/main.ts");
process.exitCode = await main(process.argv.slice(2));
