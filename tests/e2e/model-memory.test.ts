// The memory of a model's child process runs out, or the child is killed, on the whole appliance:
// the asker hears a code of the catalogue, the agent stays, and the next question is answered.

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Appliance, MODELS, until } from "../support/appliance.ts";
import { ask, askStreaming, auditTrail, PATIENCE_MS, startFast, untilModel } from "./steps.ts";

const MODEL = "stories260K";
const PATH = join(MODELS, `${MODEL}.gguf`);
const run = promisify(execFile);

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

    it("[M33] a model child out of memory: the asker is told, the agent stays, the next is answered", async () => {
      const agent = a.pid("agent");
      const child = await untilChild(agent, 0);
      // No page more may become writable: the next allocation fails, as under a full memory limit.
      await run("prlimit", ["--pid", String(child), "--data=4096:4096"]);
      const replies = [await tell(a, "A story of a lion")];
      // A small answer may fit into what the child holds already; a longer one does not.
      for (let round = 0; replies.at(-1)?.status === 200 && round < 50; round += 1) {
        replies.push(
          await tell(a, `${"A lion and a mouse went out. ".repeat(round + 1)} ${round}`),
        );
      }
      // Whether its last words name the memory depends on which allocation failed first.
      const { status, body } = replies.at(-1) ?? { status: 0, body: {} };
      expect([
        [507, "out_of_memory"],
        [502, "model_failed"],
      ]).toContainEqual([status, body.code]);
      const next = await untilChild(agent, child);
      expect(await tell(a, "A story of a hen")).toMatchObject({ status: 200 });
      expect([next === child, a.pid("agent"), isAlive(agent)]).toEqual([false, agent, true]);
    });

    it("[M33] kill -9 of a model child in the middle of an answer: model_failed, and the agent stays", async () => {
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
          await untilChild(agent, child);
          return last !== undefined && "code" in last && last.code === "model_failed";
        },
        PATIENCE_MS,
      );
      const failures = (await auditTrail(a)).filter(({ action }) => action === "question.failed");
      expect(failures.at(-1)?.detail).toMatchObject({ code: "model_failed" });
      expect(await tell(a, "A story of a dog")).toMatchObject({ status: 200 });
      expect([a.pid("agent"), isAlive(agent)]).toEqual([agent, true]);
    });
  },
);

const tell = (a: Appliance, prompt: string): ReturnType<Appliance["api"]> =>
  ask(a, prompt, { model: MODEL });

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
