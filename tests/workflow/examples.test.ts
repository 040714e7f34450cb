// The workflows that the documentation offers: each is valid as it lies there.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { validate } from "../../hub/workflow/compile.ts";
import { ROOT } from "../support/appliance.ts";

const FOLDER = join(ROOT, "docs", "examples");
const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

describe("the examples of the documentation", () => {
  it.each(files)("%s is a valid workflow", (name) => {
    expect(validate(JSON.parse(readFileSync(join(FOLDER, name), "utf8")))).toEqual([]);
  });

  it("show each way of working together that the page names", () => {
    const page = readFileSync(join(ROOT, "docs", "workflows.md"), "utf8");
    for (const name of files) expect(page).toContain(`examples/${name}`);
    expect(files.length).toBeGreaterThan(3);
  });
});
