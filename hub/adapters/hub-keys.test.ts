import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openHubKeys } from "./hub-keys.ts";

async function dataDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-keys-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

test("HK1: the keys are made once and are the hub's alone", async () => {
  const folder = await dataDir();
  const keys = await openHubKeys(folder);
  expect(keys.publicKey).toHaveLength(40);
  expect(await openHubKeys(folder)).toEqual(keys);
  expect((await stat(join(folder, "keys", "link.json"))).mode & 0o777).toBe(0o600);
});

test("HK1: damaged keys are never replaced", async () => {
  const folder = await dataDir();
  await openHubKeys(folder);
  await writeFile(join(folder, "keys", "link.json"), "{}");
  await expect(openHubKeys(folder)).rejects.toMatchObject({ code: "data_damaged" });
});
