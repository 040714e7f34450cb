// Making a part in the console: words, form, picture that turns, slice, print.

import { expect, it } from "vitest";
import { describeInChromium, openBench } from "./testing/bench.ts";

describeInChromium("the page Make", (stage) => {
  it("goes from words to a part that can be turned and changed", async () => {
    await using at = await openBench(stage());
    const page = await at.open("make");
    await page.getByLabel("What to make").fill("a box 40x30x20");
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByRole("heading", { level: 1, name: "Box 40x30x20" }).waitFor();
    expect(page.url()).toContain("#/make/job_box");
    expect(at.hub.heard.find(({ path }) => path === "/api/cad/generate")?.body).toBe(
      '{"prompt":"a box 40x30x20"}',
    );
    const canvas = page.getByRole("img", { name: /Box 40x30x20. Turn it/ });
    await canvas.waitFor();
    const drawn = (): Promise<string> =>
      canvas.evaluate((node) => (node as HTMLCanvasElement).toDataURL());
    await expect.poll(async () => (await drawn()).length).toBeGreaterThan(3_000); // not an empty picture
    const before = await drawn();
    await canvas.press("ArrowRight");
    await expect.poll(drawn).not.toBe(before);
    await page.getByText("40 × 30 × 20 mm").waitFor();
    await page.getByText("not said, so: wall 2 mm").waitFor();
    const again = page.getByRole("button", { name: "Make it again" });
    expect(await again.isDisabled()).toBe(true); // nothing is changed yet
    await page.getByLabel("Width").fill("55");
    await page.getByLabel("Lid", { exact: true }).check();
    await again.click();
    await expect
      .poll(() => at.hub.heard.filter(({ path }) => path === "/api/cad/generate").length)
      .toBe(2);
    const changed = JSON.parse(
      at.hub.heard.findLast(({ path }) => path === "/api/cad/generate")?.body ?? "{}",
    );
    expect(changed).toMatchObject({ part: "box", parameters: { width: 55, lid: true, depth: 30 } });
    expect(at.complaints).toEqual([]);
  }, 30_000);

  it("slices it for a printer and hands it over, where it waits for a word", async () => {
    await using at = await openBench(stage());
    const page = await at.open("make/job_box");
    await page.getByLabel("Filament").selectOption("petg");
    await page.getByRole("button", { name: "Slice" }).click();
    await page.getByRole("button", { name: "Print on ender" }).click();
    await page.getByRole("link", { name: "The print" }).waitFor();
    const sliced = at.hub.heard.find(({ path }) => path.endsWith("/slice"))?.body ?? "{}";
    expect(JSON.parse(sliced)).toMatchObject({
      printer: "ender",
      slice: { material: "petg", layerMm: 0.2 },
    });
    expect(at.hub.heard.some(({ path }) => path === "/api/cad/jobs/job_sliced/print")).toBe(true);
    expect(await page.getByRole("link", { name: /Save STL/ }).getAttribute("href")).toBe(
      "/api/cad/jobs/job_sliced/files/stl",
    );
  }, 30_000);

  it("says why a part failed, and what to do", async () => {
    await using at = await openBench(stage());
    const page = await at.open("make/job_wrong");
    await page.getByRole("alert").getByText("OpenSCAD was ended after 120 s").waitFor();
    await page.getByText("Make it simpler.").waitFor();
  }, 30_000);
});
