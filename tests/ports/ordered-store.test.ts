// The exam of the OrderedStore port: the real adapter and the simulated one answer alike.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLevelStore } from "../../hub/adapters/level-store.ts";
import { openLogFolder } from "../../hub/adapters/log-folder.ts";
import type { OrderedStore } from "../../hub/ports.ts";
import { makeForgetfulStore } from "../support/forgetful-store.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

type Open = typeof openLevelStore;

const withStore =
  (open: Open) =>
  async (use: (store: OrderedStore, directory: string) => Promise<void>): Promise<void> => {
    const directory = await mkdtemp(join(tmpdir(), "gantry-store-"));
    const store = await open(join(directory, "db"), { createIfMissing: true });
    try {
      await use(store, join(directory, "db"));
    } finally {
      await store.close();
      await rm(directory, { recursive: true });
    }
  };

const EXAMINED: Record<string, (use: (store: OrderedStore) => Promise<void>) => Promise<void>> = {
  LevelDB: withStore(openLevelStore),
  "the folder of a log": withStore(openLogFolder),
  "the forgetful store": (use) => use(makeForgetfulStore()),
};

describe.each(Object.entries(EXAMINED))("OrderedStore: %s", (_name, withStore) => {
  it("reads back at once what a batch wrote, synced or not", () =>
    withStore(async (store) => {
      await store.batch([{ type: "put", key: "a", value: bytes("1") }], { sync: false });
      await store.batch(
        [
          { type: "put", key: "b", value: bytes("2") },
          { type: "del", key: "a" },
        ],
        { sync: true },
      );
      expect([text(store.getSync("a")), text(store.getSync("b"))]).toEqual([undefined, "2"]);
    }));

  it("gives ranges in byte order, both ways, with a limit", () =>
    withStore(async (store) => {
      const keys = ["b/2", "a/1", "b/10", "c"];
      await store.batch(
        keys.map((key) => ({ type: "put" as const, key, value: bytes(key) })),
        { sync: true },
      );
      const list = async (range: Parameters<OrderedStore["entries"]>[0]) =>
        (await Array.fromAsync(store.entries(range))).map(([key]) => key);
      expect(await list({})).toEqual(["a/1", "b/10", "b/2", "c"]);
      expect(await list({ gte: "b/", lt: "b0" })).toEqual(["b/10", "b/2"]);
      expect(await list({ reverse: true, limit: 2 })).toEqual(["c", "b/2"]);
    }));
});

describe.each<[string, Open]>([
  ["LevelDB", openLevelStore],
  ["the folder of a log", openLogFolder],
])("%s on a disk", (_name, open) => {
  it("refuses a directory that another holder has open", () =>
    withStore(open)(async (_store, directory) => {
      await expect(open(directory, { createIfMissing: false })).rejects.toMatchObject({
        code: "data_dir_locked",
      });
    }));

  it("does not make a directory for a reader", async () => {
    await expect(open("/nonexistent/gantry", { createIfMissing: false })).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("the forgetful store alone", () => {
  it("[M37] forgets at a power cut what was not synced, and only that", async () => {
    const store = makeForgetfulStore();
    await store.batch([{ type: "put", key: "a", value: bytes("1") }], { sync: false });
    await store.batch([{ type: "put", key: "b", value: bytes("2") }], { sync: true });
    await store.batch([{ type: "put", key: "c", value: bytes("3") }], { sync: false });
    store.cutPower();
    expect(["a", "b", "c"].map((key) => text(store.getSync(key)))).toEqual(["1", "2", undefined]);
  });
});
