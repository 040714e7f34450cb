// Queued jobs on a whole node.

import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { openJournal } from "../adapters/journal.ts";
import { entrySchema } from "./memory.ts";
import {
  fakeHands,
  identityFor,
  openAll,
  openHub,
  serving,
  startNode,
  temporaryFolder,
  WAIT,
} from "./node.test.support.ts";

const doorJob = (job: string, token: number): HubMessage => ({
  type: "job",
  job,
  token,
  kind: "command",
  input: { command: "open-door", args: {} },
  timeoutMs: 5_000,
});

// ── jobs ────────────────────────────────────────────────────────────────────────────────────────

test("[K76] JB3: a job that is told again is not run again, and its result is repeated until recorded", async () => {
  let runs = 0;
  const hands = fakeHands({
    runCommand: async () => {
      runs += 1;
      return { opened: true };
    },
  });
  const { hub } = await openAll(hands);
  hub.tell(doorJob("job_1", 5), doorJob("job_1", 5));
  await vi.waitFor(() => expect(hub.saidOf("result").length).toBeGreaterThan(1), WAIT);
  hub.tell(doorJob("job_1", 5), doorJob("job_1", 9));
  const later = { type: "result", job: "job_1", token: 9, result: { opened: true } };
  await vi.waitFor(() => expect(hub.saidOf("result")).toContainEqual(later), WAIT);
  expect(runs).toBe(1);
  hub.tell({ type: "recorded", job: "job_1", token: 9 });
  hub.tell({ type: "embed", id: "after", texts: ["x"] });
  await vi.waitFor(() => expect(hub.saidOf("embedded")).toHaveLength(1), WAIT);
  hub.link.drop("node_1");
  await vi.waitFor(() => expect(hub.hellos).toHaveLength(2), WAIT);
  expect(hub.hellos[1]?.holds).toEqual([]);
});

test("JB1: a lower token for a job is stale and nothing is done", async () => {
  const ran: number[] = [];
  const hands = fakeHands({ runCommand: async () => ran.push(1) });
  const { hub } = await openAll(hands);
  hub.tell(doorJob("job_1", 5));
  await vi.waitFor(() => expect(hub.saidOf("result")).not.toEqual([]), WAIT);
  hub.tell(doorJob("job_1", 4));
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result")).toContainEqual(
        expect.objectContaining({
          token: 4,
          error: expect.objectContaining({ code: "stale_token" }),
        }),
      ),
    WAIT,
  );
  expect(ran).toHaveLength(1);
});

test("[K76] JB2: after a restart the result is repeated, a lower token stays stale, nothing runs again", async () => {
  let runs = 0;
  const hands = fakeHands({ runCommand: async () => (runs += 1) });
  const { hub, setup, node } = await openAll(hands);
  hub.tell(doorJob("job_1", 5));
  await vi.waitFor(() => expect(hub.saidOf("result")).not.toEqual([]), WAIT);
  await node.stop();
  hub.said.length = 0;
  const again = await startNode(hub, setup);
  await serving(again);
  expect(hub.hellos.at(-1)?.holds).toEqual([{ job: "job_1", token: 5 }]);
  const result = { type: "result", job: "job_1", token: 5, result: 1 };
  await vi.waitFor(() => expect(hub.saidOf("result")).toContainEqual(result), WAIT);
  hub.tell(doorJob("job_1", 4), doorJob("job_1", 5));
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result").some(({ error }) => error?.code === "stale_token")).toBe(true),
    WAIT,
  );
  expect(runs).toBe(1);
});

test("JB1: a once-job that this node has forgotten is not done again when an old lease of it comes late", async () => {
  const hub = await openHub();
  const folder = await temporaryFolder();
  const journal = await openJournal(
    join(folder, "journal"),
    (value) => entrySchema.parse(value),
    () => {},
  );
  await journal.append({ type: "forgotten", token: 50 });
  await journal.close();
  const ran: string[] = [];
  const hands = fakeHands({ runCommand: async (name) => ran.push(name) });
  const node = await startNode(hub, { folder, identity: identityFor(hub), hands });
  await serving(node);
  const date = { ...doorJob("job_2", 50), input: { command: "date" } } as HubMessage;
  hub.tell(doorJob("job_1", 50), date, doorJob("job_3", 51));
  await vi.waitFor(
    () => expect(new Set(hub.saidOf("result").map(({ job }) => job)).size).toBe(3),
    WAIT,
  );
  const refused = hub.saidOf("result").filter(({ error }) => error?.code === "stale_token");
  expect(new Set(refused.map(({ job }) => job))).toEqual(new Set(["job_1"]));
  expect(ran.toSorted()).toEqual(["date", "open-door"]);
});

test("a cancelled job ends as cancelled, and one that was stopped as interrupted", async () => {
  const hands = fakeHands({
    runCommand: (_name, _args, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  });
  const { hub, node } = await openAll(hands);
  hub.tell(doorJob("job_1", 1), doorJob("job_2", 2), { type: "cancelJob", job: "job_1", token: 1 });
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result")).toMatchObject([{ job: "job_1", error: { code: "cancelled" } }]),
    WAIT,
  );
  await node.stop();
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result").at(-1)).toMatchObject({
        job: "job_2",
        error: { code: "interrupted" },
      }),
    WAIT,
  );
});
