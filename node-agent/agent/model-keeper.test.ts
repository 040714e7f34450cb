// The keeper with models that are made of nothing: who is loaded, who makes room, who waits.

import { expect, it, vi } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { PROCESS_BYTES } from "../rules/memory-ledger.ts";
import type { Model } from "../runners/infer.ts";
import { type KeeperOptions, makeModelKeeper, type ModelKeeper } from "./model-keeper.ts";

const never = new AbortController().signal;
const ROOM_FOR_ONE = PROCESS_BYTES * 1.5;
const WAIT = { timeout: 8_000, interval: 5 };

interface World extends AsyncDisposable {
  readonly keeper: ModelKeeper;
  /** Names in the order in which their processes began and ended: `+a`, `-a`. */
  readonly lives: string[];
  readonly pass: (ms: number) => void;
  readonly loadedNow: () => string[];
  /** What `residentBytes` says of every child. */
  resident: number | undefined;
  /** What loading fails with, by device. */
  failure: ((device: string) => GantryError | undefined) | undefined;
}

async function makeWorld(changes: Partial<KeeperOptions> = {}): Promise<World> {
  const lives: string[] = [];
  let skewMs = 0;
  const scope = makeScope((task, error) => {
    throw new Error(task, { cause: error });
  });
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skewMs };
  const world: Omit<World, "keeper" | typeof Symbol.asyncDispose> = {
    lives,
    pass: (ms) => void (skewMs += ms),
    loadedNow: () =>
      keeper.runtime().models.flatMap(({ name, state }) => (state === "ready" ? [name] : [])),
    resident: undefined,
    failure: undefined,
  };
  const keeper = makeModelKeeper(
    {
      makeModel: async (path, name, device) =>
        fakeModel(path, name, device, lives, () => world.failure?.(device)),
      readFile: async (path) => ({
        path,
        sizeBytes: 1_000,
        architecture: "llama",
        name: undefined,
        contextTokens: 512,
        parameters: 1,
        kvPerToken: undefined,
        hasChatTemplate: false,
      }),
      capacity: { cpu: ROOM_FOR_ONE },
      slots: 2,
      contextTokens: 512,
      idleMs: 0,
      lookMs: 0,
      residentBytes: async () => world.resident,
      clock,
      log: silentLogger,
      onChange: () => {},
      ...changes,
    },
    scope,
  );
  return Object.assign(world, {
    keeper,
    async [Symbol.asyncDispose]() {
      await keeper.close();
      await scope.close();
    },
  });
}

function fakeModel(
  path: string,
  name: string,
  device: string,
  lives: string[],
  failure: () => GantryError | undefined,
): Model {
  lives.push(`+${name}${device === "cpu" ? "" : `@${device}`}`);
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (!isClosed) lives.push(`-${name}`);
    isClosed = true;
  };
  const facts = {
    slots: 2,
    contextTokens: 512,
    threads: 1,
    gpu: "none",
    hasChatTemplate: false,
    memoryBytes: PROCESS_BYTES,
    loadMs: 1,
  };
  return {
    name,
    path,
    state: { kind: "ready", pid: 1, facts },
    running: 0,
    waiting: 0,
    async ready() {
      const error = failure();
      if (error !== undefined) throw error;
      return facts;
    },
    generate: () => Promise.reject(new Error("not asked here")),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const nothing = async (): Promise<void> => {};
const ready = (world: World, ...names: string[]) =>
  vi.waitFor(() => expect(world.loadedNow()).toEqual(names), WAIT);

it("offers all, loads what fits, and loads another one in its place when that is asked for (MK2, MK3)", async () => {
  await using world = await makeWorld();
  const { keeper, lives } = world;
  world.resident = PROCESS_BYTES;
  await keeper.hold("/a.gguf", "a");
  await ready(world, "a");
  await keeper.hold("/b.gguf", "b");
  expect(keeper.facts().map(({ name }) => name)).toEqual(["a", "b"]);
  expect(lives).toEqual(["+a"]);
  world.pass(60_000);
  await keeper.use("b", true, nothing, never);
  expect(lives).toEqual(["+a", "-a", "+b"]);
  expect(keeper.runtime()).toMatchObject({
    models: [
      { name: "a", state: "absent" },
      { name: "b", state: "ready", device: "cpu" },
    ],
    memory: [{ device: "cpu", freeBytes: ROOM_FOR_ONE - PROCESS_BYTES }],
  });
});

it("loads once, however many ask at the same time (MK1)", async () => {
  await using world = await makeWorld();
  const { keeper, lives } = world;
  await keeper.hold("/a.gguf", "a");
  await keeper.hold("/b.gguf", "b");
  await ready(world, "a");
  world.pass(60_000);
  await Promise.all(Array.from({ length: 12 }, () => keeper.use("b", true, nothing, never)));
  expect(lives.filter((life) => life === "+b")).toHaveLength(1);
});

it("requests of a busy model run together; who waits gets the room when they ended, not before (MK3)", async () => {
  await using world = await makeWorld();
  const { keeper, lives } = world;
  await keeper.hold("/a.gguf", "a");
  await keeper.hold("/b.gguf", "b");
  await ready(world, "a");
  const held = Promise.withResolvers<void>();
  const long = keeper.use("a", true, () => held.promise, never);
  const other = keeper.use("b", true, nothing, never);
  await keeper.use("a", true, nothing, never); // still let in
  world.pass(6_000);
  await vi.waitFor(() => expect(keeper.runtime().models[0]?.state).toBe("draining"), WAIT);
  const late = keeper.use("a", true, nothing, never); // waits for its next turn
  expect(lives).toEqual(["+a"]);
  held.resolve();
  await Promise.all([long, other]);
  expect(lives.slice(0, 3)).toEqual(["+a", "-a", "+b"]);
  world.pass(6_000);
  await late;
  expect(lives).toEqual(["+a", "-a", "+b", "-b", "+a"]);
});

it("a pinned model is neither put out nor unloaded when idle; another idle one is (MK3, MK4)", async () => {
  await using world = await makeWorld({ idleMs: 100, capacity: { cpu: PROCESS_BYTES * 2.5 } });
  const { keeper, lives } = world;
  keeper.pin(new Set(["a"]));
  await keeper.hold("/a.gguf", "a");
  await keeper.hold("/b.gguf", "b");
  await ready(world, "a", "b");
  await keeper.hold("/c.gguf", "c");
  world.pass(60_000);
  await keeper.use("c", true, nothing, never);
  expect(lives).toEqual(["+a", "+b", "-b", "+c"]);
  world.pass(60_000);
  await vi.waitFor(() => expect(lives).toEqual(["+a", "+b", "-b", "+c", "-c"]), WAIT);
  expect(world.loadedNow()).toEqual(["a"]);
  expect(keeper.facts()).toHaveLength(3);
});

it("what is larger than the machine is refused at once, and what is no model for good", async () => {
  await using world = await makeWorld({ capacity: { cpu: 1_000 } });
  const { keeper } = world;
  await keeper.hold("/a.gguf", "a");
  expect(keeper.facts()).toEqual([]);
  await expect(keeper.use("a", true, nothing, never)).rejects.toMatchObject({
    code: "out_of_memory",
  });
  await expect(keeper.use("x", true, nothing, never)).rejects.toMatchObject({
    code: "capability_missing",
  });
});

it("a model that the GPU has no room for is loaded for the processor", async () => {
  await using world = await makeWorld({ capacity: { gpu: ROOM_FOR_ONE, cpu: ROOM_FOR_ONE } });
  const { keeper, lives } = world;
  world.failure = (device) =>
    device === "gpu" ? new GantryError("out_of_memory", "no VRAM") : undefined;
  await keeper.hold("/a.gguf", "a");
  await keeper.use("a", true, nothing, never);
  expect(lives).toEqual(["+a@gpu", "-a", "+a"]);
});

it("a process that has outgrown its ceiling is drained and started anew, and its requests ended first (MK5)", async () => {
  await using world = await makeWorld();
  const { keeper, lives } = world;
  world.resident = 200_000_000;
  await keeper.hold("/a.gguf", "a");
  await ready(world, "a");
  const held = Promise.withResolvers<void>();
  const long = keeper.use("a", true, () => held.promise, never);
  world.resident = 2_000_000_000;
  await vi.waitFor(() => expect(keeper.runtime().models[0]?.state).toBe("draining"), WAIT);
  expect(lives).toEqual(["+a"]);
  world.resident = 200_000_000;
  held.resolve();
  await long;
  await ready(world, "a");
  expect(lives).toEqual(["+a", "-a", "+a"]);
});

it("who gives up waiting is let go, and a file that is gone fails those who wait for it", async () => {
  await using world = await makeWorld();
  const { keeper } = world;
  keeper.pin(new Set(["a"]));
  await keeper.hold("/a.gguf", "a");
  await keeper.hold("/b.gguf", "b");
  const leaving = new AbortController();
  const left = keeper.use("b", true, nothing, leaving.signal);
  leaving.abort(new GantryError("cancelled", "gone"));
  await expect(left).rejects.toMatchObject({ code: "cancelled" });
  const waits = keeper.use("b", true, nothing, never);
  await keeper.drop("/b.gguf");
  await expect(waits).rejects.toMatchObject({ code: "capability_missing" });
});
