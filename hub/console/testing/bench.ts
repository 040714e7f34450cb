// Test equipment: the console built from the tree, on a mock hub, in a browser profile of its own.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe } from "vitest";
import { hasChromium, launchChromium } from "./chromium.ts";
import { type Facts, workshop } from "./mock-facts.ts";
import { type FarmFacts, someFarm } from "./mock-farm.ts";
import { MOCK_TOKEN, MockHub } from "./mock-hub.ts";
import { engine as someRuns, type EngineFacts } from "./mock-runs.ts";

/** What was built, and the browser for it. */
export interface Stage extends AsyncDisposable {
  readonly browser: Browser;
  readonly dist: string;
}

/** Builds first, into a folder of its own, so that what is tested is what is in the tree. */
async function openStage(): Promise<Stage> {
  const dist = mkdtempSync(join(tmpdir(), "gantry-console-"));
  await build({
    configFile: join(import.meta.dirname, "..", "vite.config.ts"),
    logLevel: "error",
    build: { outDir: dist },
  });
  const browser = await launchChromium();
  return {
    browser,
    dist,
    async [Symbol.asyncDispose]() {
      await browser.close();
      rmSync(dist, { recursive: true });
    },
  };
}

/** Tests of one build of the console. Skipped, and that is said, where Debian's Chromium is not installed. */
export function describeInChromium(title: string, tests: (stage: () => Stage) => void): void {
  const isMissing = !hasChromium();
  if (isMissing) console.warn(`SKIPPED: ${title}. Install Debian's package: apt install chromium`);
  let opened: Stage | undefined;
  describe.skipIf(isMissing)(`${title} in Chromium (Debian package: chromium)`, () => {
    beforeAll(async () => {
      opened = await openStage();
    }, 60_000);
    afterAll(() => opened?.[Symbol.asyncDispose]());
    tests(() => {
      if (opened === undefined) throw new Error("the stage is opened before the first test");
      return opened;
    });
  });
}

/** A hub, a browser profile and every line that the browser complained with. */
export interface Bench extends AsyncDisposable {
  readonly hub: MockHub;
  readonly address: string;
  readonly context: BrowserContext;
  readonly complaints: string[];
  /** A tab on this page, logged in. */
  open(place: string): Promise<Page>;
}

export interface BenchOptions {
  readonly facts?: Facts;
  readonly engine?: EngineFacts;
  readonly farm?: FarmFacts;
  readonly scheme?: "light" | "dark";
  readonly width?: number;
}

export async function openBench(
  { browser, dist }: Stage,
  {
    facts = workshop(),
    engine = someRuns(),
    farm = someFarm(),
    scheme = "light",
    width = 1_280,
  }: BenchOptions = {},
): Promise<Bench> {
  const hub = new MockHub(facts, dist, engine, farm);
  const address = await hub.listen();
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport: { width, height: 844 },
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(8_000);
  const complaints: string[] = [];
  context.on("weberror", (error) => complaints.push(error.error().message));
  context.on("console", (line) => {
    if (line.type() === "error") complaints.push(`${line.text()} ${line.location().url}`.trim());
  });
  const open = async (place: string): Promise<Page> => {
    const page = await context.newPage();
    await page.goto(`${address}/#token=${MOCK_TOKEN}`);
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    await page.goto(`${address}/#/${place}`);
    await page.getByText("Live", { exact: true }).waitFor();
    return page;
  };
  const dispose = async (): Promise<void> => {
    await context.close();
    await hub[Symbol.asyncDispose]();
  };
  return { hub, address, context, complaints, open, [Symbol.asyncDispose]: dispose };
}

/** What axe finds, and how many pixels the page is too wide; nothing when all is well. */
export async function faultsOf(page: Page, impacts?: readonly string[]): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  return [
    ...violations
      .filter(({ impact }) => impacts?.includes(impact ?? "") !== false)
      .map(({ id, nodes }) => `${id} ${nodes[0]?.html}`),
    ...(overflow === 0 ? [] : [`overflows by ${overflow} px`]),
  ];
}
