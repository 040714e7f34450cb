// The log's segments on the real disk: a process that writes and trims is killed with SIGKILL again and
// again, at any moment of making, filling and reusing its files.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import { expect, it } from "vitest";
import { openSegmentStore } from "../../hub/adapters/segment-store.ts";
import { ROOT } from "../support/appliance.ts";
import { entryAt, entryKey, KEPT, numberIn, SEGMENT_BYTES } from "./segments-log.ts";

const NODE = join(ROOT, "node_modules", ".bin", "node");
const CHILD = join(import.meta.dirname, "segments-child.ts");
/** KILL_ROUNDS=100 for a long run. */
const ROUNDS = Number(process.env["KILL_ROUNDS"] ?? 8);

/** The last entry that was acknowledged before the process was killed, so many later. */
async function killAfter(acks: number, folder: string): Promise<number> {
  const child = spawn(NODE, [CHILD, folder], { stdio: ["ignore", "pipe", "pipe"] });
  const faults: Buffer[] = [];
  child.stderr.on("data", (bytes: Buffer) => faults.push(bytes));
  const exited = once(child, "exit");
  let [seen, last] = [0, 0];
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith("ack ")) continue;
    last = Number(line.slice(4));
    seen += 1;
    if (seen === acks) child.kill("SIGKILL");
  }
  const [, signal] = await exited;
  expect(Buffer.concat(faults).toString()).toBe("");
  expect(signal).toBe("SIGKILL");
  return last;
}

it(
  "[K63] kill -9 while segments are filled, trimmed and used again: what was synced is there",
  {
    timeout: 60_000 + ROUNDS * 10_000,
  },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "gantry-segments-kill-"));
    const random = seededRandom(Math.floor(Math.random() * 2 ** 32));
    let acked = 0;
    try {
      for (let round = 0; round < ROUNDS; round += 1) {
        acked = await killAfter(between(random, 1, 300), folder);
        const store = await openSegmentStore(folder, {
          segmentBytes: SEGMENT_BYTES,
          drawSalt: () => new Uint8Array(8),
        });
        const [offset, last] = [numberIn(store.getSync("offset")), numberIn(store.getSync("last"))];
        expect(last).toBeGreaterThanOrEqual(acked);
        const entries = await Array.fromAsync(store.entries({ gte: "e/", lt: "e0" }));
        const expected = Array.from({ length: last - offset }, (_, n) => entryKey(offset + 1 + n));
        expect(entries.map(([key]) => key)).toEqual(expected);
        for (const [at, [, value]] of entries.entries()) {
          expect(Buffer.compare(value, entryAt(offset + 1 + at))).toBe(0);
        }
        expect(entries.length).toBeLessThan(2 * KEPT);
        expect((await readdir(folder)).length).toBeLessThanOrEqual(12);
        await store.close();
      }
      expect(acked).toBeGreaterThan(ROUNDS);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
