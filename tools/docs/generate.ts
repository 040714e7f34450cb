// The generated pages of docs/, as text. They are never edited by hand; tests/ops/docs.test.ts fails
// when they are out of date.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { coveragePage } from "./coverage.ts";
import { invariantsPage } from "./invariants.ts";
import { wirePage } from "./wire.ts";

export interface Page {
  /** From the project's root. */
  readonly path: string;
  readonly text: string;
}

/** Every generated page, formatted as `npm run format` wants it. About a second. */
export function generatedDocs(root: string): readonly Page[] {
  return [
    { path: "docs/wire.md", text: format(root, "docs/wire.md", wirePage()) },
    { path: "docs/coverage.md", text: format(root, "docs/coverage.md", coveragePage(root)) },
    { path: "docs/invariants.md", text: format(root, "docs/invariants.md", invariantsPage(root)) },
  ];
}

function format(root: string, path: string, text: string): string {
  const program = join(root, "node_modules", ".bin", "oxfmt");
  const args = ["--stdin-filepath", path];
  return execFileSync(program, args, { cwd: root, input: text, encoding: "utf8" });
}
