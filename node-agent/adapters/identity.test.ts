import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeIdentity, readIdentity, writeIdentity } from "./identity.ts";

async function dataDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-identity-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("ID1: who a node is survives, before and after its enrolment, for its owner's eyes only", async () => {
  const folder = await dataDir();
  expect(await readIdentity(folder)).toBeUndefined();
  const fresh = makeIdentity("k".repeat(40));
  await writeIdentity(folder, fresh);
  expect(await readIdentity(folder)).toEqual(fresh);
  await writeIdentity(folder, { ...fresh, node: "node_1" });
  expect(await readIdentity(folder)).toEqual({ ...fresh, node: "node_1" });
  expect((await stat(join(folder, "agent", "identity.json"))).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, "agent"))).mode & 0o777).toBe(0o700);
  expect(makeIdentity("k".repeat(40)).secret).not.toBe(fresh.secret);
});

test("ID1: all hubs and the highest reign are kept; a file from before there were several is read", async () => {
  const folder = await dataDir();
  const old = { ...makeIdentity("k".repeat(40)), node: "node_1" };
  await writeIdentity(folder, old);
  expect(await readIdentity(folder)).toEqual(old);
  const hubs = [{ id: "hub_1", address: "tcp://10.0.0.1:9002", publicKey: "h".repeat(40) }];
  const next = { ...old, hubs, reign: { cluster: "c1", term: 3 } };
  await writeIdentity(folder, next);
  expect(await readIdentity(folder)).toEqual(next);
});

test("ID2: a damaged identity is said and never replaced", async () => {
  const folder = await dataDir();
  await writeIdentity(folder, makeIdentity("k".repeat(40)));
  await writeFile(join(folder, "agent", "identity.json"), '{"node": "node_1"}');
  await expect(readIdentity(folder)).rejects.toMatchObject({ code: "data_damaged" });
});
