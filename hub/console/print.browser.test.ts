// The page of one print: what the scan found in its file, its picture, and the file once more.

import { expect, it } from "vitest";
import { describeInChromium, openBench } from "./testing/bench.ts";
import { print, workshop } from "./testing/mock-facts.ts";

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

describeInChromium("the page of a print", (stage) => {
  it("[K23] shows picture, layers, time, filament and slicer, and prints the file again", async () => {
    const plain = print("prt_seen", "bracket", { state: "done", progress: 1 });
    const seen = {
      ...plain,
      estimatedS: 3_600,
      gcode: {
        ...plain.gcode,
        layers: 148,
        analysis: {
          slicer: { name: "OrcaSlicer", version: "2.1.1" },
          modelS: 3_720,
          slicerS: 3_600,
          layers: { count: 148, firstHeightMm: 0.25, usualHeightMm: 0.2, topMm: 29.65 },
          filament: { lengthMm: 8_420, volumeCm3: 20.25, massG: 25.1, material: "PETG" },
          laidBoundsMm: { min: { x: 90, y: 95, z: 0.25 }, max: { x: 130.5, y: 115, z: 29.65 } },
          tools: [0],
          settings: { layerHeightMm: "0.2" },
          thumbnails: [
            { sha256: "a".repeat(64), sizeBytes: 70, format: "png" as const, width: 1, height: 1 },
          ],
        },
      },
    };
    const facts = { ...workshop(), prints: [seen] };
    await using at = await openBench(stage(), { facts });
    await at.context.route("**/prt_seen/thumbnail", (route) =>
      route.fulfill({ contentType: "image/png", body: Buffer.from(PIXEL, "base64") }),
    );
    await at.context.route("**/prt_seen/again", (route) =>
      route.fulfill({ status: 202, json: { job: { id: "prt_new", state: "awaiting" } } }),
    );
    const page = await at.open("prints/prt_seen");
    const picture = page.getByRole("img", { name: "bracket, as the slicer drew it" });
    await expect
      .poll(() => picture.evaluate((node) => (node as HTMLImageElement).naturalWidth))
      .toBe(1);
    for (const text of [
      "148 of 0.2 mm, 29.65 mm high",
      "8.4 m, 25.1 g, PETG",
      "40.5 × 20.0 mm, 29.6 mm high",
      "OrcaSlicer 2.1.1",
      "1 h 02 min",
    ]) {
      await page.getByText(text, { exact: true }).waitFor();
    }
    await page.getByRole("button", { name: "Print again" }).click();
    const link = page.getByRole("link", { name: "See the new print" });
    expect(await link.getAttribute("href")).toBe("#/prints/prt_new");
    expect(at.complaints).toEqual([]);
  }, 30_000);

  it("[K23] says of a file that was only sent that it is kept, and prints it when asked", async () => {
    const kept = print("prt_kept", "later", { state: "cancelled", kept: true, progress: 0 });
    await using at = await openBench(stage(), { facts: { ...workshop(), prints: [kept] } });
    const page = await at.open("prints/prt_kept");
    await page.getByText("kept", { exact: true }).first().waitFor();
    await page.getByRole("button", { name: "Print it" }).waitFor();
    // No picture of the file; its layers are drawn by ourselves.
    expect(await page.locator("main img").count()).toBe(0);
  }, 30_000);
});
