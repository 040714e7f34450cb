// The whole appliance through a real browser: ask, order a print, give the word, watch it finish.

import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launchChromium } from "../../hub/console/testing/chromium.ts";
import { type Appliance, ROOT, startAppliance, until } from "../support/appliance.ts";
import { partGcode } from "../support/part.ts";

const hasBrowser = hasChromium();
const hasConsole = existsSync(`${ROOT}/hub/console/dist/index.html`);
if (!hasBrowser) console.warn("skipped: the browser test needs Debian's package chromium");

describe.skipIf(!hasBrowser || !hasConsole)("the console on the real appliance", () => {
  let appliance: Appliance;
  let browser: Browser;

  beforeAll(async () => {
    appliance = await startAppliance();
    browser = await launchChromium();
    await until("an idle printer", async () => {
      const { body } = await appliance.api("GET", "/api/devices");
      return body.devices.some((device: { phase: string }) => device.phase === "idle");
    });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await appliance?.[Symbol.asyncDispose]();
  });

  async function openConsole(): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
    page.setDefaultTimeout(20_000);
    await page.goto(`${appliance.url}/#token=${appliance.token}`);
    await page.getByText("Live", { exact: true }).waitFor();
    return page;
  }

  it("[K20][K21][K117][K69] asks, uploads, confirms by phrase, prints, clears the bed", async () => {
    const page = await openConsole();
    expect(page.url()).not.toContain("token=");

    await page.goto(`${appliance.url}/#/ask`);
    await page
      .getByRole("textbox", { name: "Your question or order" })
      .fill("which printers are there?");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByRole("list", { name: "Messages" }).getByText("sim").first().waitFor();

    await page.getByLabel("G-code file").setInputFiles({
      name: "bracket.gcode",
      mimeType: "text/x.gcode",
      buffer: Buffer.from(partGcode({ nozzleC: 200 })),
    });
    await page.getByLabel("Printer", { exact: true }).selectOption("sim");
    await page.getByRole("button", { name: "Send and scan" }).click();
    const card = page.getByRole("region", { name: /^Print bracket/ }).first();
    await card.getByText("heats the nozzle to 200 °C").waitFor();
    const { body } = await appliance.api("GET", "/api/confirmations");
    const [{ phrase }] = body.confirmations;

    await card.getByRole("textbox", { name: /type the phrase/ }).fill(`please do NOT ${phrase}`);
    await card.getByRole("button", { name: "Confirm" }).click();
    await page
      .getByText(/phrase is/i)
      .first()
      .waitFor();
    await card.getByRole("textbox", { name: /type the phrase/ }).fill(phrase);
    await card.getByRole("button", { name: "Confirm" }).click();

    await page.goto(`${appliance.url}/#/overview`);
    await page.getByRole("button", { name: "Bed cleared: sim" }).first().click({ timeout: 60_000 });
    const { body: list } = await until(
      "the print to be done and the bed clear",
      async () => {
        const reply = await appliance.api("GET", "/api/fabrication/jobs");
        const { body: device } = await appliance.api("GET", "/api/devices/sim");
        return reply.body.jobs[0]?.state === "done" && device.bed === "clear" ? reply : undefined;
      },
      60_000,
    );
    expect(list.jobs[0]).toMatchObject({
      state: "done",
      startedCount: 1,
      name: expect.stringMatching(/^bracket/),
    });
    await page.close();
  }, 120_000);

  it("[K21] shows a change made elsewhere in two browsers without reloading", async () => {
    const [first, second] = [await openConsole(), await openConsole()];
    for (const page of [first, second]) await page.goto(`${appliance.url}/#/events`);
    await appliance.api("PUT", "/api/flags/seen-by-two", { value: true });
    for (const page of [first, second]) {
      await page.getByText("seen-by-two").first().waitFor();
      await page.close();
    }
  }, 60_000);
});
