// The pages of agents as a person uses them, in Debian's Chromium, against the mock hub.

import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { describeInChromium, faultsOf, openBench } from "./testing/bench.ts";

/** Pictures for people to look at, where GANTRY_SHOTS names a folder. */
async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env["GANTRY_SHOTS"];
  if (folder !== undefined)
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

describeInChromium("agents", (stage) => {
  it("a turn shows its steps, what reads like an order, and the card of the word it waits for", async () => {
    await using at = await openBench(stage());
    const page = await at.open("agents");
    await page.getByRole("link", { name: "See why bracket-left waits" }).click();
    await page.getByText("reads like an order").waitFor();
    await page.getByText("print_get").click();
    await page.getByText("The hub asks a person before each effect").waitFor();
    await page.getByRole("textbox", { name: /phrase/i }).fill("confirm bed cleared cedar");
    await page.getByText("2 steps, 892 tokens").waitFor();
    await shoot(page, "agent-turn-light");
    expect(await faultsOf(page)).toEqual([]);
    expect(at.complaints).toEqual([]);
  }, 30_000);

  it("a goal is sent as it was typed; tools are listed with what they need", async () => {
    await using at = await openBench(stage(), { scheme: "dark" });
    const page = await at.open("agents");
    await page.getByLabel("What is to be done").fill("look at the printers");
    await page.getByLabel("How", { exact: true }).selectOption("council");
    await page.getByRole("button", { name: "Begin" }).click();
    const begun = (): string | undefined =>
      at.hub.heard.find(({ method, path }) => method === "POST" && path === "/api/agents")?.body;
    await expect.poll(begun).toBeDefined();
    expect(JSON.parse(begun() ?? "")).toEqual({ goal: "look at the printers", mode: "council" });
    await page.goto(`${at.address}/#/agents?tab=tools`);
    await page.getByText("door.unlock").waitFor();
    await page.getByText("It is described otherwise").waitFor();
    await page.getByLabel("Hazard", { exact: true }).selectOption("high");
    await page.getByRole("button", { name: "Agree to ring" }).click();
    const agreed = (): string | undefined =>
      at.hub.heard.find(({ path }) => path === "/api/mcp/servers/door/approve")?.body;
    await expect.poll(agreed).toBeDefined();
    const word = { tool: "ring", sha256: "b".repeat(64), hazardClass: "high" };
    expect(JSON.parse(agreed() ?? "")).toEqual(word);
    await shoot(page, "agent-tools-dark");
    expect(await faultsOf(page)).toEqual([]);
  }, 30_000);
});
