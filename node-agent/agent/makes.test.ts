// Jobs that make parts, over the true link: steps, files piece by piece, the result, and what goes wrong.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CadOrder, Made } from "@gantry/shared/contract/cad.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import { expect, it, vi } from "vitest";
import { fakeHands, openAll, WAIT } from "./node.test.support.ts";
import type { PartHands } from "./ports.ts";

const BYTES = Uint8Array.from({ length: 600_000 }, (_, index) => index % 251);
const MESH = {
  triangles: 1,
  vertices: 3,
  sizeMm: { x: 1, y: 1, z: 1 },
  minMm: { x: 0, y: 0, z: 0 },
  volumeMm3: 1,
};

const parts = (changes: Partial<PartHands> = {}): PartHands => ({
  facts: () => ({ cad: { version: "1.0", isIsolated: true } }),
  async render(_order: CadOrder, tools): Promise<Made> {
    tools.onStep("render", 0.5);
    return { stl: await tools.keep(BYTES), mesh: MESH, tookMs: { render: 1 } };
  },
  slice: () => Promise.reject(new GantryError("capability_missing", "no slicer")),
  ...changes,
});
const job = (token = 7): HubMessage => ({
  type: "job",
  job: "job_1",
  token,
  kind: "cad",
  input: { source: "cube(1);", isFree: false },
  timeoutMs: 60_000,
});

const order = (name: string, source: string, timeoutMs: number): HubMessage =>
  ({ ...job(), job: name, input: { source, isFree: false }, timeoutMs }) as HubMessage;

/** Takes pieces as a hub does. `onPiece` may answer otherwise. */
function receiver(hub: {
  saidOf: Awaited<ReturnType<typeof openAll>>["hub"]["saidOf"];
  tell: (message: HubMessage) => void;
}) {
  const taken = Buffer.alloc(BYTES.length);
  let seen = 0;
  return {
    taken,
    answer: (
      change: (
        piece: Extract<NodeMessage, { type: "keep" }>,
      ) => Partial<Extract<HubMessage, { type: "kept" }>> = () => ({}),
    ): void => {
      for (const piece of hub.saidOf("keep").slice(seen)) {
        seen += 1;
        const bytes = Buffer.from(piece.bytes, "base64");
        bytes.copy(taken, piece.offset);
        const offset = piece.offset + bytes.length;
        const isWhole = offset === piece.sizeBytes;
        hub.tell({
          type: "kept",
          job: piece.job,
          sha256: piece.sha256,
          offset,
          isWhole,
          ...change(piece),
        });
      }
    },
  };
}

it("says what it can make, how far it is, and hands over the file before the result", async () => {
  const { hub } = await openAll(fakeHands({ parts: parts() }));
  await vi.waitFor(
    () => expect(hub.hellos.at(-1)?.capabilities.cad).toEqual({ version: "1.0", isIsolated: true }),
    WAIT,
  );
  const { taken, answer } = receiver(hub);
  hub.tell(job());
  await vi.waitFor(() => {
    answer();
    expect(hub.saidOf("result").length).toBe(1);
  }, WAIT);
  expect(hub.saidOf("makeStep")).toEqual([
    { type: "makeStep", job: "job_1", token: 7, step: "render", share: 0.5 },
  ]);
  expect(hub.saidOf("keep").map(({ offset }) => offset)).toEqual([0, 262_144, 524_288]);
  expect(sha256(taken)).toBe(sha256(BYTES));
  expect(hub.saidOf("result")[0]).toMatchObject({
    job: "job_1",
    token: 7,
    result: { stl: { sha256: sha256(BYTES), sizeBytes: BYTES.length } },
  });
});

it("begins again where the hub wants it, and gives up with the hub's own words", async () => {
  const { hub } = await openAll(fakeHands({ parts: parts() }));
  const { answer } = receiver(hub);
  let hasLost = false;
  hub.tell(job());
  await vi.waitFor(() => {
    answer(({ offset }) => {
      if (offset === 0 || hasLost) return {};
      hasLost = true; // another hub leads, and has none of it
      return { offset: 0, isWhole: false };
    });
    expect(hub.saidOf("result").length).toBe(1);
  }, WAIT);
  expect(hub.saidOf("keep").map(({ offset }) => offset)).toEqual([0, 262_144, 0, 262_144, 524_288]);
  hub.tell({ type: "recorded", job: "job_1", token: 7 });

  hub.tell({ ...job(9), job: "job_2" } as HubMessage);
  await vi.waitFor(() => {
    answer(() => ({ isWhole: false, error: { code: "disk_full", message: "No room at the hub" } }));
    expect(hub.saidOf("result").at(-1)).toMatchObject({
      job: "job_2",
      error: { code: "disk_full" },
    });
  }, WAIT);
});

it("ends the work when it is cancelled", async () => {
  let ended: unknown;
  const hangs: PartHands["render"] = (_order, _tools, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        ended = signal.reason;
        reject(signal.reason as Error);
      });
    });
  const { hub } = await openAll(fakeHands({ parts: parts({ render: vi.fn(hangs) }) }));
  hub.tell(job());
  hub.tell({ type: "cancelJob", job: "job_1", token: 7 });
  await vi.waitFor(
    () => expect(hub.saidOf("result")[0]).toMatchObject({ error: { code: "cancelled" } }),
    WAIT,
  );
  expect(ended === undefined || ended instanceof GantryError).toBe(true); // it may not even have begun
});

it("refuses an order that is none", async () => {
  const { hub } = await openAll(fakeHands({ parts: parts() }));
  hub.tell({ ...job(), input: { source: "", isFree: false } } as HubMessage);
  await vi.waitFor(
    () => expect(hub.saidOf("result")[0]).toMatchObject({ error: { code: "bad_request" } }),
    WAIT,
  );
});

it("[K102] tasks run side by side; a service that hangs is ended at its own time-out and delays nobody", async () => {
  const begun: string[] = [];
  const released = Promise.withResolvers<void>();
  const render: PartHands["render"] = async ({ source }, _tools, signal) => {
    begun.push(source);
    if (source === "hangs") {
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    }
    await released.promise;
    return { stl: { sha256: "0".repeat(64), sizeBytes: 1 }, mesh: MESH, tookMs: {} };
  };
  const { hub } = await openAll(fakeHands({ parts: parts({ render }) }));
  hub.tell(order("job_1", "first", TIMEOUT.cadMs));
  hub.tell(order("job_2", "second", TIMEOUT.cadMs));
  hub.tell(order("job_3", "hangs", 300)); // scaled down: CAD has two minutes, a printer's command one
  await vi.waitFor(() => expect(begun.toSorted()).toEqual(["first", "hangs", "second"]), WAIT); // none waits for another
  await vi.waitFor(
    () =>
      expect(hub.saidOf("result")).toMatchObject([{ job: "job_3", error: { code: "timeout" } }]),
    WAIT,
  );
  released.resolve();
  await vi.waitFor(() => {
    const done = hub.saidOf("result").filter(({ error }) => error === undefined);
    expect(new Set(done.map(({ job }) => job))).toEqual(new Set(["job_1", "job_2"]));
  }, WAIT);
  expect([TIMEOUT.cadMs, TIMEOUT.fabricationCommandMs]).toEqual([120_000, 60_000]);
});
