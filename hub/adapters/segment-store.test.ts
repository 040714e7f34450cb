import { cp, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import type { OrderedStore, StoreOperation } from "../ports.ts";
import { openLevelStore } from "./level-store.ts";
import { openLogFolder } from "./log-folder.ts";
import { decodeHead, HEAD_BYTES, lookForRecord } from "./segment-format.ts";
import { openSegmentStore } from "./segment-store.ts";

const SMALL = 4_096;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (key: string, text: string): StoreOperation => ({
  type: "put",
  key,
  value: bytes(text),
});
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-segments-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

let salts = 0;
const openSmall = (folder: string): Promise<OrderedStore> =>
  openSegmentStore(folder, {
    segmentBytes: SMALL,
    drawSalt: () => Buffer.from(`salt${String((salts += 1)).padStart(4, "0")}`),
  });

async function contentOf(store: OrderedStore): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const [key, value] of store.entries({})) found[key] = new TextDecoder().decode(value);
  return found;
}

/** The newest file that has records, and where they end in it. */
async function lastSegment(folder: string): Promise<{ path: string; records: number[] }> {
  const found: { path: string; records: number[] }[] = [];
  for (const name of (await readdir(folder)).filter((each) => each.endsWith(".seg")).toSorted()) {
    const path = join(folder, name);
    const all = await readFile(path);
    const head = decodeHead(all, Number.parseInt(name, 10));
    if (head === undefined) continue;
    const records: number[] = [];
    for (let at = HEAD_BYTES; ;) {
      const look = lookForRecord(all, at, head.salt);
      if (look.kind !== "record") break;
      records.push(at);
      at += look.record.size;
    }
    found.push({ path, records });
  }
  const last = found.at(-1);
  if (last === undefined) throw new Error(`no segment in ${folder}`);
  return last;
}

async function overwrite(path: string, at: number, what: Uint8Array): Promise<void> {
  await using file = await open(path, "r+");
  await file.write(what, 0, what.length, at);
}

describe("a store of segments", () => {
  it(
    "is an ordered map, however it is written, closed and opened again",
    { timeout: 120_000 },
    async () => {
      const key = fc.integer({ min: 0, max: 30 }).map((n) => `k${String(n).padStart(2, "0")}`);
      const operation = fc.oneof(
        { weight: 3, arbitrary: fc.tuple(key, fc.integer({ min: 0, max: 1_500 })) },
        { weight: 1, arbitrary: fc.tuple(key, fc.constant(undefined)) },
      );
      const step = fc.oneof(
        {
          weight: 8,
          arbitrary: fc.record({
            operations: fc.array(operation, { maxLength: 5 }),
            sync: fc.boolean(),
          }),
        },
        { weight: 1, arbitrary: fc.constant("reopen" as const) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const folder = await makeFolder();
          let store = await openSmall(folder);
          const model = new Map<string, string>();
          for (const [turn, one] of steps.entries()) {
            if (one === "reopen") {
              await store.close();
              store = await openSmall(folder);
            } else {
              const operations = one.operations.map(([name, size]): StoreOperation => {
                if (size === undefined) return { type: "del", key: name };
                return put(name, `${turn}`.padEnd(size, "."));
              });
              await store.batch(operations, { sync: one.sync });
              for (const [at, [name, size]] of one.operations.entries()) {
                if (size === undefined) model.delete(name);
                else {
                  const written = operations[at];
                  if (written?.type === "put")
                    model.set(name, new TextDecoder().decode(written.value));
                }
              }
            }
            const expected = [...model].toSorted(([a], [b]) => (a < b ? -1 : 1));
            expect(Object.entries(await contentOf(store))).toEqual(expected);
          }
          await store.close();
        }),
        { numRuns: 60 },
      );
    },
  );

  it("SS1: a power cut at any byte of the last write leaves all or nothing of it", async () => {
    const folder = await makeFolder();
    const store = await openSmall(folder);
    await store.batch([put("a", "1"), put("b", "1")], { sync: true });
    await store.batch([put("b", "2")], { sync: false });
    await store.batch([put("a", "2"), { type: "del", key: "gone" }, put("c", "x".repeat(200))], {
      sync: true,
    });
    await store.close();
    const { path, records } = await lastSegment(folder);
    const whole = await readFile(path);
    const from = records.at(-1) ?? 0;
    const look = lookForRecord(whole, from, decodeHead(whole, 1)?.salt ?? new Uint8Array());
    const size = look.kind === "record" ? look.record.size : 0;
    expect(size).toBeGreaterThan(200);
    for (let kept = 0; kept <= size; kept += 1) {
      const copy = await makeFolder();
      const torn = Buffer.from(whole);
      torn.fill(0, from + kept, from + size);
      await writeFile(join(copy, "000000000001.seg"), torn);
      const again = await openSmall(copy);
      const found = await contentOf(again);
      // The last bytes are letters and never 0: what is cut off is missed.
      const all = { a: "2", b: "2", c: "x".repeat(200) };
      expect(found).toEqual(kept === size ? all : { a: "1", b: "1" });
      await again.batch([put("d", "4")], { sync: true });
      await again.close();
      const third = await openSmall(copy);
      expect(await contentOf(third)).toEqual({ ...found, d: "4" });
      await third.close();
    }
  });

  it("SS5: a turned bit costs its own record, and nothing that others hold", async () => {
    const folder = await makeFolder();
    const store = await openSmall(folder);
    for (let n = 0; n < 9; n += 1) await store.batch([put(`k${n}`, `v${n}`)], { sync: true });
    await store.close();
    const { path, records } = await lastSegment(folder);
    const random = seededRandom(7);
    for (let round = 0; round < 60; round += 1) {
      const copy = await makeFolder();
      await cp(folder, copy, { recursive: true });
      const victim = between(random, 0, 8);
      const from = records[victim] ?? 0;
      const until = records[victim + 1] ?? from + 20;
      const at = between(random, from, until - 1);
      const target = path.replace(folder, copy);
      const byte = (await readFile(target))[at] ?? 0;
      await overwrite(target, at, Uint8Array.of(byte ^ (1 << between(random, 0, 7))));
      const again = await openSmall(copy);
      const found = await contentOf(again);
      expect(found[`k${victim}`]).toBeUndefined();
      for (let n = 0; n < victim; n += 1) expect(found[`k${n}`]).toBe(`v${n}`);
      for (const [name, value] of Object.entries(found)) expect(value).toBe(name.replace("k", "v"));
      await again.batch([put("after", "1")], { sync: true });
      await again.close();
      const third = await openSmall(copy);
      expect(await contentOf(third)).toEqual({ ...found, after: "1" });
      await third.close();
    }
  });

  it("SS3, SS4: a log that is trimmed needs few files, and keeps what never changes", async () => {
    const folder = await makeFolder();
    let store = await openSmall(folder);
    await store.batch([put("h", "head"), put("o", "offset")], { sync: true });
    for (let n = 0; n < 400; n += 1) {
      await store.batch([put(`e${String(n).padStart(6, "0")}`, "x".repeat(300))], { sync: true });
      if (n >= 10) {
        const old = `e${String(n - 10).padStart(6, "0")}`;
        await store.batch([{ type: "del", key: old }], { sync: false });
      }
      if (n % 50 !== 49) continue;
      await store.close();
      store = await openSmall(folder);
      const found = await contentOf(store);
      expect(Object.keys(found)).toHaveLength(12);
      expect([found["h"], found["o"]]).toEqual(["head", "offset"]);
    }
    const names = await readdir(folder);
    expect(names.length).toBeLessThanOrEqual(6);
    expect((await stat(join(folder, names[0] ?? ""))).size).toBe(SMALL);
    await store.close();
  });

  it("reads a view of the moment of the call while segments come and go", async () => {
    const folder = await makeFolder();
    const store = await openSmall(folder);
    const names = Array.from({ length: 12 }, (_, n) => `e${n}`.padEnd(4, "_"));
    for (const name of names) await store.batch([put(name, name.repeat(100))], { sync: true });
    const view = store.entries({});
    for (let n = 0; n < 80; n += 1) {
      const operations = names.map((name): StoreOperation => ({ type: "del", key: name }));
      await store.batch([...operations, put("new", "y".repeat(700))], { sync: true });
    }
    const found = await Array.fromAsync(view);
    expect(found.map(([key]) => key)).toEqual(names.toSorted());
    for (const [key, value] of found) expect(new TextDecoder().decode(value)).toBe(key.repeat(100));
    await store.close();
  });

  it("takes a batch that is larger than a segment", async () => {
    const folder = await makeFolder();
    const store = await openSmall(folder);
    await store.batch([put("a", "1")], { sync: true });
    await store.batch([put("large", "z".repeat(3 * SMALL))], { sync: true });
    await store.batch([put("b", "2")], { sync: true });
    await store.close();
    const again = await openSmall(folder);
    expect((await contentOf(again))["large"]).toHaveLength(3 * SMALL);
    expect(again.getSync("b")).toEqual(bytes("2"));
    await again.close();
  });

  it("puts a file aside whose head cannot be read, and never writes over it", async () => {
    const folder = await makeFolder();
    const store = await openSmall(folder);
    await store.batch([put("a", "1")], { sync: true });
    await store.close();
    await overwrite(join(folder, "000000000001.seg"), 10, Uint8Array.of(0xff, 0xfe));
    const again = await openSmall(folder);
    expect(await contentOf(again)).toEqual({});
    await again.batch([put("b", "2")], { sync: true });
    await again.close();
    expect((await readdir(folder)).toSorted()).toEqual([
      "000000000001.seg",
      "000000000001.seg.damaged",
    ]);
  });

  it("a write that fails changes nothing, and the next one takes its place", async () => {
    const folder = await makeFolder();
    const store = await openSmall(folder);
    await store.batch([put("a", "1")], { sync: true });
    await rm(folder, { recursive: true }); // no new segment can be made
    const large = store.batch([put("a", "2"), put("b", "x".repeat(2 * SMALL))], { sync: true });
    await expect(large).rejects.toMatchObject({ code: "io_error" });
    expect(await contentOf(store)).toEqual({ a: "1" });
    await expect(store.batch([put("c", "3")], { sync: true })).resolves.toBeUndefined();
    expect(await contentOf(store)).toEqual({ a: "1", c: "3" });
    await store.close();
  });
});

describe("the folder of a log", () => {
  it("LF2: takes over a log that LevelDB holds, also when it was ended in the middle of that", async () => {
    const folder = await makeFolder();
    const level = await openLevelStore(folder, { createIfMissing: true });
    const expected: Record<string, string> = {};
    for (let n = 0; n < 700; n += 1) expected[`e${String(n).padStart(5, "0")}`] = `value ${n}`;
    await level.batch(
      Object.entries(expected).map(([key, text]) => put(key, text)),
      { sync: true },
    );
    await level.close();
    const half = await openSegmentStore(join(folder, "segments"), {
      drawSalt: () => Buffer.alloc(8, 1),
    });
    await half.batch([put("e00000", "half done"), put("stale", "1")], { sync: true });
    await half.close();
    const moved = await openLogFolder(folder, { createIfMissing: false });
    expect(await contentOf(moved)).toEqual(expected);
    await moved.batch([put("e00700", "new")], { sync: true });
    await moved.close();
    const again = await openLogFolder(folder, { createIfMissing: false });
    expect(await contentOf(again)).toEqual({ ...expected, e00700: "new" });
    await again.close();
  });

  it("LF3: keeps the segments when LevelDB has lost its files", async () => {
    const folder = await makeFolder();
    const store = await openLogFolder(folder, { createIfMissing: true });
    await store.batch([put("a", "1")], { sync: true });
    await store.close();
    await rm(join(folder, "CURRENT"));
    const again = await openLogFolder(folder, { createIfMissing: true });
    expect(await contentOf(again)).toEqual({ a: "1" });
    await again.close();
  });
});
