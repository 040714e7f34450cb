import { expect, it } from "vitest";
import type { Item } from "../queues/item.ts";
import { makeFakeHub } from "../registry/testing/fake-hub.ts";
import type { Queues } from "./queues.ts";
import { makeWorkEnds } from "./work-ends.ts";
import { makeStreams } from "./work-streams.ts";

it("ends of a turn are one command, or as few as their results leave room for", async () => {
  const fake = makeFakeHub();
  const lease = { worker: "w", token: 1, atMs: 0, endsAtMs: 1, isEnding: false };
  const items = new Map<string, Item>();
  const scheduler = {
    get(id: string) {
      const item = items.get(id) ?? ({ id, queue: "q", needs: "", lease: { ...lease } } as Item); // all that ends read
      items.set(id, item);
      return item;
    },
  };
  const { ended } = makeWorkEnds({
    hub: fake.hub,
    queues: { scheduler } as unknown as Queues, // as above
    streams: makeStreams(),
    look() {},
    signal: new AbortController().signal,
  });
  const end = (job: string, result: unknown) => ended([{ job, token: 1, result }]);
  const long = "x".repeat(300_000);
  const late = await Promise.all([
    end("a", "short"),
    end("b", null),
    end("c", long),
    end("d", [long]),
    end("e", 1),
  ]);
  expect(late).toEqual(["a", "b", "c", "d", "e"].map((job) => [job])); // this ledger has no such job
  const jobs = fake.proposed.map((command) =>
    command.type === "jobsEnded" ? command.ends.map(({ job }) => job) : [],
  );
  expect(jobs).toEqual([
    ["a", "b", "c"],
    ["d", "e"],
  ]);
});
