// The memory of a model's child process runs out, or the child is killed, on the whole appliance: the
// asker gets the answer from the next child all the same, and the agent stays.

import { execFileSync, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Appliance, MODELS, until } from "../support/appliance.ts";
import { ask, askStreaming, PATIENCE_MS, startFast, untilModel } from "./steps.ts";

const MODEL = "stories260K";
const PATH = join(MODELS, `${MODEL}.gguf`);
const MEMORY_GROUPS = "/sys/fs/cgroup/memory";
const hasMemoryGroups =
  process.getuid?.() === 0 && existsSync(join(MEMORY_GROUPS, "memory.limit_in_bytes"));

const hasLimits = spawnSync("prlimit", ["--version"]).status === 0;

describe.skipIf(!existsSync(PATH))(
  "the memory of a model (needs ../shared/models)",
  { timeout: 4 * PATIENCE_MS },
  () => {
    let a: Appliance;
    beforeAll(async () => {
      a = await startFast({
        env: { GANTRY_LLM_MODELS: PATH, GANTRY_LLM_SLOTS: "1" },
        parts: ["hub", "agent"],
      });
      await untilModel(a, MODEL);
    }, PATIENCE_MS);
    afterAll(() => a[Symbol.asyncDispose]());

    it.skipIf(!hasMemoryGroups)(
      "[M33] the kernel kills a model child over its cgroup's memory limit: the agent stays, the next child answers",
      async () => {
        const agent = a.pid("agent");
        const child = await untilChild(agent, 0);
        using group = openMemoryGroup();
        group.take(child);
        const words = "A goose and a fox went out. ";
        // A small answer may fit into what the child holds already; a longer one does not.
        for (let round = 0; group.kills() === 0 && round < 50; round += 1) {
          const reply = await tell(a, `${words.repeat(Math.min(round + 1, 12))} ${round}`);
          expect(reply).toMatchObject({ status: 200 });
        }
        expect(group.kills()).toBeGreaterThan(0);
        const next = await untilChild(agent, child);
        expect([next === child, a.pid("agent"), isAlive(agent)]).toEqual([false, agent, true]);
      },
    );

    it.skipIf(!hasLimits)(
      "[M33] a model child that may have no memory to start with is replaced",
      async () => {
        const agent = a.pid("agent");
        const before = await untilChild(agent, 0);
        process.kill(before, "SIGKILL");
        const starved = await untilChild(agent, before);
        execFileSync("prlimit", ["--pid", String(starved), "--as=4096", "--data=4096"]);
        // One that had loaded already dies of the first question.
        await until(
          "its end",
          async () => {
            if (isAlive(starved)) await tell(a, "A story of a pond");
            return !isAlive(starved);
          },
          PATIENCE_MS,
        );
        expect(await untilChild(agent, starved)).not.toBe(starved);
        await untilModel(a, MODEL);
        expect(await tell(a, "A story of a lake")).toMatchObject({ status: 200 });
        expect([a.pid("agent"), isAlive(agent)]).toEqual([agent, true]);
      },
    );

    it("kill -9 of a model child in the middle of an answer: the next child goes on with it, and the agent stays", async () => {
      const agent = a.pid("agent");
      let round = 0;
      // The child may have said its last word before the signal comes: then another answer is begun.
      await until(
        "an answer to be cut off",
        async () => {
          round += 1;
          const child = await untilChild(agent, 0);
          const prompt = `A very long story of a frozen lake, part ${round}`;
          const streaming = askStreaming(a, { prompt, model: MODEL });
          await streaming.firstText;
          process.kill(child, "SIGKILL");
          const last = await streaming.ended;
          expect(last).toHaveProperty("result");
          await untilChild(agent, child);
          return a.output("hub").includes("another try is made");
        },
        PATIENCE_MS,
      );
      expect(await tell(a, "A story of a dog")).toMatchObject({ status: 200 });
      expect([a.pid("agent"), isAlive(agent)]).toEqual([agent, true]);
    });
  },
);

const tell = (a: Appliance, prompt: string): ReturnType<Appliance["api"]> =>
  ask(a, prompt, { model: MODEL });

/** A memory cgroup (version 1) with a limit that no answer fits into; only for root. */
function openMemoryGroup(): Disposable & { take: (pid: number) => void; kills: () => number } {
  const path = join(MEMORY_GROUPS, `gantry-${randomInt(1_000_000)}`);
  mkdirSync(path);
  writeFileSync(join(path, "memory.limit_in_bytes"), "262144");
  return {
    take: (pid) => writeFileSync(join(path, "cgroup.procs"), String(pid)),
    kills: () =>
      Number(/oom_kill (\d+)/.exec(readFileSync(join(path, "memory.oom_control"), "utf8"))?.[1]),
    [Symbol.dispose]: () => rmdirSync(path),
  };
}

/** The model child of this agent, once there is one other than `before`. */
const untilChild = (agent: number, before: number): Promise<number> =>
  until("a model child", () => childOf(agent, before), PATIENCE_MS);

function childOf(agent: number, before: number): number | undefined {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== before)
    .find((pid) => parentOf(pid) === agent && commandOf(pid).includes("llama-child"));
}

const parentOf = (pid: number): number =>
  Number(/^PPid:\s*(\d+)$/m.exec(readProc(pid, "status"))?.[1] ?? -1);

const commandOf = (pid: number): string => readProc(pid, "cmdline");

/** Empty when the process has ended meanwhile. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
