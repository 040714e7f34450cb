// Routes and costs of answers, budgets and decisions, as a person sees them.

import { mkdirSync } from "node:fs";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { describeInChromium, faultsOf, openBench } from "./testing/bench.ts";
import { workshop } from "./testing/mock-facts.ts";
import { MOCK_BOUGHT, MOCK_WORKED } from "./testing/mock-money.ts";

/** Pictures for people, where GANTRY_SHOTS names a folder. */
async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env["GANTRY_SHOTS"];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

describeInChromium("routes and money in the console", (stage) => {
  it("says of an answer why it came this way, what it cost and what was taken out of it", async () => {
    const facts = workshop();
    const [talk] = facts.conversations;
    if (talk === undefined) throw new Error("the workshop has a conversation");
    talk.messages = [...talk.messages.slice(0, 1), MOCK_BOUGHT];
    for (const scheme of ["light", "dark"] as const) {
      await using at = await openBench(stage(), { facts, scheme });
      const page = await at.open(`ask/${talk.id}`);
      const answer = page.getByRole("article", { name: "Answer" }).last();
      await answer.getByText("$0.00199").waitFor();
      await answer.getByText("Why this way").click();
      await answer.getByText("busy: 64 questions wait before this one").waitFor();
      await answer.getByText("(anthropic/claude)").waitFor();
      await answer.getByText("redactions").waitFor();
      expect(await faultsOf(page)).toEqual([]);
      expect(at.complaints).toEqual([]);
      await shoot(page, `route-${scheme}`);
    }
  }, 60_000);

  it("shows the steps of the agent that answered, and the sources it was given", async () => {
    const facts = workshop();
    const [talk] = facts.conversations;
    if (talk === undefined) throw new Error("the workshop has a conversation");
    talk.messages = [...talk.messages.slice(0, 1), MOCK_WORKED];
    await using at = await openBench(stage(), { facts });
    const page = await at.open(`ask/${talk.id}`);
    const answer = page.getByRole("article", { name: "Answer" }).last();
    await answer.getByRole("list", { name: "Sources" }).getByText("[2] ender.pdf").waitFor();
    await page.getByRole("list", { name: "Steps" }).getByRole("listitem").first().waitFor();
    expect(await faultsOf(page, ["serious", "critical"])).toEqual([]);
    expect(at.complaints).toEqual([]);
    await shoot(page, "worked");
  }, 60_000);

  it("shows the place in line while a question waits", async () => {
    await using at = await openBench(stage());
    at.hub.queued = [
      { position: 3, etaMs: 12_400 },
      { position: 2, etaMs: 8_000 },
    ];
    at.hub.isAnswerFree = false;
    const page = await at.open("ask");
    const field = page.getByRole("textbox", { name: "Your question or order" });
    await field.fill("what is new?");
    await field.press("Enter");
    await page.getByText("Waiting: 2 in line, about 8 s").waitFor();
    at.hub.freeAnswer();
  }, 30_000);

  it("shows budgets with what is spent of them, and providers; an admin sets one", async () => {
    for (const scheme of ["light", "dark"] as const) {
      await using at = await openBench(stage(), { scheme });
      const page = await at.open("costs");
      const budgets = page.getByRole("table", { name: "Budgets" });
      await budgets.getByText("84 %").waitFor();
      await budgets.getByText("$0.03 of calls that broke off").waitFor();
      await page.getByText("1 call is under way").waitFor();
      await page.getByText("no key").waitFor();
      expect(await faultsOf(page)).toEqual([]);
      await shoot(page, `costs-${scheme}`);
      await page.getByLabel("Dollars a day").fill("2.5");
      await page.getByRole("button", { name: "Set budget" }).click();
      await expect
        .poll(() => at.hub.heard.find(({ method }) => method === "PUT"))
        .toMatchObject({ path: "/api/budgets/appliance", body: '{"perDayUsd":2.5}' });
    }
  }, 60_000);

  it("shows what was decided of dangerous things", async () => {
    await using at = await openBench(stage());
    const page = await at.open("confirmations");
    await page
      .getByRole("table", { name: "Decisions" })
      .getByText("Print bracket on ender")
      .waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await shoot(page, "decisions");
  }, 30_000);
});
