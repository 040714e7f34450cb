// Rows about events: who wants which, who is told of one thing alone, and what is counted.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EVENT_TYPES } from "@gantry/shared/contract/events.ts";
import { typesOf } from "@gantry/shared/contract/webhooks.ts";
import { makeLedgerRig } from "../../hub/ledger/testing/rig.ts";
import { exposeQueues, makeMetrics } from "../../hub/metrics.ts";

/** Letter by letter: a star at the end stands for any rest. */
function isMeant(pattern: string, type: string): boolean {
  for (const [at, letter] of pattern.split("").entries()) {
    if (letter === "*" && at === pattern.length - 1) return at === 0 || pattern[at - 1] === ".";
    if (letter !== type[at]) return false;
  }
  return pattern.length === type.length;
}

const told = EVENT_TYPES.filter((type) => !type.startsWith("webhook."));

describe("patterns of events", () => {
  it.each([
    ["run.changed", ["run.changed"]],
    ["run.*", told.filter((type) => type.startsWith("run."))],
    ["*", told],
    ["run", []],
    ["run.", []],
    ["r*", []],
    ["*.changed", []],
    ["run.changed.*", []],
    ["", []],
  ])("[S3] %j names these and no others", (pattern, types) => {
    expect(typesOf(pattern)).toEqual(types);
  });

  it("[S3] name what a comparison letter by letter names", () => {
    const pieces = fc.constantFrom(...EVENT_TYPES.flatMap((type) => type.split(".")), "x", "");
    const pattern = fc.oneof(
      fc.constantFrom(...EVENT_TYPES),
      fc.tuple(pieces, pieces).map((both) => both.join(".")),
      pieces.map((piece) => `${piece}.*`),
      pieces.map((piece) => `${piece}*`),
      fc.string({ maxLength: 12 }),
    );
    fc.assert(
      fc.property(pattern, (asked) => {
        expect(typesOf(asked)).toEqual(told.filter((type) => isMeant(asked, type)));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a webhook about one task", () => {
  it("[M21] is registered, outlives a restart, and is unregistered", () => {
    const rig = makeLedgerRig();
    rig.act({
      type: "webhookMade",
      webhook: "whk_1",
      url: "https://example.org/hook",
      types: ["run.*"],
      subject: "run_1",
      secret: "whsec_x",
    });
    rig.restart();
    expect(rig.rows.get("webhook", "whk_1")).toMatchObject({ subject: "run_1", types: ["run.*"] });
    rig.act({ type: "webhookDeleted", webhook: "whk_1" });
    rig.restart();
    expect(rig.rows.get("webhook", "whk_1")).toBeUndefined();
  });
});

describe("metrics", () => {
  it("[S15] tell rates, latencies and depths", async () => {
    const metrics = makeMetrics();
    metrics.commands.inc({ type: "flagSet", result: "ok" }, 3);
    metrics.commitSeconds.observe(0.004);
    exposeQueues(metrics, () => [["mail", { ready: 7, dead: 2 }, 1.5]]);
    const text = await metrics.registry.metrics();
    for (const line of [
      'gantry_commands_total{type="flagSet",result="ok"} 3',
      'gantry_raft_commit_seconds_bucket{le="0.002"} 0',
      'gantry_raft_commit_seconds_bucket{le="0.005"} 1',
      "gantry_raft_commit_seconds_count 1",
      'gantry_queue_jobs{queue="mail",state="ready"} 7',
      'gantry_queue_jobs{queue="mail",state="dead"} 2',
      'gantry_queue_lag_seconds{queue="mail"} 1.5',
    ]) {
      expect(text).toContain(line);
    }
  });
});
