#!/usr/bin/env node
// Starts the hub. Before anything else: the thread pool must be large (four long native jobs would
// hold up every write), and the compile cache must be open before the first .ts loads.
import { enableCompileCache } from "node:module";

process.env.UV_THREADPOOL_SIZE ??= "16";
enableCompileCache();
await import("../main.ts");
