import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { openBlobCache } from "./blob-cache.ts";

const bytes = Buffer.from("G28\n");
const hash = sha256(bytes);

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-blobs-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("BC1: a blob gets its name when its bytes have its hash, and is found by it", async () => {
  const folder = await temporaryFolder();
  const cache = await openBlobCache(folder);
  expect(await cache.find(hash)).toBeUndefined();
  const sink = await cache.write(hash);
  await sink.write(bytes.subarray(0, 2));
  await sink.write(bytes.subarray(2));
  expect(await cache.find(hash)).toBeUndefined();
  const path = await sink.finish();
  expect(await readFile(path)).toEqual(bytes);
  expect(await cache.find(hash)).toBe(path);
  await cache.remove(hash);
  expect(await readdir(folder)).toEqual([]);
});

test("BC1: other bytes are refused, and a blob that rotted on the disk is not found", async () => {
  const folder = await temporaryFolder();
  const cache = await openBlobCache(folder);
  const sink = await cache.write(hash);
  await sink.write(Buffer.from("M112\n"));
  await expect(sink.finish()).rejects.toMatchObject({ code: "checksum_mismatch" });
  expect(await readdir(folder)).toEqual([]);
  await writeFile(join(folder, hash), "G29\n");
  expect(await cache.find(hash)).toBeUndefined();
});

test("BC2: half-fetched files are swept at the start; a name that is no hash is refused", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, `${hash}.part`), "G2");
  const cache = await openBlobCache(folder);
  expect(await readdir(folder)).toEqual([]);
  await expect(cache.find("../../etc/passwd")).rejects.toMatchObject({ code: "bad_request" });
});
