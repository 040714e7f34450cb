#!/usr/bin/env node
// npm run docs: writes the generated pages of docs/ anew. --check only says whether they are up to
// date (exit 1 if not).
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generatedDocs } from "./docs/generate.ts";

const root = join(import.meta.dirname, "..");
const isCheck = process.argv.includes("--check");

for (const { path, text } of generatedDocs(root)) {
  const file = join(root, path);
  if (!isCheck) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) {
    console.error(`${path} is out of date; run: npm run docs`);
    process.exitCode = 1;
  }
}
