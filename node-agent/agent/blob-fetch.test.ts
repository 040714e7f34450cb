import { expect, test } from "vitest";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import type { NodeMessage } from "@gantry/shared/contract/link.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { makeBlobFetch } from "./blob-fetch.ts";
import type { Outbox } from "./outbox.ts";
import type { BlobCache } from "./ports.ts";

/** Sleeps take no time and are written down. */
function eagerClock(): { clock: Clock; sleptMs: number[] } {
  const sleptMs: number[] = [];
  const clock: Clock = { ...systemClock, sleep: async (ms) => void sleptMs.push(ms) };
  return { clock, sleptMs };
}

const memoryCache = (): BlobCache & { readonly written: Uint8Array[] } => {
  const written: Uint8Array[] = [];
  return {
    written,
    find: async () => undefined,
    remove: async () => {},
    write: async () => ({
      write: async (bytes) => void written.push(bytes),
      finish: async () => "/blobs/x",
      abort: async () => void (written.length = 0),
    }),
  };
};

test("[D7] a hub that goes away is asked three times, 3 to 10 s apart, and then it is unreachable", async () => {
  const { clock, sleptMs } = eagerClock();
  const asked: NodeMessage[] = [];
  const outbox: Outbox = {
    use: () => {},
    tell: (message) => {
      asked.push(message);
      return false;
    },
  };
  const ports = { cache: memoryCache(), outbox, clock, random: seededRandom(4) };
  const { signal } = new AbortController();
  const fetching = makeBlobFetch(ports).fetch("a".repeat(64), 4, signal);
  await expect(fetching).rejects.toMatchObject({ code: "unreachable" });
  expect(asked).toHaveLength(3);
  expect(sleptMs).toHaveLength(2);
  for (const ms of sleptMs) expect(ms >= 3_000 && ms <= 10_000).toBe(true); // 4 s with its jitter
});

test("[D7] a piece that was lost with the session is asked for again and the file goes on", async () => {
  const { clock } = eagerClock();
  const cache = memoryCache();
  let asks = 0;
  const outbox: Outbox = {
    use: () => {},
    tell(message) {
      if (message.type !== "fetch") return true;
      asks += 1;
      const { sha256, offset } = message;
      const isLast = offset === 2;
      const bytes = Buffer.from(isLast ? "8\n" : "G2").toString("base64");
      queueMicrotask(() => {
        if (asks === 2) fetcher.onLost();
        else fetcher.onPiece({ type: "piece", sha256, offset, bytes, isLast });
      });
      return true;
    },
  };
  const fetcher = makeBlobFetch({ cache, outbox, clock, random: seededRandom(4) });
  await fetcher.fetch("a".repeat(64), 4, new AbortController().signal);
  expect(Buffer.concat(cache.written).toString()).toBe("G28\n");
  expect(asks).toBe(3);
});

test.for([
  { name: "fewer bytes than promised", bytes: "G", isLast: true },
  { name: "more bytes than promised", bytes: "G28\n\n", isLast: false },
  { name: "an empty piece that is not the last", bytes: "", isLast: false },
])("BF2: $name is a checksum_mismatch and nothing is kept", async ({ bytes, isLast }) => {
  const cache = memoryCache();
  const outbox: Outbox = {
    use: () => {},
    tell(message) {
      if (message.type !== "fetch") return true;
      const { sha256, offset } = message;
      const text = Buffer.from(bytes).toString("base64");
      queueMicrotask(() => fetcher.onPiece({ type: "piece", sha256, offset, bytes: text, isLast }));
      return true;
    },
  };
  const ports = { cache, outbox, clock: eagerClock().clock, random: seededRandom(4) };
  const fetcher = makeBlobFetch(ports);
  const fetching = fetcher.fetch("a".repeat(64), 4, new AbortController().signal);
  await expect(fetching).rejects.toMatchObject({ code: "checksum_mismatch" });
  expect(cache.written).toEqual([]);
});
