import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { curveKeyPair, Dealer, Router } from "zeromq";
import {
  deriveClusterId,
  deriveKeys,
  openPeerKeys,
  passesOf,
  randomClusterId,
} from "./peer-keys.ts";

const SECRET = "a secret of the whole workshop";
const CLUSTER = deriveClusterId(SECRET, ["hub-1", "hub-2", "hub-3"]);

async function dataDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-peer-keys-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

test("every founding hub computes the same id and keys, and others with anything else changed", () => {
  expect(CLUSTER).toMatch(/^[0-9a-f]{16}$/);
  expect(deriveClusterId(SECRET, ["hub-3", "hub-1", "hub-2"])).toBe(CLUSTER);
  expect(deriveKeys(SECRET, CLUSTER, "hub-1")).toEqual(deriveKeys(SECRET, CLUSTER, "hub-1"));
  const keys = [
    deriveKeys(SECRET, CLUSTER, "hub-1"),
    deriveKeys(SECRET, CLUSTER, "hub-2"),
    deriveKeys(`${SECRET}!`, CLUSTER, "hub-1"),
    deriveKeys(SECRET, randomClusterId(), "hub-1"),
    deriveKeys(new Uint8Array(32), CLUSTER, "hub-1"),
  ];
  expect(new Set(keys.map(({ publicKey }) => publicKey)).size).toBe(5);
  expect(new Set(keys.map(({ secretKey }) => secretKey)).size).toBe(5);
  expect(deriveClusterId(SECRET, ["hub-1"])).not.toBe(CLUSTER);
  expect(() => deriveKeys("too short", CLUSTER, "hub-1")).toThrow("fewer than 16");
});

test("ZeroMQ takes derived keys: a CURVE connection between two of them carries a message", async () => {
  const [server, client] = [
    deriveKeys(SECRET, CLUSTER, "hub-1"),
    deriveKeys(SECRET, CLUSTER, "hub-2"),
  ];
  const router = new Router({ curveServer: true, curveSecretKey: server.secretKey, linger: 0 });
  const dealer = new Dealer({
    curveServerKey: server.publicKey,
    curvePublicKey: client.publicKey,
    curveSecretKey: client.secretKey,
    linger: 0,
  });
  onTestFinished(() => {
    router.close();
    dealer.close();
  });
  await router.bind("tcp://127.0.0.1:0");
  dealer.connect(router.lastEndpoint ?? "");
  await dealer.send("hello");
  const [, bytes] = await router.receive();
  expect(bytes?.toString()).toBe("hello");
});

test("PK2: two hubs compute the same two passes; no third one does, and no other cluster", () => {
  const [one, two, three] = [curveKeyPair(), curveKeyPair(), curveKeyPair()];
  const passes = passesOf(one, two.publicKey, CLUSTER);
  expect(passesOf(two, one.publicKey, CLUSTER)).toEqual({ own: passes.theirs, theirs: passes.own });
  expect(passes.own).not.toEqual(passes.theirs);
  const liar = { publicKey: one.publicKey, secretKey: three.secretKey };
  expect(passesOf(liar, two.publicKey, CLUSTER).own).not.toEqual(passes.own);
  expect(passesOf(one, two.publicKey, randomClusterId()).own).not.toEqual(passes.own);
  const zero = "0".repeat(40); // the point of order 1: everybody shares its secret
  for (const bad of [zero, "short", "~".repeat(40)]) {
    expect(() => passesOf(one, bad, CLUSTER)).toThrow("no public key of a hub");
  }
});

test("PK1: keys are made once, are the hub's alone, and are never replaced by others", async () => {
  const folder = await dataDir();
  const derived = deriveKeys(SECRET, CLUSTER, "hub-1");
  expect(await openPeerKeys(folder, derived)).toEqual(derived);
  expect(await openPeerKeys(folder)).toEqual(derived);
  expect((await stat(join(folder, "keys", "peer.json"))).mode & 0o777).toBe(0o600);
  const other = deriveKeys(SECRET, CLUSTER, "hub-2");
  await expect(openPeerKeys(folder, other)).rejects.toMatchObject({ code: "bad_config" });
  const alone = await dataDir();
  const random = await openPeerKeys(alone);
  expect(await openPeerKeys(alone)).toEqual(random);
});
