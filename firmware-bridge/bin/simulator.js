#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
// Launcher of the simulated printer: DIR NAME [OPTIONS].
import { enableCompileCache } from "node:module";

enableCompileCache();
const [dir, name, query = ""] = process.argv.slice(2);
if (dir === undefined || name === undefined) {
  console.error("usage: simulator.js DIR NAME [speed=20&heat=5&noise=300&...]");
  process.exit(64);
}
const { runSimulator } = await import("../simulator/main.ts");
runSimulator(dir, name, query);
