import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { BlobStore } from "../ports.ts";
import { openBlobFiles } from "./blob-files.ts";

const HELLO = sha256("hello world");
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (of: string): Uint8Array => new TextEncoder().encode(of);

async function makeStore(): Promise<{ store: BlobStore; dir: string } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), "gantry-blobs-"));
  return {
    store: await openBlobFiles(dir),
    dir,
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

async function put(store: BlobStore, ...pieces: readonly string[]): Promise<string> {
  const writer = await store.write();
  for (const piece of pieces) await writer.write(bytes(piece));
  return (await writer.finish()).sha256;
}

const pathOf = (dir: string, name: string): string =>
  join(dir, name.slice(0, 2), name.slice(2, 4), name);

describe("blobs in files", () => {
  it("keeps bytes under their hash and reads any part of them", async () => {
    await using blobs = await makeStore();
    expect(await put(blobs.store, "hello", " world")).toBe(HELLO);
    expect(await blobs.store.has(HELLO)).toBe(true);
    expect(text(await blobs.store.read(HELLO, 6, 5))).toBe("world");
    expect(await readdir(join(blobs.dir, "temp"))).toEqual([]);
  });

  it("[A22] takes the same content twice and keeps it once", async () => {
    await using blobs = await makeStore();
    await Promise.all([put(blobs.store, "hello world"), put(blobs.store, "hello world")]);
    expect(text(await blobs.store.read(HELLO, 0, 11))).toBe("hello world");
    const found = await readdir(blobs.dir, { recursive: true, withFileTypes: true });
    expect(found.filter((each) => each.isFile()).map(({ name }) => name)).toEqual([HELLO]);
  });

  it("says not_found for what it does not have", async () => {
    await using blobs = await makeStore();
    expect(await blobs.store.has(HELLO)).toBe(false);
    await expect(blobs.store.read(HELLO, 0, 1)).rejects.toMatchObject({ code: "not_found" });
  });

  it("[A15] finds damage before it gives a byte", async () => {
    await using blobs = await makeStore();
    await put(blobs.store, "hello world");
    await writeFile(pathOf(blobs.dir, HELLO), "hello w0rld");
    const damaged = { code: "data_damaged" };
    await expect(blobs.store.read(HELLO, 0, 5)).rejects.toMatchObject(damaged);
  });

  it("gives fewer bytes at the end, and none past it", async () => {
    await using blobs = await makeStore();
    await put(blobs.store, "hello world");
    expect(await blobs.store.read(HELLO, 6, 50)).toEqual(bytes("world"));
    expect(await blobs.store.read(HELLO, 11, 50)).toEqual(bytes(""));
  });

  it("leaves nothing of an aborted writer", async () => {
    await using blobs = await makeStore();
    const writer = await blobs.store.write();
    await writer.write(bytes("half"));
    await writer.abort();
    expect(await readdir(join(blobs.dir, "temp"))).toEqual([]);
  });

  it("never uses a name that is not a hash", async () => {
    await using blobs = await makeStore();
    await expect(blobs.store.read("../../etc/passwd", 0, 1)).rejects.toThrow(/sha256/);
  });

  it("[A22] sweeps what is old and not referenced, and temp files of a crash", async () => {
    await using blobs = await makeStore();
    const kept = await put(blobs.store, "kept");
    const old = await put(blobs.store, "old");
    const young = await put(blobs.store, "young");
    const crashed = join(blobs.dir, "temp", "crashed");
    await writeFile(crashed, "half");
    const longAgo = new Date(Date.now() - 3_600_000);
    for (const path of [pathOf(blobs.dir, kept), pathOf(blobs.dir, old), crashed]) {
      await utimes(path, longAgo, longAgo);
    }
    expect(await blobs.store.sweep((name) => name === kept, 60_000)).toBe(2);
    expect(await blobs.store.has(kept)).toBe(true);
    expect(await blobs.store.has(young)).toBe(true);
    expect(await blobs.store.has(old)).toBe(false);
    expect(await readdir(join(blobs.dir, "temp"))).toEqual([]);
  });
});
