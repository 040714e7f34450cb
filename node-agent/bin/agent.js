#!/usr/bin/env node
// Starts the node agent. Opens the compile cache before the first .ts loads: a third of the start.
import { enableCompileCache } from "node:module";

enableCompileCache({ portable: true });
const { main } = await import("../main.ts");
await main();
