// Where tests and benchmarks find the small real models; the product ships none of them.

import { existsSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "..", "..", "..", "shared", "models");

/** Path of one file of ../shared/models, seen from the project's root. */
export const modelFile = (name: string): string => join(FOLDER, name);

/** False in a clone without that folder: its tests are skipped, visibly. */
export const hasModelFiles = existsSync(FOLDER);
