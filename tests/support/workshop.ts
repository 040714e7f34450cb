// Test equipment: an agent and its firmware bridge as processes, with a simulated printer, joined to a
// cluster of real hubs.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT, until } from "./appliance.ts";
import type { ClusterHub, TestCluster } from "./cluster.ts";

const NODE = join(ROOT, "node_modules", ".bin", "node");
const PATIENCE_MS = 60_000;

export interface Workshop extends AsyncDisposable {
  readonly dataDir: string;
  output(): string;
}

/** Resolves when the printer `sim` is idle and the model, where one is given, is on offer. */
export async function startWorkshop(
  cluster: TestCluster,
  env: Readonly<Record<string, string>> = {},
): Promise<Workshop> {
  const leader = await cluster.leader();
  const { body } = await leader.api("POST", "/api/nodes/join-codes", { name: "bench" });
  const dataDir = join(cluster.folder, "workshop");
  let output = "";
  const start = (program: string): ChildProcess => {
    const child = spawn(NODE, ["--disable-warning=ExperimentalWarning", join(ROOT, program)], {
      cwd: ROOT,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        UV_THREADPOOL_SIZE: "16",
        GANTRY_DATA_DIR: dataDir,
        GANTRY_HUBS: cluster.hubs.map(({ agentAddress }) => agentAddress).join(","),
        GANTRY_JOIN_CODE: body.code,
        GANTRY_NODE_NAME: "bench",
        GANTRY_PRINTERS: "sim=sim:?speed=30&heat=20",
        ...env,
      },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        output = `${output}${chunk.toString()}`.slice(-200_000);
      });
    }
    return child;
  };
  const children = ["firmware-bridge/bin/bridge.js", "node-agent/bin/agent.js"].map(start);
  const workshop: Workshop = {
    dataDir,
    output: () => output,
    async [Symbol.asyncDispose]() {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await ended;
      }
      endSimulator(dataDir);
    },
  };
  try {
    await untilReady(leader, env["GANTRY_LLM_MODELS"]);
    return workshop;
  } catch (error) {
    await workshop[Symbol.asyncDispose]();
    throw new Error(`the workshop is not ready: ${output.slice(-3_000)}`, { cause: error });
  }
}

async function untilReady(hub: ClusterHub, model: string | undefined): Promise<void> {
  const isIdle = async (): Promise<boolean> => {
    const { body } = await hub.api("GET", "/api/devices/sim");
    return body.online === true && body.phase === "idle";
  };
  await until("an idle printer", isIdle, PATIENCE_MS);
  if (model === undefined) return;
  const isOffered = async (): Promise<boolean> => {
    const { body } = await hub.api("GET", "/v1/models");
    return ((body.data ?? []) as { id: string }[]).some(
      ({ id }) => id === basename(model, ".gguf"),
    );
  };
  await until("the model", isOffered, PATIENCE_MS);
}

/** The simulated printer outlives a killed bridge, as a real one would. */
function endSimulator(dataDir: string): void {
  const path = join(dataDir, "sim", "sim.pid");
  if (!existsSync(path)) return;
  try {
    process.kill(Number.parseInt(readFileSync(path, "utf8"), 10), "SIGKILL");
  } catch {
    // it had ended already
  }
}
