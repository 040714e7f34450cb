// The dashboard of docs/examples against the metrics that a real hub gives.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT, startAppliance } from "../support/appliance.ts";

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

it("[M67] the dashboard loads, and each metric that it asks for is one that the hub gives, with those labels", async () => {
  const text = readFileSync(join(ROOT, "docs", "examples", "grafana.json"), "utf8");
  const { title, panels, templating } = JSON.parse(text) as {
    title: string;
    panels: readonly Panel[];
    templating: { list: readonly { name: string }[] };
  };
  expect([title, templating.list[0]?.name]).toEqual(["Gantry", "datasource"]);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  await using a = await startAppliance({ parts: ["hub"] });
  const metrics = await fetch(`${a.url}/metrics`).then((reply) => reply.text());
  const kinds = new Map(
    [...metrics.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", kind = ""]) => [name, kind]),
  );
  for (const { expr } of panels.flatMap(({ targets }) => targets)) {
    const names = expr.match(/gantry_[a-z0-9_]+/g) ?? [];
    expect(names.length, expr).toBeGreaterThan(0);
    for (const name of names) {
      const base = name.replace(/_bucket$/, "");
      expect(kinds.get(base), `${name} of ${expr}`).toBeDefined();
      expect(kinds.get(base) === "histogram", expr).toBe(name.endsWith("_bucket"));
      if (kinds.get(base) === "counter") expect(expr).toMatch(/rate|increase/);
    }
  }
}, 60_000);
