import { expect, test } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { EventType } from "@gantry/shared/contract/events.ts";
import { type DeadLetter, typesOf, type WebhookRow } from "@gantry/shared/contract/webhooks.ts";
import { type LedgerRig, makeLedgerRig, START_MS } from "../testing/rig.ts";

type Body<T extends CommandBody["type"]> = Extract<CommandBody, { type: T }>;

const made = (facts: Partial<Body<"webhookMade">> = {}): Body<"webhookMade"> => ({
  type: "webhookMade",
  webhook: "whk_1",
  url: "https://example.org/hook?key=private",
  types: ["*"],
  secret: "whsec_never-told",
  ...facts,
});
const progressed = (
  fromCursor: number,
  facts: Partial<Body<"webhookProgressed">> = {},
): Body<"webhookProgressed"> => ({
  type: "webhookProgressed",
  webhook: "whk_1",
  term: 1,
  fromCursor,
  cursor: fromCursor + 1,
  delivered: 1,
  dead: [],
  ...facts,
});
const letter = (id: string): DeadLetter => ({
  id,
  event: { id: 7, type: "flag.changed", atMs: START_MS, subject: "a", data: null },
  error: { code: "unreachable", message: "no" },
  attempts: 4,
});

/** In the reign of term 1, with a webhook. */
function start(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act({ type: "reignBegan", hub: "hub-1", term: 1 });
  rig.act(made());
  return rig;
}
const row = (rig: LedgerRig): WebhookRow => rig.rows.get("webhook", "whk_1") as WebhookRow;

test("WB1: the cursor moves with what became of the events, and never back", () => {
  const rig = start();
  const { cursor } = row(rig);
  rig.act(progressed(cursor));
  expect(row(rig)).toMatchObject({ cursor: cursor + 1, counts: { delivered: 1, failed: 0 } });
  expect(rig.refuse(progressed(cursor))).toBe("conflict"); // told once more
  expect(rig.refuse(progressed(cursor + 1, { cursor }))).toBe("conflict");
  expect(rig.refuse(progressed(cursor + 1, { cursor: 1_000 }))).toBe("conflict"); // not yet written
});

test("WB2: what an older reign says counts no more", () => {
  const rig = start();
  const { cursor } = row(rig);
  rig.act({ type: "reignBegan", hub: "hub-2", term: 2 });
  expect(rig.refuse(progressed(cursor))).toBe("stale_term");
  expect(row(rig).counts.delivered).toBe(0);
});

test("WB3: neither the secret nor the path of the address is in events and audit", () => {
  const rig = start();
  const told = JSON.stringify([rig.events, rig.audit()]);
  expect(told).not.toContain("never-told");
  expect(told).not.toContain("private");
});

test("dead letters are kept up to a bound, wanted again by a person, and gone when delivered", () => {
  const rig = start();
  const ids = Array.from({ length: LIMIT.deadLetters.max + 2 }, (_, place) => `d.${place}`);
  rig.act(progressed(row(rig).cursor, { delivered: 0, dead: ids.map(letter) }));
  expect(row(rig)).toMatchObject({ counts: { delivered: 0, failed: ids.length } });
  expect(row(rig).dead).toEqual(ids.slice(2));
  expect(rig.rows.get("deadLetter", "d.0")).toBeUndefined();

  const retried = { type: "webhookRetried", webhook: "whk_1", term: 1, attempts: 1 } as const;
  expect(rig.refuse({ ...retried, delivery: "d.9" })).toBe("conflict"); // nobody wants it
  rig.act({ type: "webhookRedelivered", webhook: "whk_1", deliveries: ["d.9"] });
  rig.restart();
  rig.act({ ...retried, delivery: "d.9", error: { code: "timeout", message: "slow" } });
  expect(rig.rows.get("deadLetter", "d.9")).toMatchObject({ attempts: 5 });
  expect(rig.refuse({ ...retried, delivery: "d.9" })).toBe("conflict"); // its wish was met
  rig.act({ type: "webhookRedelivered", webhook: "whk_1" });
  rig.act({ ...retried, delivery: "d.9" });
  expect(row(rig).dead).not.toContain("d.9");
  expect(row(rig).counts.delivered).toBe(1);
});

test("with a webhook go its dead letters, and nobody reaches another one's", () => {
  const rig = start();
  rig.act(made({ webhook: "whk_2" }));
  rig.act(progressed(row(rig).cursor, { delivered: 0, dead: [letter("d.1")] }));
  const wish = { type: "webhookRedelivered", webhook: "whk_2", deliveries: ["d.1"] } as const;
  expect(rig.refuse(wish)).toBe("not_found");
  rig.act({ type: "webhookDeleted", webhook: "whk_1" });
  expect(rig.rows.get("deadLetter", "d.1")).toBeUndefined();
});

test.each([
  { pattern: "flag.changed", has: ["flag.changed"], lacks: ["job.changed"] },
  { pattern: "job.*", has: ["job.changed"], lacks: ["flag.changed"] },
  {
    pattern: "*",
    has: ["flag.changed", "run.changed"],
    lacks: ["webhook.dead", "webhook.changed"],
  },
  { pattern: "webhook.*", has: [], lacks: ["webhook.dead"] },
  { pattern: "job", has: [], lacks: ["job.changed"] },
] as const)("the pattern $pattern", ({ pattern, has, lacks }) => {
  const types: ReadonlySet<EventType> = new Set(typesOf(pattern));
  expect(has.filter((type) => !types.has(type))).toEqual([]);
  expect(lacks.filter((type) => types.has(type))).toEqual([]);
});

test("a pattern that names no event is refused", () => {
  const rig = start();
  expect(rig.refuse(made({ webhook: "whk_2", types: ["flag.changed", "no.such"] }))).toBe(
    "bad_request",
  );
});
