#!/usr/bin/env node
// Starts the hub. Before anything else: the thread pool must be large (four long native jobs would
// hold up every write), and the compile cache must be open before the first .ts loads.
import { enableCompileCache } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";

process.env.UV_THREADPOOL_SIZE ??= "16";
// In the environment, because the threads of the doors find it nowhere else: without it each of them
// loads the type stripper (10 MB) and compiles every file again at each start.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), "node-compile-cache");
// Young generations begin small and stay so until the hub is ready (main.ts). The doors' may grow then:
// kept at 1 MB, a busy HTTP door spent half of its time collecting; at rest it is the same memory.
setFlagsFromString("--max-semi-space-size=16");
setFlagsFromString("--semi-space-growth-factor=1");
enableCompileCache();
// One hub that goes on alone, offline: `gantry-hub recover`.
await import(process.argv[2] === "recover" ? "../recover/main.ts" : "../main.ts");
