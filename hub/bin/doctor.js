#!/usr/bin/env node
// Starts the doctor. The compile cache must be open before the first .ts loads.
import { enableCompileCache } from "node:module";

process.env.UV_THREADPOOL_SIZE ??= "16";
enableCompileCache();
await import("../doctor/main.ts");
