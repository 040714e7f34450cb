// Runs, approvals and queues as a person uses them, in Debian's Chromium, against the mock hub.

import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import {
  type Bench,
  type BenchOptions,
  describeInChromium,
  faultsOf,
  openBench,
} from "./testing/bench.ts";
import { empty } from "./testing/mock-facts.ts";
import { approval, node, noEngine, run } from "./testing/mock-runs.ts";

const orders = (at: Bench): RunView => {
  const found = at.hub.engine.runs.find(({ id }) => id === "run_orders");
  if (found === undefined) throw new Error("the mock has no run_orders");
  return found;
};

/** Changes the run as the hub would, and tells of it. */
function change(at: Bench, place: string, state: RunView["nodes"][number]["state"]): void {
  const before = orders(at);
  const nodes = before.nodes.map((row) => (row.place === place ? { ...row, state } : row));
  at.hub.engine.runs = at.hub.engine.runs.map((row) => (row === before ? { ...row, nodes } : row));
  at.hub.emit("run.node", "run_orders", { place });
}

const posts = (at: Bench): readonly (readonly [string, unknown])[] =>
  at.hub.heard
    .filter(({ method }) => method !== "GET")
    .map(({ path, body }) => [path, body === "" ? undefined : JSON.parse(body)] as const);

const reads = (at: Bench, path: string): number =>
  at.hub.heard.filter((heard) => heard.method === "GET" && heard.path === path).length;

const drawn = (page: Page, id: string) => page.locator(`[data-node="${id}"]`);

describeInChromium("the engine's pages", (stage) => {
  const bench = (options?: BenchOptions): Promise<Bench> => openBench(stage(), options);

  it("[K79] a trace shows one request across hub, machine and printer, each part where it was in time", async () => {
    await using at = await bench();
    const page = await at.open("traces");
    await page.getByRole("link", { name: "POST /api/fabrication/jobs" }).click();
    const spans = page.getByRole("region", { name: "Spans" });
    await spans.getByText("printing").waitFor();
    const cells = await spans.getByRole("row").allTextContents();
    expect(cells.slice(1).map((text) => /^(hub|node|device)/.exec(text)?.[0])).toEqual([
      "hub",
      "hub",
      "node",
      "device",
    ]);
    expect(await faultsOf(page)).toEqual([]);
  }, 30_000);

  it("[K57] goals wait for a yes or a no with its reason, and show their tasks and what came of them", async () => {
    await using at = await bench();
    const page = await at.open("goals");
    await page.getByText("quote should not fail with timeout").waitFor();
    const reject = page.getByRole("button", { name: "Reject: quote should not fail with timeout" });
    expect(await reject.isDisabled()).toBe(true);
    await page.getByLabel("Reason").fill("known");
    await reject.click();
    await page.getByText("Rejected").waitFor();
    await page.getByRole("button", { name: "Done: weigh spools" }).click();
    expect(posts(at).map(([path]) => path)).toEqual([
      "/api/goals/gol_found/reject",
      "/api/goals/gol_active/tasks/0/done",
    ]);
    await page.getByText("60 before, 5 since (20 runs)").waitFor();
    expect(await faultsOf(page)).toEqual([]);
  }, 30_000);

  it("[M66] the numbers of all runs and of each workflow have a page, by day, week and month", async () => {
    await using at = await bench();
    const page = await at.open("analytics");
    const table = page.getByRole("region", { name: "By workflow" });
    const cells = await table.getByRole("row").nth(1).getByRole("cell").allTextContents();
    expect(cells.slice(0, 4)).toEqual(["orders", "100", "111", "6"]);
    expect(cells[6]).toBe("timeout 4, unreachable 2");
    await page.getByText("95 of 100 within").waitFor();
    await page.getByRole("link", { name: "30 days" }).click();
    await table.getByText("quote").waitFor();
    expect(page.url()).toContain("tab=month");
    expect(await faultsOf(page)).toEqual([]);
  }, 30_000);

  it("documents are found by their words, and each of their files is a link", async () => {
    await using at = await bench();
    const page = await at.open("documents");
    const table = page.getByRole("region", { name: "Documents and artifacts" });
    await table.getByText("Workshop, week 47").waitFor();
    const pdf = table.getByRole("link", { name: "PDF: download Workshop, week 47" });
    expect(await pdf.getAttribute("href")).toBe("/api/artifacts/art_week/content?format=pdf");
    await page.getByLabel("Words in it").fill("filament");
    await page.getByRole("button", { name: "Search" }).click();
    await table.getByText("Filament that ran out").waitFor();
    await table.getByText("Workshop, week 47").waitFor({ state: "detached" });
    expect(page.url()).toContain("text=filament");
    await page.getByRole("link", { name: "Artifacts" }).click();
    await table.getByText("quote.json").waitFor();
    expect(await faultsOf(page)).toEqual([]);
  }, 30_000);

  it("a run is a graph: each state in words, bodies folded with counts, patches marked, what is next", async () => {
    await using at = await bench();
    const page = await at.open("runs/run_orders");
    await drawn(page, "fetch-orders").waitFor();
    const labels = await page
      .locator("[data-node]")
      .evaluateAll((nodes) => nodes.map((one) => one.getAttribute("aria-label")));
    expect(labels).toHaveLength(13);
    expect(labels).toContain("read-stock failed · http · try 3");
    expect(labels).toContain("quote-each waiting · map · 3 items");
    expect(labels).toContain("notify-workshop pending · http patch 1");
    expect(await page.locator(".node.patched").count()).toBe(2);
    await page.getByLabel("Mark patches").uncheck();
    expect(await page.locator(".node.patched").count()).toBe(0);
    const next = page.getByRole("region", { name: "What runs next" });
    await next.getByText("after quote-each, release, cool-down").waitFor();
    await page.getByRole("button", { name: "As a list" }).click();
    await page.getByRole("region", { name: "Nodes" }).getByText("quote-each[1]/slice").waitFor();
  }, 30_000);

  it("a node tells its state, tries, times, fault and what is folded into it", async () => {
    await using at = await bench();
    const page = await at.open("runs/run_orders");
    await drawn(page, "read-stock").click();
    const panel = page.getByRole("region", { name: "read-stock" });
    await panel.getByText("answered 503 three times").waitFor();
    await panel.getByText("13.0 s").waitFor();
    await page
      .getByRole("button", { name: "quote-each", exact: true })
      .or(drawn(page, "quote-each"))
      .first()
      .press("Enter");
    await page.getByText("3 items: 1 failed, 1 running, 1 pending, 2 done, 1 skipped").waitFor();
    await page.getByRole("button", { name: "quote-each[2]/slice" }).click();
    await page.getByText("slice ended with exit code 2").waitFor();
  }, 30_000);

  it("the graph is moved by keys, buttons and the wheel, and the wheel is the page's until then", async () => {
    await using at = await bench();
    const page = await at.open("runs/run_orders");
    const picture = page.locator(".graph-frame svg > g");
    const view = (): Promise<string | null> => picture.getAttribute("transform");
    await drawn(page, "fetch-orders").waitFor();
    const before = await view();
    await page.locator(".graph-frame").hover();
    await page.mouse.wheel(0, 60);
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(0);
    expect(await view()).toBe(before);
    await drawn(page, "fetch-orders").click();
    const stands = await page.evaluate(() => scrollY);
    await page.mouse.wheel(0, -200);
    await expect.poll(view).not.toBe(before);
    expect(await page.evaluate(() => scrollY)).toBe(stands);
    await page.getByRole("button", { name: "Show all" }).click();
    const all = await view();
    await page.getByRole("button", { name: "Zoom in" }).click();
    await expect.poll(view).not.toBe(all);
    await drawn(page, "fetch-orders").focus();
    await page.keyboard.press("0");
    await expect.poll(view).toBe(all);
    await page.keyboard.press("ArrowRight");
    const second = await page.evaluate(() => document.activeElement?.getAttribute("data-node"));
    expect(
      orders(at)
        .edges.filter(({ from }) => from === "fetch-orders")
        .map(({ to }) => to),
    ).toContain(second);
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: second ?? "" }).waitFor();
    expect(await page.locator('.graph-frame [tabindex="0"]').count()).toBe(1);
  }, 30_000);

  it("is live: a node's change is shown, nothing moves, and a thousand events are a few readings", async () => {
    await using at = await bench();
    const page = await at.open("runs/run_orders");
    await drawn(page, "fetch-orders").waitFor();
    const boxes = (): Promise<unknown> =>
      page.evaluate(() =>
        [...document.querySelectorAll(".card, .graph-frame, [data-node]")].map((one) => {
          const { x, y, width } = one.getBoundingClientRect();
          return [one.getAttribute("data-node"), x, y, width];
        }),
      );
    const before = await boxes();
    change(at, "summary", "running");
    await page
      .locator('[data-node="summary"][aria-label*="running"]')
      .waitFor({ state: "attached" });
    expect(await boxes()).toEqual(before);
    const readBefore = reads(at, "/api/runs/run_orders");
    const startMs = performance.now();
    for (let times = 0; times < 999; times += 1) at.hub.emit("run.node", "run_orders", {});
    for (let times = 0; times < 500; times += 1) at.hub.emit("run.node", "run_other", {});
    change(at, "summary", "done");
    await page.locator('[data-node="summary"][aria-label*="done"]').waitFor({ state: "attached" });
    const halfSeconds = Math.ceil((performance.now() - startMs) / 500);
    expect(reads(at, "/api/runs/run_orders") - readBefore).toBeLessThanOrEqual(halfSeconds + 1);
    expect(at.complaints).toEqual([]);
  }, 30_000);

  it("pauses, resumes, and asks before it cancels, retries, or says what became of a node", async () => {
    await using at = await bench();
    const page = await at.open("runs/run_orders");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await page.getByRole("button", { name: "call-courier", exact: false }).first().press("Enter");
    await page.getByRole("button", { name: "It was done" }).click();
    const dialog = page.getByRole("dialog");
    const yes = dialog.getByRole("button", { name: "It was done" });
    expect(await yes.isDisabled()).toBe(true);
    await dialog.getByLabel("Reason").fill("the courier called back");
    await yes.click();
    await page.getByRole("button", { name: "Cancel run" }).click();
    await dialog.getByRole("button", { name: "Keep it" }).click();
    await page.getByRole("button", { name: "Cancel run" }).click();
    await dialog.getByLabel(/Reason/).fill("wrong day");
    await dialog.getByRole("button", { name: "Cancel the run" }).click();
    await page.getByRole("button", { name: "Retry" }).click();
    await dialog.getByRole("button", { name: "Retry the run" }).click();
    await page.getByRole("button", { name: "Pause" }).waitFor();
    expect(posts(at)).toEqual([
      ["/api/runs/run_orders/pause", {}],
      ["/api/runs/run_orders/resume", {}],
      [
        "/api/runs/run_orders/resolve",
        { place: "call-courier", outcome: "done", reason: "the courier called back" },
      ],
      ["/api/runs/run_orders/cancel", { reason: "wrong day" }],
      ["/api/runs/run_orders/retry", {}],
    ]);
  }, 30_000);

  it("lists runs by state and by a part of a name, in pages; new ones wait until they are asked for", async () => {
    await using at = await bench();
    const many = Array.from({ length: 60 }, (_, n) => run(`run_n${n}`, "nightly-backup"));
    at.hub.engine.runs.push(...many);
    const page = await at.open("runs");
    const rows = page.getByRole("region", { name: "Runs" }).locator("tbody tr");
    await expect.poll(() => rows.count()).toBe(50);
    at.hub.engine.runs = [
      run("run_new", "reprint-lids"),
      ...at.hub.engine.runs.map((row) =>
        row.id === "run_orders" ? { ...row, state: "done" as const } : row,
      ),
    ];
    at.hub.emit("run.changed", "run_new");
    await rows.first().getByText("done").waitFor();
    expect(await rows.first().textContent()).toContain("run_orders");
    await page.getByRole("button", { name: /1 new run/ }).click();
    await rows.first().getByText("run_new").waitFor();
    await page.getByRole("link", { name: "Older" }).click();
    await expect.poll(() => rows.count()).toBe(16);
    const field = page.getByRole("combobox", { name: "Workflow" });
    await field.fill("nightly");
    await field.press("Enter");
    await page.getByRole("button", { name: "nightly-orders" }).click();
    await expect.poll(() => rows.count()).toBe(3);
    await page.getByLabel("State").selectOption("failed");
    await expect.poll(() => rows.count()).toBe(1);
    expect(page.url()).toMatch(/state=failed&workflow=nightly-orders/);
  }, 30_000);

  it("approvals are answered by keyboard; a rejection needs a reason; the count beside the name follows", async () => {
    await using at = await bench();
    const page = await at.open("approvals");
    const card = page.getByRole("region", { name: "Send 12 quotes to customers?" });
    await card.getByText("release of nightly-orders").waitFor();
    await card.getByText(/1 h 0\d min left/).waitFor();
    await card.getByText("1 min ago").waitFor();
    await page.getByText("This is for jon.").waitFor();
    await card.getByRole("button", { name: "Reject" }).press("Enter");
    const reason = card.getByLabel("Reason");
    expect(await reason.evaluate((field) => field === document.activeElement)).toBe(true);
    expect(posts(at)).toEqual([]);
    await page.keyboard.type("two prices are missing");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await card.getByText("This question is closed.").waitFor();
    const patch = page.getByRole("region", { name: /^Patch this run/ });
    await patch.getByText("1 more of 2").waitFor();
    await patch.getByRole("button", { name: "Approve" }).press("Enter");
    await patch.getByText("This question is closed.").waitFor();
    expect(posts(at)).toEqual([
      ["/api/approvals/apr_release/reject", { reason: "two prices are missing" }],
      ["/api/approvals/apr_patch/approve", { reason: "" }],
    ]);
    await page.locator('.nav a[href="#/approvals"] .badge').getByText("1").waitFor();
  }, 30_000);

  it("a new question moves none that is on the screen, and one that is closed elsewhere stays in its place", async () => {
    await using at = await bench();
    const page = await at.open("approvals");
    const cards = page.locator(".grid .card h2");
    await expect.poll(() => cards.count()).toBe(3);
    const before = await cards.allTextContents();
    const [, ...others] = at.hub.engine.approvals;
    at.hub.engine.approvals = [approval("apr_new", { question: "Is it new?" }), ...others];
    at.hub.emit("approval.changed", "apr_new");
    await page.getByRole("button", { name: /1 new question, 1 no longer here/ }).waitFor();
    expect(await cards.allTextContents()).toEqual(before);
    const closed = page.getByRole("region", { name: "Send 12 quotes to customers?" });
    expect(await closed.getByRole("button").count()).toBe(0);
    await page.getByRole("button", { name: /1 new question/ }).click();
    await expect.poll(() => cards.first().textContent()).toBe("Is it new?");
  }, 30_000);

  it("shows how much is in each queue and how old it is, and pauses and resumes it", async () => {
    await using at = await bench();
    const page = await at.open("queues");
    const line = page.getByRole("row", { name: /^mail/ });
    await line.getByText("12 min 34 s").waitFor();
    expect(await line.getByRole("cell").allTextContents()).toEqual(
      expect.arrayContaining(["paused", "41", "6", "2", "12 min 34 s"]),
    );
    await page.getByRole("button", { name: "Resume mail" }).click();
    await page.getByRole("button", { name: "Pause mail" }).waitFor();
    expect(posts(at)).toEqual([["/api/queues/mail/resume", {}]]);
  }, 30_000);

  it("dead letters are looked into, tried again and dropped, one or all, with a question before", async () => {
    await using at = await bench();
    const page = await at.open("queues/mail?tab=dead");
    await page.getByRole("button", { name: "Inspect job_mail_7" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("workshop@example.org").waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "Drop all" }).click();
    await dialog.getByText("Drop 2 dead letters?").waitFor();
    await dialog.getByRole("button", { name: "Keep it" }).click();
    await page.getByRole("button", { name: "Drop job_mail_7" }).click();
    await dialog.getByRole("button", { name: "Drop the job" }).click();
    await page.getByRole("button", { name: "Drop job_mail_7" }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Requeue job_mail_9" }).click();
    await page.getByText("No work of mail has failed for good.").waitFor();
    expect(posts(at)).toEqual([
      ["/api/jobs/dead", { wish: "drop", queue: "mail", preview: true }],
      ["/api/jobs/job_mail_7", undefined],
      ["/api/jobs/job_mail_9/requeue", {}],
    ]);
  }, 30_000);

  it("a graph of 500 nodes opens where something happens, large enough to read", async () => {
    await using at = await bench();
    const nodes = Array.from({ length: 500 }, (_, n) =>
      node(`step-${n}`, "function", n < 300 ? "done" : n < 304 ? "running" : "pending"),
    );
    const edges = nodes.slice(4).map(({ place }, n) => ({ from: `step-${n}`, to: place }));
    at.hub.engine.runs.push(run("run_big", "five-hundred", { nodes, edges }));
    const page = await at.open("runs/run_big");
    await drawn(page, "step-301").click();
    await page.getByRole("region", { name: "step-301" }).waitFor();
    const size = await drawn(page, "step-301").locator(".node-box").boundingBox();
    expect(size?.height).toBeGreaterThan(40);
  }, 30_000);

  it.each([
    ["light", 1_280],
    ["dark", 1_280],
    ["light", 360],
    ["dark", 360],
  ] as const)(
    "axe finds nothing on them, and they fit: %s, %i px",
    async (scheme, width) => {
      await using at = await bench({ scheme, width });
      const page = await at.open("runs");
      for (const place of [
        "runs",
        "runs/run_orders",
        "runs/run_failed",
        "approvals",
        "approvals?tab=all",
        "queues",
        "queues/mail",
        "queues/mail?tab=dead",
      ]) {
        await page.goto(`${at.address}/#/${place}`);
        const link = `.nav a[aria-current][href="#/${place.split(/[/?]/)[0]}"]`;
        await page.locator(link).waitFor({ state: "attached" });
        await expect.poll(() => page.getByText("Loading").count()).toBe(0);
        await page.locator("main .card, main table").first().waitFor();
        const faults = await faultsOf(page);
        expect({ place, faults }).toEqual({ place, faults: [] });
      }
      expect(at.complaints).toEqual([]);
    },
    120_000,
  );

  it("says so where there is nothing", async () => {
    await using at = await bench({ facts: empty(), engine: noEngine() });
    const page = await at.open("runs");
    await page.getByText("No workflow has run yet.").waitFor();
    await page.goto(`${at.address}/#/approvals`);
    await page.getByText("Nobody waits for your word: no run has an open question.").waitFor();
    await page.goto(`${at.address}/#/queues`);
    await page.getByText("There is no queue yet.").waitFor();
    await page.goto(`${at.address}/#/queues?tab=dead`);
    await page.getByText("No work has failed for good.").waitFor();
  }, 30_000);
});
