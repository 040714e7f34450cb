// The machines' models as a person sees them, in Debian's Chromium, against the mock hub.

import { expect, it } from "vitest";
import { describeInChromium, faultsOf, openBench } from "./testing/bench.ts";

describeInChromium("models of machines", (stage) => {
  it.each(["light", "dark"] as const)(
    "where each one is, its memory, speed and who waits, here and at the hub (%s)",
    async (scheme) => {
      await using at = await openBench(stage(), { scheme });
      const page = await at.open("machines");
      const row = page.getByRole("row", { name: /qwen2\.5-7b.* workbench/ });
      await row.waitFor();
      expect((await row.getByRole("cell").allInnerTexts()).map((text) => text.trim())).toEqual([
        "qwen2.5-7b-instruct-q4_k_m pinned",
        "workbench",
        "loaded",
        "7.1 GiB",
        "61.4",
        "4",
        "9",
      ]);
      await page.getByText("workbench, graphics memory for models: 7.1 GiB of 19 GiB").waitFor();
      const folder = process.env["GANTRY_SHOTS"];
      if (folder !== undefined)
        await page.screenshot({ path: `${folder}/models-${scheme}.png`, fullPage: true });
      expect(await faultsOf(page)).toEqual([]);
      expect(at.complaints).toEqual([]);
    },
    30_000,
  );
});
