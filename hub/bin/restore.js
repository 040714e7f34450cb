#!/usr/bin/env node
// Starts a restore. The compile cache must be open before the first .ts loads.
import { enableCompileCache } from "node:module";

process.env.UV_THREADPOOL_SIZE ??= "16";
enableCompileCache();
await import("../backup/main.ts");
