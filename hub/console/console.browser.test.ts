// The console as a person uses it: the built files in Debian's Chromium, against the mock hub.

import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { PAGES } from "./src/core/route.ts";
import {
  type Bench,
  type BenchOptions,
  describeInChromium,
  faultsOf,
  openBench,
} from "./testing/bench.ts";
import { empty, type Facts, workshop } from "./testing/mock-facts.ts";
import { MOCK_TOKEN } from "./testing/mock-hub.ts";

describeInChromium("the console", (stage) => {
  const bench = (
    facts: Facts = workshop(),
    options: Pick<BenchOptions, "scheme" | "width"> = {},
  ): Promise<Bench> => openBench(stage(), { facts, ...options });

  it("[K20] loads from the hub alone, and no token stays in the address or in the page", async () => {
    await using at = await bench();
    const asked: string[] = [];
    at.context.on("request", (request) => asked.push(request.url()));
    const page = await at.open("overview");
    expect(asked.filter((url) => !url.startsWith(at.address))).toEqual([]);
    expect(page.url()).toBe(`${at.address}/#/overview`);
    const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
    expect(kept).not.toContain(MOCK_TOKEN);
    await page.goBack();
    expect(page.url()).not.toContain("token");
    expect(at.complaints).toEqual([]);
  }, 30_000);

  it("asks for a token when there is none, and says when it is wrong", async () => {
    await using at = await bench();
    const page = await at.context.newPage();
    await page.goto(`${at.address}/#/prints`);
    await page.getByLabel("Token").fill("gt_wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").getByText("No valid token").waitFor();
    await page.getByLabel("Token").fill(MOCK_TOKEN);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { level: 1, name: "Prints" }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.goto(`${at.address}/#token=${MOCK_TOKEN}`);
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    expect(page.url()).toBe(`${at.address}/#/overview`);
  }, 30_000);

  it("[K20] the live feed comes back by itself and resumes behind the last event", async () => {
    await using at = await bench();
    const page = await at.open("events");
    at.hub.emit("flag.changed", "before-the-cut");
    await page.getByText("before-the-cut").waitFor();
    at.hub.cutFeeds();
    await expect.poll(() => at.hub.feeds.length, { timeout: 8_000 }).toBe(2);
    expect(at.hub.feeds).toEqual([undefined, "101"]);
    await page.getByText("Live", { exact: true }).waitFor();
    at.hub.emit("flag.changed", "after-the-cut");
    await page.getByText("after-the-cut").waitFor();
  }, 30_000);

  it("[K20] says how old the data is while the feed is away, and nothing once it is back", async () => {
    await using at = await bench();
    const page = await at.open("overview");
    at.hub.isFeedShut = true;
    at.hub.cutFeeds();
    await page.getByText(/Reconnecting by itself. Live data is [1-9]\d* s old/).waitFor();
    at.hub.isFeedShut = false;
    await page.getByText("Live", { exact: true }).waitFor();
    await page.getByText("Reconnecting by itself").waitFor({ state: "detached" });
  }, 30_000);

  it("[K20] eight tabs share one feed, so that none of them hangs", async () => {
    await using at = await bench();
    const pages: Page[] = [];
    while (pages.length < 8) pages.push(await at.open("events"));
    expect(at.hub.openFeeds).toBe(1);
    at.hub.emit("flag.changed", "for-all-tabs");
    await Promise.all(pages.map((page) => page.getByText("for-all-tabs").waitFor()));
  }, 60_000);

  it("[K21] two browsers see the same change of a device and of a print in under a second", async () => {
    await using at = await bench();
    const other = await stage().browser.newContext();
    const [first, second] = [await at.open("overview"), await other.newPage()];
    await second.goto(`${at.address}/#token=${MOCK_TOKEN}`);
    await second.getByText("Live", { exact: true }).waitFor();
    const sentAtMs = performance.now();
    at.hub.facts.prints = at.hub.facts.prints.map((row) =>
      row.id === "prt_bracket" ? { ...row, state: "paused" as const } : row,
    );
    const temperatures = { nozzleC: 123, nozzleTargetC: 215, bedC: 30, bedTargetC: 60 };
    at.hub.facts.devices = at.hub.facts.devices.map((row) =>
      row.id === "prusa" ? { ...row, temperatures } : row,
    );
    at.hub.emit("print.changed", "prt_bracket", { state: "paused" });
    at.hub.soft({ type: "telemetry", device: "prusa", phase: "heating", temperatures });
    await Promise.all(
      [first, second].flatMap((page) => [
        page.getByRole("button", { name: "Resume" }).waitFor(),
        page.getByRole("region", { name: "prusa", exact: true }).getByText("123").waitFor(),
      ]),
    );
    expect(performance.now() - sentAtMs).toBeLessThan(1_000);
    await other.close();
  }, 30_000);

  it("one press of the stop button, or Alt+Shift+S in a field or a dialog, stops all printers", async () => {
    await using at = await bench();
    const page = await at.open("ask");
    const stops = () => at.hub.heard.filter(({ path }) => path === "/api/fabrication/stop");
    await page.getByRole("button", { name: "Emergency stop" }).click();
    await page.getByRole("alert").getByText("3 printers stopped: ender, prusa, voron.").waitFor();
    expect(stops()).toHaveLength(1);
    await page.getByRole("textbox", { name: "Your question or order" }).press("Alt+Shift+S");
    await expect.poll(() => stops().length).toBe(2);
    await page.goto(`${at.address}/#/prints/prt_bracket`);
    await page.getByRole("button", { name: "Cancel print" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Emergency stop" }).click();
    await expect.poll(() => stops().length).toBe(3);
    await page.keyboard.press("Alt+Shift+S");
    await expect.poll(() => stops().length).toBe(4);
  }, 30_000);

  it("shows an answer while it is written, as text only, and stops it", async () => {
    await using at = await bench();
    const page = await at.open("ask");
    at.hub.isAnswerFree = false;
    const field = page.getByRole("textbox", { name: "Your question or order" });
    await field.fill("what is new?");
    await field.press("Enter");
    const answer = page.getByRole("article", { name: "Answer" });
    await answer.getByText("You asked: what").waitFor();
    await page.getByRole("button", { name: "Stop answer" }).click();
    await page.getByText("You stopped it").waitFor();
    at.hub.freeAnswer();
    await field.fill("again");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    // The stopped question may have been answered on record as well: then there are two.
    await page.getByText("mock-model").last().waitFor();
    await answer.getByText("<img src=x").last().waitFor();
    expect(await page.title()).toBe("Ask · Gantry");
    expect(page.url()).toBe(`${at.address}/#/ask/cnv_new`);
  }, 30_000);

  it("[K117] sends the phrase as it was typed, and the button as null; the hub alone compares", async () => {
    await using at = await bench();
    const page = await at.open("confirmations");
    const card = page.getByRole("region", { name: "Print gear-housing on prusa" });
    await card.getByText("File hash").waitFor();
    await card.getByRole("list", { name: "Hazards" }).waitFor();
    await card.getByRole("timer").waitFor();
    const phrase = "please do NOT confirm: print gear-housing";
    await card.getByRole("textbox", { name: /type the phrase/ }).fill(phrase);
    await card.getByRole("button", { name: "Confirm" }).click();
    await card.waitFor({ state: "detached" });
    const sent = () =>
      at.hub.heard.filter(({ path }) => path.endsWith("/confirm")).map(({ body }) => body);
    expect(sent()).toEqual([JSON.stringify({ phrase })]);
    await page.goto(`${at.address}/#/ask`);
    await page.getByLabel("G-code file").setInputFiles({
      name: "widget.gcode",
      mimeType: "text/plain",
      buffer: Buffer.from("G28\n"),
    });
    await page.getByRole("button", { name: "Send and scan" }).click();
    await page.getByRole("button", { name: "Approve" }).click();
    await expect.poll(() => sent().at(-1)).toBe(JSON.stringify({ phrase: null }));
    const upload = at.hub.heard.find(
      ({ method, path }) => method === "POST" && path === "/api/fabrication/jobs",
    );
    expect(upload?.headers["content-type"]).toMatch(/^multipart\/form-data/);
    expect(upload?.headers["idempotency-key"]).toMatch(/^[0-9a-f]{32}$/);
  }, 30_000);

  it("[K117] an order in words asks for the word in place, and the print is followed there", async () => {
    await using at = await bench();
    const page = await at.open("ask");
    const field = page.getByRole("textbox", { name: "Your question or order" });
    await field.fill("print gear-housing on prusa");
    await field.press("Enter");
    const card = page.getByRole("region", { name: "Print gear-housing on prusa" });
    const line = page.getByRole("group", { name: "Print gear-housing" });
    await line.getByText("awaiting").waitFor();
    expect(await card.count()).toBe(1);
    await card.getByRole("button", { name: "Approve" }).click();
    await line.getByText("ready").waitFor();
    await card.waitFor({ state: "detached" });
    expect(await page.getByRole("article", { name: "Answer" }).count()).toBe(1);
  }, 30_000);

  it("a question before something final has its focus on the button that changes nothing", async () => {
    await using at = await bench();
    const page = await at.open("prints/prt_bracket");
    await page.getByRole("button", { name: "Cancel print" }).click();
    await page.getByRole("dialog", { name: "Cancel bracket-v2?" }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(at.hub.heard.filter(({ method }) => method === "POST")).toEqual([]);
  }, 30_000);

  it("shows who leads, who is silent and who hears whom; an admin hands over after a question", async () => {
    await using at = await bench();
    const page = await at.open("cluster");
    await page.getByText("hub-3 does not answer").waitFor();
    const hubs = page.getByRole("region", { name: "Hubs" }).last();
    await hubs.getByText("follower, silent").waitFor();
    const links = page.getByRole("region", { name: "Who hears whom" });
    expect(await links.getByText("lost").count()).toBe(2);
    await hubs.getByRole("button", { name: "Make leader: hub-2" }).click();
    expect(await hubs.getByRole("button").count()).toBe(1);
    await page.getByRole("dialog").getByRole("button", { name: "Hand over" }).click();
    await page.getByText("hub-2 leads").waitFor();
    const sent = at.hub.heard.filter(({ path }) => path === "/api/cluster/transfer");
    expect(sent.map(({ body }) => body)).toEqual([JSON.stringify({ to: "hub-2" })]);
  }, 30_000);

  it("shows what runs by the clock, with the next times as its zone has them, and what became of the last", async () => {
    await using at = await bench();
    const page = await at.open("schedules");
    const table = page.getByRole("region", { name: "Schedules" });
    await table.getByText("0 4 * * * · America/Los_Angeles").waitFor();
    await table.getByRole("button", { name: "Run now: Morning round" }).click();
    await page.getByText("Morning round was started").waitFor();
    await table.getByRole("button", { name: "Resume: Sweep" }).click();
    await page.getByText("Sweep goes on").waitFor();
    const sent = at.hub.heard.filter(({ method }) => method === "POST").map(({ path }) => path);
    expect(sent).toEqual(["/api/schedules/sch_morning/run", "/api/schedules/sch_sweep/resume"]);
    await table.getByRole("link", { name: "Morning round" }).click();
    const next = page.getByRole("region", { name: "Next times" }).last();
    await next.getByText("2030-03-10 04:00:00-07:00").waitFor();
    await page.getByText("It has spent its budget of the day").waitFor();
    await page.getByText("one run for all that were missed").waitFor();
  }, 30_000);

  it("[M24] shows who is told of events, how much arrived and failed, and has dead letters tried again", async () => {
    await using at = await bench();
    const page = await at.open("webhooks");
    const table = page.getByRole("region", { name: "Webhooks" });
    await table.getByText("The receiver answered 500").waitFor();
    const cells = await table.getByRole("row").last().getByRole("cell").allTextContents();
    expect(cells.slice(2, 5)).toEqual(["41", "2", "2"]);
    await table.getByRole("button", { name: "Deliver again: whk_store" }).click();
    await page.getByText("Dead letters are tried again").waitFor();
    const sent = at.hub.heard.filter(({ method }) => method === "POST").map(({ path }) => path);
    expect(sent).toEqual(["/api/webhooks/whk_store/redeliver"]);
  }, 30_000);

  it("[K20] reads everything again after a gap", async () => {
    await using at = await bench();
    const page = await at.open("flags");
    await page.getByText("night-shift").waitFor();
    at.hub.facts.flags = [{ key: "after-the-gap", value: 1, revision: 130 }];
    at.hub.gap();
    await page.getByText("after-the-gap").waitFor();
  }, 30_000);

  it.each([
    ["light", 1_280],
    ["dark", 390],
  ] as const)(
    "[S60] every page has no serious fault for axe, and fits: %s, %i px",
    async (scheme, width) => {
      await using at = await bench(workshop(), { scheme, width });
      const page = await at.open("overview");
      for (const place of [
        ...PAGES,
        "make/job_sliced",
        "ask/cnv_petg",
        "prints/prt_lid",
        "jobs?tab=dead",
      ]) {
        await page.goto(`${at.address}/#/${place}`);
        const link = `.nav a[aria-current][href="#/${place.split(/[/?]/)[0]}"]`;
        await page.locator(link).waitFor({ state: "attached" });
        await expect.poll(() => page.getByText("Loading").count()).toBe(0);
        const faults = await faultsOf(page, ["serious", "critical"]);
        expect({ place, faults }).toEqual({ place, faults: [] });
      }
      expect(at.complaints).toEqual([]);
    },
    120_000,
  );

  it("says what to do next where there is nothing", async () => {
    await using at = await bench(empty());
    const page = await at.open("overview");
    await page.getByText("Nothing needs you now.").waitFor();
    await page.getByText("GANTRY_PRINTERS='sim=sim:' npm start").waitFor();
    await page.goto(`${at.address}/#/prints`);
    await page.getByText("npx gantry print part.gcode").waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("page-title");
  }, 30_000);
});
