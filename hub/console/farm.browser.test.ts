// The farm's pages and the wall, in Chromium against the mock hub.

import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { describeInChromium, faultsOf, openBench } from "./testing/bench.ts";
import { workshop } from "./testing/mock-facts.ts";
import { MOCK_TOKEN } from "./testing/mock-hub.ts";

const TABS = [
  "farm",
  ...["printers", "spools", "outcomes", "health", "found", "wall"].map((tab) => `farm?tab=${tab}`),
];

/** Pictures for people to look at, where GANTRY_SHOTS names a folder. */
async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env["GANTRY_SHOTS"];
  if (folder !== undefined)
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

describeInChromium("the farm", (stage) => {
  it("says why each print waits and what would change it, and ranks it by buttons", async () => {
    await using at = await openBench(stage());
    const page = await at.open("farm");
    await page.getByText("prusa: its bed holds the part of prt_9").first().waitFor();
    await page.getByText("Load ABS in ender: 1 print waits for it.").waitFor();
    await page.getByText("All 2 printers").click();
    await page.getByText("ender: it holds PLA, not PETG").waitFor();
    await page.getByRole("button", { name: "Sooner: hinge-left" }).click();
    await page.getByText("priority 8").waitFor();
    const ranked = at.hub.heard.find(({ path }) => path === "/api/farm/queue/prt_f1");
    expect(JSON.parse(ranked?.body ?? "")).toEqual({ priority: 8 });
    expect(at.complaints).toEqual([]);
  }, 30_000);

  it("takes the word about a part together with the bed, never one without the other", async () => {
    const facts = workshop();
    facts.devices = facts.devices.map((row) => ({ ...row, bed: "part", bedJob: "prt_9" }));
    await using at = await openBench(stage(), { facts });
    const page = await at.open("farm?tab=printers");
    const [device] = facts.devices;
    await page.getByRole("button", { name: `Bed cleared, bad part: ${device?.id}` }).click();
    await page.getByLabel("Reason").selectOption("warping");
    await page.getByLabel("In your words").fill("corner up");
    await page.getByRole("button", { name: "Bed is clear, part is bad" }).click();
    const path = `/api/devices/${device?.id}/bed`;
    await expect.poll(() => at.hub.heard.find((heard) => heard.path === path)?.body).toBeDefined();
    expect(JSON.parse(at.hub.heard.find((heard) => heard.path === path)?.body ?? "")).toEqual({
      outcome: "failed",
      reason: "warping",
      note: "corner up",
      job: "prt_9",
    });
  }, 30_000);

  it("lets what was found wait for a word, which goes out with its secret and is shown nowhere", async () => {
    await using at = await openBench(stage());
    const page = await at.open("farm?tab=found");
    await page.getByText("attic did not look: It is not connected").waitFor();
    expect(await page.getByRole("button", { name: /^Approve / }).count()).toBe(1);
    await page.getByRole("button", { name: "Approve Left one" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Access code").fill("12345678");
    await dialog.getByRole("button", { name: "Approve" }).click();
    const approved = (): string | undefined =>
      at.hub.heard.find(({ path }) => path === "/api/discovery/approve")?.body;
    await expect.poll(approved).toBeDefined();
    expect(JSON.parse(approved() ?? "")).toEqual({
      key: "bambu:01SIMULATED0001",
      printer: "left-one",
      secret: "12345678",
    });
    await page.goto(`${at.address}/#/farm?tab=health`);
    await page.getByText("its machine did not say how it is").waitFor();
  }, 30_000);

  it("draws a print layer by layer, from above and in space, and says in words what it shows", async () => {
    const facts = workshop();
    const print = facts.prints.find(({ gcode }) => gcode.layers > 1);
    await using at = await openBench(stage(), { facts, scheme: "dark" });
    const page = await at.open(`prints/${print?.id}`);
    const canvas = page.getByRole("img", { name: /^Layer \d+ at / });
    await canvas.waitFor();
    const inkOf = (): Promise<number> =>
      canvas.evaluate((node) => {
        const { width, height } = node as HTMLCanvasElement;
        const pen = (node as HTMLCanvasElement).getContext("2d");
        const pixels = pen?.getImageData(0, 0, width, height).data ?? [];
        return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
      });
    await expect.poll(inkOf).toBeGreaterThan(200);
    const flat = await inkOf();
    await page.getByRole("slider").fill("2");
    await page.getByText("Layer 2 at 0.4 mm, 24 lines").waitFor();
    await page.getByRole("button", { name: "In space" }).click();
    await page.getByRole("button", { name: "Turn left" }).click();
    await expect.poll(inkOf).not.toBe(flat);
    expect(await faultsOf(page)).toEqual([]);
    await shoot(page, "layers-dark");
  }, 60_000);

  it("the wall shows all printers to a screen that nobody is logged in at, and says when it is old", async () => {
    await using at = await openBench(stage(), { width: 1_920 });
    const page = await at.context.newPage();
    await page.goto(`${at.address}/#wall=${MOCK_TOKEN}`);
    await page.getByText("Clear the bed").waitFor();
    await page.getByText("62 %").waitFor();
    const tiles = await page.getByRole("heading", { level: 2 }).allTextContents();
    expect(tiles).toEqual(["voron-2", "voron-1", "prusa", "ender"]);
    const asked = at.hub.heard.map(({ path }) => path);
    expect(new Set(asked)).toEqual(new Set(["/api/wall"]));
    expect(await at.context.cookies()).toEqual([]);
    expect(await faultsOf(page)).toEqual([]);
    await shoot(page, "wall-1920");
    at.hub.isWallShut = true;
    await page.getByRole("alert").getByText(/old/).waitFor({ timeout: 20_000 });
  }, 60_000);

  it.each([
    ["light", 360],
    ["dark", 1_280],
  ] as const)(
    "is readable by everybody and never too wide: %s, %i px",
    async (scheme, width) => {
      await using at = await openBench(stage(), { scheme, width });
      const page = await at.open("farm");
      for (const tab of TABS) {
        await page.goto(`${at.address}/#/${tab}`);
        await page.getByRole("heading", { level: 1, name: "Farm" }).waitFor();
        await page.locator(".skeleton").first().waitFor({ state: "detached" });
        expect([tab, await faultsOf(page)]).toEqual([tab, []]);
        await shoot(page, `${tab.replaceAll(/\W/g, "-")}-${scheme}-${width}`);
      }
    },
    120_000,
  );
});
