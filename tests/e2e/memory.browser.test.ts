// The pages of memory, knowledge and kept answers on the real appliance, in a real browser.

import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launchChromium } from "../../hub/console/testing/chromium.ts";
import { type Appliance, MODELS, ROOT, startAppliance } from "../support/appliance.ts";
import { untilModel } from "./steps.ts";

const MODEL = join(MODELS, "stories260K.gguf");
const canRun =
  hasChromium() && existsSync(`${ROOT}/hub/console/dist/index.html`) && existsSync(MODEL);
/** A folder for pictures of each page, for people who look. */
const SHOTS = process.env["GANTRY_SHOTS"];

async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS !== undefined)
    await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

describe.skipIf(!canRun)("memory in the console", () => {
  let a: Appliance;
  let browser: Browser;
  beforeAll(async () => {
    a = await startAppliance({ env: { GANTRY_LLM_MODELS: MODEL } });
    browser = await launchChromium();
    await untilModel(a, "stories260K");
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await a?.[Symbol.asyncDispose]();
  });

  async function open(colorScheme: "light" | "dark" = "light"): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1_280, height: 900 }, colorScheme });
    page.setDefaultTimeout(30_000);
    await page.goto(`${a.url}/#token=${a.token}`);
    await page.getByText("Live", { exact: true }).waitFor();
    return page;
  }

  it("remembers, finds, and forgets by hand", async () => {
    await a.api("POST", "/api/query", { prompt: "Remember that my favourite filament is PETG." });
    const page = await open();
    await page.goto(`${a.url}/#/memory`);
    const table = page.getByRole("region", { name: "Memories" });
    await table.getByText("my favourite filament is PETG").waitFor();
    await page.getByLabel("Remember this").fill("the spare nozzles are in drawer 4");
    await page.getByRole("button", { name: "Remember", exact: true }).click();
    await table.getByText("the spare nozzles are in drawer 4").waitFor();
    await shoot(page, "memory");
    await page.getByLabel("Search by words or meaning").fill("where are the nozzles");
    await page.getByRole("button", { name: "Search" }).click();
    await table.getByText("drawer 4").waitFor();
    await page.getByRole("button", { name: /^Forget: the spare/ }).click();
    await page.getByText("Nothing was found.").waitFor();
    const { body } = await a.api("GET", "/api/memory");
    expect(body.memories.length).toBe(1);
  }, 120_000);

  it("shows kept answers and drops what was wrong", async () => {
    const messages = [{ role: "user", content: "What is a brim?" }];
    for (let time = 0; time < 2; time += 1)
      await a.api("POST", "/v1/chat/completions", { messages, stop: ["."] });
    const page = await open("dark");
    await page.goto(`${a.url}/#/cache`);
    await page.getByText("1 to the same question, 0 by likeness").waitFor();
    const table = page.getByRole("region", { name: "Kept answers" });
    await table.getByText("What is a brim?").waitFor();
    await shoot(page, "cache-dark");
    await page.getByRole("button", { name: "Wrong: What is a brim?" }).click();
    await page.getByText("No answer is kept yet").waitFor();
  }, 120_000);

  it("shows folders, and finds a piece with its place", async () => {
    const folder = join(a.dataDir, "knowledge", "manuals");
    await mkdir(folder, { recursive: true });
    await writeFile(
      join(folder, "dryer.md"),
      "# Dryer\n\n## Nylon\n\nDry nylon at 70 C for 12 hours.\n",
    );
    await a.api("POST", "/api/knowledge", { name: "manuals", folder });
    const page = await open();
    await page.goto(`${a.url}/#/knowledge?q=dry+nylon`);
    await page.getByText("dryer.md:5").waitFor();
    await page.getByRole("region", { name: "Folders" }).getByText("manuals").first().waitFor();
    await shoot(page, "knowledge");
    await page.getByRole("button", { name: "Read again: manuals" }).click();
    await page.getByText("manuals is read").waitFor();
  }, 120_000);
});
