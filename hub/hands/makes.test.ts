import { sha256 } from "@gantry/shared/base/digest.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import { expect, it, vi } from "vitest";
import type { ClusterBlobs } from "../cluster/blobs.ts";
import type { Hub } from "../hub.ts";
import { makeMakes } from "./makes.ts";

type Keep = Extract<NodeMessage, { type: "keep" }>;
type Kept = Extract<HubMessage, { type: "kept" }>;

const BYTES = Buffer.from("a part, as bytes");
const FILE = { job: "job_1", token: 7, sha256: sha256(BYTES), sizeBytes: BYTES.length };

function bench({ isStored = false, spread = () => Promise.resolve() } = {}) {
  const said: Kept[] = [];
  const writers: { bytes: Buffer; isAborted: boolean }[] = [];
  const job = { state: "leased", lease: { node: "node_1", token: 7 } };
  let nowMs = 0;
  const hub = {
    rows: { get: (_table: string, id: string) => (id.startsWith("job_") ? job : undefined) },
    clock: { monotonic: () => nowMs },
    log: { warn: () => {} },
  } as unknown as Hub; // all that it uses
  const blobs = {
    spread,
    store: {
      size: async () => (isStored ? BYTES.length : undefined),
      write: async () => {
        const writer = { bytes: Buffer.alloc(0), isAborted: false };
        writers.push(writer);
        return {
          write: async (piece: Uint8Array) =>
            void (writer.bytes = Buffer.concat([writer.bytes, piece])),
          finish: async () => ({ sha256: sha256(writer.bytes), sizeBytes: writer.bytes.length }),
          abort: async () => void (writer.isAborted = true),
        };
      },
    },
  } as unknown as ClusterBlobs;
  const makes = makeMakes(
    hub,
    blobs,
    (_node, message) => said.push(message as Kept),
    new AbortController().signal,
  );
  return {
    makes,
    writers,
    job,
    pass: (ms: number) => (nowMs += ms),
    keep: async (
      offset: number,
      piece: Buffer,
      changes: Partial<Keep> = {},
      node = "node_1",
    ): Promise<Kept | undefined> => {
      const before = said.length;
      makes.keep(node, {
        type: "keep",
        ...FILE,
        offset,
        bytes: piece.toString("base64"),
        ...changes,
      });
      await vi.waitFor(() => expect(said.length).toBe(before + 1));
      return said.at(-1);
    },
  };
}

it("takes a file piece by piece, and says that it is whole only when enough hubs have it", async () => {
  const spread = vi.fn(() => Promise.resolve());
  const { keep, writers } = bench({ spread });
  expect(await keep(0, BYTES.subarray(0, 6))).toMatchObject({ offset: 6, isWhole: false });
  expect(spread).not.toHaveBeenCalled();
  expect(await keep(6, BYTES.subarray(6))).toMatchObject({ offset: BYTES.length, isWhole: true });
  expect(spread).toHaveBeenCalledWith(FILE.sha256, expect.anything());
  expect(writers[0]?.bytes.toString()).toBe("a part, as bytes");
});

it("says where to go on from: at the beginning where it has nothing, at the end where it has all", async () => {
  expect(await bench().keep(6, BYTES.subarray(6))).toMatchObject({ offset: 0, isWhole: false });
  const { keep } = bench();
  await keep(0, BYTES.subarray(0, 6));
  expect(await keep(0, BYTES.subarray(0, 6))).toMatchObject({ offset: 6, isWhole: false });
  expect(await bench({ isStored: true }).keep(0, BYTES)).toMatchObject({
    offset: BYTES.length,
    isWhole: true,
  });
});

it("listens to nobody but who has the lease", async () => {
  const { keep, makes, job } = bench();
  expect(await keep(0, BYTES, {}, "node_2")).toMatchObject({ error: { code: "stale_token" } });
  expect(await keep(0, BYTES, { token: 6 })).toMatchObject({ error: { code: "stale_token" } });
  makes.stepped("node_2", { type: "makeStep", job: "job_1", token: 7, step: "render", share: 0.5 });
  expect(makes.stepOf("job_1")).toBeUndefined();
  makes.stepped("node_1", { type: "makeStep", job: "job_1", token: 7, step: "render", share: 0.5 });
  expect(makes.stepOf("job_1")).toEqual({ step: "render", share: 0.5 });
  makes.ended("job_1");
  expect(makes.stepOf("job_1")).toBeUndefined();
  job.state = "cancelled";
  expect(await keep(0, BYTES)).toMatchObject({ error: { code: "stale_token" } });
});

it("refuses other bytes than were promised, and too many, and leaves nothing of them", async () => {
  const { keep, writers } = bench();
  expect(await keep(0, Buffer.from("b part, as bytes"))).toMatchObject({
    error: { code: "checksum_mismatch" },
  });
  expect(await keep(0, Buffer.from("x".repeat(99)))).toMatchObject({
    error: { code: "checksum_mismatch" },
  });
  expect(writers.slice(1).every(({ isAborted }) => isAborted)).toBe(true);
  expect(await keep(0, BYTES, { sizeBytes: LIMIT.modelBytes.max + 1 })).toMatchObject({
    error: { code: "too_large" },
  });
});

it("bounds what is under way; what nobody goes on with makes room, and so does a node that left", async () => {
  const { keep, pass, makes, writers } = bench();
  const begin = (place: number) => keep(0, BYTES.subarray(0, 1), { job: `job_${place}` });
  for (let place = 0; place < LIMIT.partFiles.max; place += 1) await begin(place);
  expect(await begin(1_000)).toMatchObject({ error: { code: "busy" } });
  pass(60_000);
  expect(await begin(1_001)).toMatchObject({ offset: 1, isWhole: false });
  expect(writers.filter(({ isAborted }) => isAborted).length).toBe(LIMIT.partFiles.max);
  makes.left("node_1");
  await vi.waitFor(() => expect(writers.every(({ isAborted }) => isAborted)).toBe(true));
});
