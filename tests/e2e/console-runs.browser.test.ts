// Runs, approvals and queues in a real browser on the real appliance: what the console reads is what
// the hub writes.

import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launchChromium } from "../../hub/console/testing/chromium.ts";
import { type Appliance, ROOT, startAppliance, until } from "../support/appliance.ts";

const hasBrowser = hasChromium();
const hasConsole = existsSync(`${ROOT}/hub/console/dist/index.html`);
if (!hasBrowser) console.warn("skipped: the browser test needs Debian's package chromium");

const fn = (value: unknown): object => ({ type: "function", function: "value", with: { value } });

describe.skipIf(!hasBrowser || !hasConsole)("the engine's pages on the real appliance", () => {
  let appliance: Appliance;
  let browser: Browser;

  beforeAll(async () => {
    appliance = await startAppliance({ parts: ["hub"] });
    browser = await launchChromium();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await appliance?.[Symbol.asyncDispose]();
  });

  async function openConsole(place: string): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
    page.setDefaultTimeout(20_000);
    await page.goto(`${appliance.url}/#token=${appliance.token}`);
    await page.getByText("Live", { exact: true }).waitFor();
    await page.goto(`${appliance.url}/#/${place}`);
    return page;
  }

  it("[A64] shows a run live: patched, with the difference and by a sentence, asked about, approved in the inbox, done", async () => {
    const graph = {
      nodes: {
        list: fn([1, 2, 3]),
        each: {
          type: "map",
          over: "nodes.list.output",
          body: { nodes: { twice: fn("${item * 2}") }, output: "${nodes.twice.output}" },
        },
        ask: { type: "approval", question: "Is the list right?" },
        last: fn("${nodes.each.output}"),
      },
      edges: [
        { from: "list", to: "each" },
        { from: "each", to: "ask" },
        { from: "ask", to: "last" },
      ],
    };
    await appliance.api("POST", "/api/workflows", { name: "double", graph });
    const { body } = await appliance.api("POST", "/api/runs", { workflow: "double" });
    const page = await openConsole(`runs/${body.run.id}`);
    await page.getByRole("button", { name: "ask waiting · approval" }).waitFor();
    await page.getByRole("button", { name: "each done · map · 3 items" }).click();
    await page.getByRole("region", { name: "Output of each" }).getByText("6").waitFor();
    await page.getByText(/waits for a person, 2[34] h/).waitFor();

    const operations = [
      { op: "addNode", id: "mark", node: fn("seen") },
      { op: "addEdge", edge: { from: "last", to: "mark" } },
    ];
    const patched = await appliance.api("POST", `/api/runs/${body.run.id}/patch`, {
      operations,
      reason: "so that it can be seen",
    });
    expect(patched.body).toMatchObject({ revision: 1 });
    await page.getByRole("button", { name: "mark pending · function patch 1" }).waitFor();
    await page.getByText("adds mark; adds the edge last → mark").waitFor();
    await page.getByText("What it changed").click();
    await page.getByText("+ added node mark (function)").waitFor();

    const wish = page.getByLabel("Change this run by a sentence");
    await wish.fill("remove nothing");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText(/There is no node "nothing"/).waitFor();
    await wish.fill("change the title of mark to Marked");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText('title: "Marked"').waitFor();
    await page.getByRole("button", { name: "Change it" }).click();
    await page.getByText("The run is changed.").waitFor();

    const inbox = await openConsole("approvals");
    const card = inbox.getByRole("region", { name: "Is the list right?" });
    await card.getByText("ask of double").waitFor();
    await card.getByLabel("Reason").fill("counted twice");
    await card.getByRole("button", { name: "Approve" }).click();
    await card.getByText("This question is closed.").waitFor();
    await page.getByRole("button", { name: /^(Marked|mark) done · function patch/ }).waitFor();
    await page.getByText(/ask approved: .*counted twice/).waitFor();
    await page.getByRole("region", { name: "Result" }).getByText("seen").waitFor();
    await page.goto(`${appliance.url}/#/runs?workflow=double&state=done`);
    await page.getByRole("region", { name: "Runs" }).getByText(body.run.id).waitFor();
    await inbox.close();
    await page.close();
  }, 90_000);

  it("shows a queue that is paused, and its dead letters, as the hub has them", async () => {
    const jobs = [{ data: { to: "a" } }, { data: { to: "b" } }];
    await appliance.api("POST", "/api/jobs:batch", { queue: "mail", jobs });
    const page = await openConsole("queues");
    await page.getByRole("button", { name: "Pause mail" }).click();
    await page.getByRole("button", { name: "Resume mail" }).waitFor();
    const { body } = await until("the pause", async () => {
      const reply = await appliance.api("GET", "/api/queues/mail");
      return reply.body.isPaused === true && reply;
    });
    expect(body).toMatchObject({ ready: 2 });
    await page.getByRole("link", { name: "mail", exact: true }).click();
    await page.getByRole("region", { name: "Jobs of mail" }).locator("tbody tr").nth(1).waitFor();
    await page.getByRole("link", { name: "Dead letters" }).click();
    await page.getByText("No work of mail has failed for good.").waitFor();
    await page.close();
  }, 60_000);
});
