// Test equipment: `gantry` as a process of its own.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

export const LAUNCHER = join(import.meta.dirname, "..", "..", "bin", "gantry.js");
export const run = promisify(execFile);
// What a child needs of this process; GANTRY_ variables of whoever runs the tests stay out.
export const CLEAN_ENV = { PATH: join(process.execPath, "..") };
