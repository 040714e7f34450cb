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
  const text = readFileSync(join(ROOT, "docs", "grafana.json"), "utf8");
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
  const asked = panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) =>
      (expr.match(/gantry_[a-z0-9_]+/g) ?? [""]).map((name) => ({ name, expr })),
    ),
  );
  expect(asked.length).toBeGreaterThan(15);
  const kindOf = (name: string): string | undefined => kinds.get(name.replace(/_bucket$/, ""));
  expect(asked.filter(({ name }) => kindOf(name) === undefined)).toEqual([]);
  const isHistogram = ({ name }: { name: string }): boolean => kindOf(name) === "histogram";
  expect(asked.filter((one) => isHistogram(one) !== one.name.endsWith("_bucket"))).toEqual([]);
  const counters = asked.filter(({ name }) => kindOf(name) === "counter");
  expect(counters.filter(({ expr }) => !/rate|increase/.test(expr))).toEqual([]);
}, 60_000);
