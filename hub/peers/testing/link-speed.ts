// How fast the link between two hubs is on this machine: `node hub/peers/testing/link-speed.ts`.
// Two processes on loopback with CURVE; an append of one entry of 256 bytes is answered by a small message.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { curveKeyPair } from "zeromq";
import { openPeerLink } from "../../adapters/peer-link.ts";
import type { Message } from "../../consensus/types.ts";
import { openFrame, PASS_BYTES } from "../codec.ts";
import { decodeMessages, encodeMessages } from "../message-codec.ts";

const CODED = 200_000;
const ECHOED = 100_000;
const ROUND_TRIPS = 5_000;
const WINDOW = 256;
const KILLS = 9;

const data = new Uint8Array(256).fill(3);
const append = (index: number): Message => ({
  type: "append",
  from: "hub-1",
  to: "hub-2",
  term: 1,
  prevIndex: index,
  prevTerm: 1,
  commit: index,
  entries: [{ index: index + 1, term: 1, kind: "commands", data }],
});
const say = (name: string, value: string): void => void process.stdout.write(`${name}: ${value}\n`);

function codecUs(): number {
  const head = { clusterId: 5n, pass: new Uint8Array(PASS_BYTES) };
  const fromMs = performance.now();
  for (let index = 0; index < CODED; index += 1) {
    for (const frame of encodeMessages(head, [append(index)], () => {})) {
      decodeMessages(openFrame(frame, 5n).payload, "hub-1", "hub-2");
    }
  }
  return ((performance.now() - fromMs) * 1_000) / CODED;
}

const runs = [codecUs(), codecUs(), codecUs(), codecUs()].slice(1); // the first one compiles
say("encode and decode of one append, us", runs.map((us) => us.toFixed(2)).join(" "));

const own = curveKeyPair();
const other = curveKeyPair();
let heard = 0;
let onHeard = (): void => {};
let onUp = (): void => {};
let onDown = (): void => {};
const link = await openPeerLink({
  bind: "tcp://127.0.0.1:0",
  hubId: "hub-1",
  clusterId: 5n,
  keys: own,
  clock: systemClock,
  log: silentLogger,
  signal: new AbortController().signal,
  handler: {
    received(messages) {
      heard += messages.length;
      onHeard();
    },
    posted() {},
    connected: () => onUp(),
    lost: () => onDown(),
    piece: async () => undefined,
  },
});

async function start(bind: string) {
  const peers = [{ id: "hub-1", address: link.endpoint, publicKey: own.publicKey }];
  const options = JSON.stringify({ hubId: "hub-2", clusterId: "5", keys: other, bind, peers });
  const child = spawn(process.execPath, [join(import.meta.dirname, "peer-child.ts"), options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [address] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, address };
}
const up = (): Promise<void> => new Promise((resolve) => (onUp = resolve));
const echo = (): Promise<void> => new Promise((resolve) => (onHeard = resolve));

let { child, address } = await start("tcp://127.0.0.1:0");
const isUp = up();
link.use([{ id: "hub-2", address, publicKey: other.publicKey }]);
await isUp;
// The other direction is up when something comes back.
const isBack = echo();
for (const ready = new AbortController(); !ready.signal.aborted;) {
  link.send([append(0)]);
  const pause = systemClock.sleep(50, ready.signal).catch(() => {});
  await Promise.race([pause, isBack.then(() => ready.abort())]);
}

const tripsUs: number[] = [];
for (let index = 0; index < ROUND_TRIPS; index += 1) {
  const back = echo();
  const fromMs = performance.now();
  link.send([append(index)]);
  await back;
  tripsUs.push((performance.now() - fromMs) * 1_000);
}
tripsUs.sort((a, b) => a - b);
const quantile = (part: number): string =>
  (tripsUs[Math.floor(ROUND_TRIPS * part)] ?? 0).toFixed(0);
say("round trip, us, p50 and p99", `${quantile(0.5)} ${quantile(0.99)}`);

heard = 0;
let sent = 0;
const fromMs = performance.now();
await new Promise<void>((resolve) => {
  onHeard = () => {
    while (sent < ECHOED && sent - heard < WINDOW) {
      link.send([append(sent)]);
      sent += 1;
    }
    if (heard >= ECHOED) resolve();
  };
  onHeard();
});
const rate = (ECHOED * 1_000) / (performance.now() - fromMs);
say(`messages answered a second, ${WINDOW} open`, rate.toFixed(0));

const lostMs: string[] = [];
for (let kill = 0; kill < KILLS; kill += 1) {
  const down = new Promise<void>((resolve) => (onDown = resolve));
  const killedMs = performance.now();
  child.kill("SIGKILL");
  await down;
  lostMs.push((performance.now() - killedMs).toFixed(1));
  const again = up();
  ({ child } = await start(address));
  await again;
}
say("kill -9 of a process until `lost`, ms", lostMs.join(" "));
child.kill("SIGKILL");
await link.close();
