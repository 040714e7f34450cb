import { describe, expect, it } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import type { DeskParts } from "../desk/context.ts";
import { analyticsSummary } from "../desk/analytics.ts";
import { runRestored } from "../desk/run-archive.ts";
import { runs } from "../desk/run-list.ts";
import { runPatches } from "../desk/run-patches.ts";
import * as desk from "../desk/runs.ts";
import type { Hub } from "../hub.ts";
import { advanced, graph, http, kept, runOf, started, value } from "../ledger/testing/flows.ts";
import { makeLedgerRig } from "../ledger/testing/rig.ts";
import type { DeskRequest, OrderedStore } from "../ports.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeRunHistory, type RunHistory } from "./run-history.ts";

const DAY_MS = 86_400_000;
const flow = graph(
  { call: http(), note: value("${nodes.call.output.text + inputs.title}") },
  ["call>note"],
  { output: "${nodes.note.output}" },
);

interface Scene extends FakeHub {
  readonly parts: DeskParts;
  readonly history: RunHistory;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** A run of `flow` that has ended. */
  end(id: string, title?: string): void;
  get(id: string): Promise<RunView>;
}

/** What has not reached the disk is all that there is: these tests never checkpoint. */
const storeOf = ({ rig }: FakeHub): OrderedStore =>
  ({
    async *entries({ gte = "", lt = "~" }) {
      const all = [...rig.rows.unstored()].toSorted(([a], [b]) => (a < b ? -1 : 1));
      for (const [key, row] of all) {
        if (key >= gte && key < lt && row !== undefined)
          yield [key, Buffer.from(JSON.stringify(row))] as const;
      }
    },
  }) as Partial<OrderedStore> as OrderedStore; // all that the history asks of it

function makeScene(bounds?: { rowBytes?: number; packBytes?: number; runBytes?: number }): Scene {
  const fake = makeFakeHub();
  const blobs = new Map<string, Uint8Array>();
  const store = {
    async write() {
      const pieces: Uint8Array[] = [];
      return {
        write: async (bytes: Uint8Array) => void pieces.push(bytes),
        async finish() {
          const bytes = Buffer.concat(pieces);
          blobs.set(sha256(bytes), bytes);
          return { sha256: sha256(bytes), sizeBytes: bytes.length };
        },
        async abort() {},
      };
    },
    async read(name: string, offset: number, sizeBytes: number) {
      const bytes = blobs.get(name);
      if (bytes === undefined) throw new GantryError("not_found", name);
      return bytes.subarray(offset, offset + sizeBytes);
    },
    size: async (name: string) => blobs.get(name)?.length,
  };
  const replica = { ...fake.hub.replica, checkpoint: async () => {} };
  const hub: Hub = { ...fake.hub, replica };
  const history = makeRunHistory({
    hub,
    ledgerStore: storeOf(fake),
    blobs: { store, spread: async () => {} },
    ...(bounds === undefined ? {} : { bounds }),
  });
  const parts = { hub, blobs: store } as unknown as DeskParts; // what reading a run needs
  const at = (): { atMs: number } => ({ atMs: fake.clock.now() });
  fake.rig.act(kept(flow));
  return {
    ...fake,
    parts,
    history,
    blobs,
    end(id, title = "bracket") {
      fake.rig.act(started({ run: id, inputs: { title } }), at());
      const usage = { promptTokens: 1, completionTokens: 1, costMicroUsd: 1_000 };
      const fact: RunFact = [id, "done", "call", 1, { text: "made a " }, usage];
      fake.rig.act(advanced(fact), at());
    },
    get: (id) => desk.run(parts, request(id)),
  };
}

const request = (id: string, query: object = {}): DeskRequest => ({
  actor: { person: "ada", role: "operator", token: "tok_1" },
  requestId: "req_1",
  params: { id },
  query: { ...query },
  body: {},
});
const options = { signal: new AbortController().signal };
const { signal } = options;

/** All that may be asked of one run. */
async function everything({ parts }: Scene, id: string): Promise<unknown> {
  const { tier: _, ...view } = await desk.run(parts, request(id));
  return {
    view,
    timeline: await desk.runTimeline(parts, request(id)),
    output: await desk.runOutput(parts, request(id, { place: "call" })),
    patches: await runPatches(parts, request(id)),
  };
}

describe("ended runs", () => {
  it("[M75] [M57] go through memory, hot, history and archive, and can be read in each", async () => {
    const scene = makeScene();
    scene.rig.act(started({ run: "run_live", inputs: { title: "x" } }), {
      atMs: scene.clock.now(),
    });
    expect((await scene.get("run_live")).tier).toBe("memory");
    scene.end("run_old");
    const before = await everything(scene, "run_old");
    expect((await scene.get("run_old")).tier).toBe("hot");
    scene.clock.stall(LIFE.runHotMs - 1);
    expect(await scene.history.packDue(signal)).toBe(0);
    scene.clock.stall(1);
    expect(await scene.history.packDue(signal)).toBe(1);
    expect(scene.rig.rows.get("run", "run_old")).toBeUndefined();
    expect((await scene.get("run_old")).tier).toBe("history");
    expect(await everything(scene, "run_old")).toEqual(before);
    scene.clock.stall(LIFE.runHistoryMs);
    expect((await scene.get("run_old")).tier).toBe("archive");
    expect(await everything(scene, "run_old")).toEqual(before);
    expect((await scene.get("run_live")).tier).toBe("memory");
  });

  it("[M47] [M71] [S35] take a fraction of their bytes in a pack, and one that is restored is as it was", async () => {
    const scene = makeScene();
    for (let n = 0; n < 200; n += 1) scene.end(`run_${n}`, `bracket ${n}`);
    const rowBytes = JSON.stringify([...scene.rig.rows.unstored()].filter(isOfRuns)).length;
    const row = runOf(scene.rig, "run_7");
    const before = await everything(scene, "run_7");
    scene.clock.stall(8 * DAY_MS);
    expect(await scene.history.packDue(signal)).toBe(200);
    const packBytes = [...scene.blobs.values()].reduce((sum, { length }) => sum + length, 0);
    expect(packBytes).toBeLessThan(rowBytes / 10);

    const retry = { ...request("run_7"), body: { node: "call" } };
    expect(() => desk.runRetried(scene.parts, retry, options)).toThrow(/archived/);
    await runRestored(scene.parts, request("run_7"), options);
    expect(runOf(scene.rig, "run_7")).toEqual(row);
    expect(await everything(scene, "run_7")).toEqual(before);
    expect((await scene.get("run_7")).tier).toBe("hot");
    expect(await scene.history.packDue(signal)).toBe(0); // it stays for another week
    await desk.runRetried(scene.parts, retry, options);
    scene.rig.act(advanced(["run_7", "done", "call", 2, { text: "again " }]), {
      atMs: scene.clock.now(),
    });
    expect((await scene.get("run_7")).result).toBe("again bracket 7");
    scene.clock.stall(8 * DAY_MS);
    expect(await scene.history.packDue(signal)).toBe(1);
    expect((await scene.get("run_7")).result).toBe("again bracket 7");
  });

  it("[M11] are told of when they leave, and are read from the archive that the event names", async () => {
    const scene = makeScene();
    scene.end("run_1", "kept");
    scene.end("run_2");
    scene.clock.stall(LIFE.runHotMs);
    expect(await scene.history.packDue(signal)).toBe(2);
    const told = scene.rig.events.filter(({ type }) => type === "run.archived");
    expect(told.map(({ data }) => data)).toMatchObject([{ runs: ["run_1", "run_2"] }]);
    const [first = { data: {} }] = told;
    const { sha256: name } = first.data as { sha256: string };
    expect(scene.blobs.has(name)).toBe(true);
    expect((await scene.get("run_1")).result).toContain("kept");
    expect(scene.rig.rows.get("run", "run_1")).toBeUndefined();
  });

  it("[M2] leave early for want of room, the oldest first; what was dropped says so, and stays in lists and sums", async () => {
    const scene = makeScene({ rowBytes: 20_000, packBytes: 0 });
    for (let n = 0; n < 40; n += 1) scene.end(`run_${n}`);
    const summary = analyticsSummary(scene.parts, request("", {}));
    const list = runs(scene.parts, request("", { limit: 100, state: "done" })) as {
      runs: { id: string }[];
    };
    const packed = await scene.history.packDue(signal);
    expect(packed).toBeGreaterThan(0);
    expect(packed).toBeLessThan(40);
    const stays = (n: number): boolean => scene.rig.rows.get("run", `run_${n}`) !== undefined;
    expect(Array.from({ length: 40 }, (_, n) => stays(n))).toEqual(
      Array.from({ length: 40 }, (_, n) => n >= packed),
    );
    await expect(scene.get("run_0")).rejects.toMatchObject({
      code: "gone",
      message: expect.stringContaining("archived") as string,
    });
    await expect(scene.get("run_none")).rejects.toMatchObject({ code: "not_found" });
    const after = runs(scene.parts, request("", { limit: 100, state: "done" })) as typeof list;
    expect(after.runs.map(({ id }) => id)).toEqual(list.runs.map(({ id }) => id));
    expect(analyticsSummary(scene.parts, request("", {}))).toEqual(summary);
  });

  it("[M9] leave in the order of their ends, however long they took", async () => {
    const scene = makeScene({ rowBytes: 20_000, packBytes: 1e9 });
    const atMs = scene.clock.now();
    scene.rig.act(started({ run: "run_long", inputs: { title: "x" } }), { atMs });
    for (let n = 0; n < 40; n += 1) {
      scene.clock.stall(1_000);
      scene.end(`run_${n}`);
    }
    scene.rig.act(advanced(["run_long", "done", "call", 1, { text: "slow " }]), {
      atMs: scene.clock.now(),
    });
    expect(await scene.history.packDue(signal)).toBeGreaterThan(0);
    expect(scene.rig.rows.get("run", "run_0")).toBeUndefined(); // it took no time and ended first
    expect(scene.rig.rows.get("run", "run_long")).toBeDefined();
    expect((await scene.get("run_0")).tier).not.toBe("hot");
  });

  it("that would be too large to be unpacked stay as rows: it is bytes that count", async () => {
    const scene = makeScene({ runBytes: 10_000 });
    scene.end("run_1", "工".repeat(1_000)); // inputs, an output and the run's own: 3 bytes each
    scene.end("run_2", "x".repeat(1_000));
    scene.clock.stall(8 * DAY_MS);
    expect(await scene.history.packDue(signal)).toBe(1);
    const tiers = [await scene.get("run_1"), await scene.get("run_2")].map(({ tier }) => tier);
    expect(tiers).toEqual(["hot", "history"]);
  });

  it("show what only looks like the name of a blob as it is", async () => {
    const scene = makeScene();
    const gcode = Buffer.from("G28 ; home");
    const name = sha256(gcode);
    const parts = {
      hub: scene.hub,
      blobs: { ...scene.parts.blobs, read: async () => gcode, size: async () => 10 },
    } as unknown as DeskParts; // as above
    const fakes = [
      { $blob: "../../etc/passwd", sizeBytes: 5 },
      { $blob: name, sizeBytes: 0.5 },
      { $blob: name, sizeBytes: 1_000_000_000 },
      { $blob: name, sizeBytes: 10 },
    ];
    for (const [number, output] of fakes.entries()) {
      const id = `run_${number}`;
      scene.rig.act(started({ run: id, inputs: { title: "t" } }));
      scene.rig.act(advanced([id, "done", "call", 1, output]));
      const shown = await desk.runOutput(parts, request(id, { place: "call" }));
      expect(shown).toEqual({ place: "call", output });
    }
  });

  it("that moved meanwhile stay (RA3), and a pack is told once", async () => {
    const scene = makeScene();
    scene.end("run_1");
    scene.end("run_2");
    scene.clock.stall(8 * DAY_MS);
    scene.rig.act({ type: "runRetried", run: "run_1", node: "call" });
    const all = { sha256: "a", sizeBytes: 1, through: 2 };
    const packs = { ...all, type: "runsPacked" as const };
    const names = ["run_1", "run_2"].map((run, ended) => ({ run, ended, recorded: ["call"] }));
    expect(scene.rig.act({ ...packs, runs: names })).toMatchObject({ packed: 1 });
    expect(runOf(scene.rig, "run_1").state.state).toBe("running");
    expect(scene.rig.rows.get("recorded", "run_2/call")).toBeUndefined();
    expect(scene.rig.refuse({ ...packs, runs: names })).toBe("conflict");
    expect(scene.rig.refuse({ ...packs, runs: [], through: 1 })).toBe("conflict");
    expect(scene.rig.refuse(started({ run: "run_2" }))).toBe("conflict");
  });

  it("[K78] are packed, restored and dropped alike on every hub", async () => {
    const scene = makeScene({ rowBytes: 1e9, packBytes: 2_000 });
    for (let n = 0; n < 30; n += 1) scene.end(`run_${n}`);
    scene.clock.stall(8 * DAY_MS);
    await scene.history.packDue(signal);
    await runRestored(scene.parts, request("run_3"), options);
    for (let n = 30; n < 60; n += 1) scene.end(`run_${n}`);
    scene.clock.stall(8 * DAY_MS);
    await scene.history.packDue(signal);
    expect(scene.rig.rows.get("count", "runPacks/dropped")).toBeGreaterThan(0);
    const again = makeLedgerRig();
    for (const entry of scene.rig.entries) again.apply(...entry);
    expect(again.stateHash()).toBe(scene.rig.stateHash());
  });
});

const isOfRuns = ([key]: readonly [string, unknown]): boolean =>
  /^cold\/(run|timeline|recorded|runPatch)\//.test(key);
