// The real agent process against a real hub end in another process: kill either, and see.

import { type ChildProcess, spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, expect, test, vi } from "vitest";
import { encodeJoinCode } from "@gantry/shared/contract/join-code.ts";
import { hasModelFiles, modelFile } from "./runners/model-files.ts";

const WAIT = { timeout: 20_000, interval: 10 };
const LIMIT_MS = 60_000;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Line {
  readonly type?: string;
  readonly [field: string]: unknown;
}

interface Running {
  readonly child: ChildProcess;
  readonly lines: Line[];
  readonly exit: Promise<number | string>;
  readonly ofType: (type: string) => Line[];
}

function run(script: string, args: readonly string[], env: Record<string, string>): Running {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], {
    env: { PATH: "/usr/bin:/bin", ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
  const exit = new Promise<number | string>((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "gone"));
  });
  cleanups.push(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  return { child, lines, exit, ofType: (type) => lines.filter((line) => line.type === type) };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-node-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Hub extends Running {
  readonly endpoint: string;
  readonly code: string;
  readonly tell: (...messages: object[]) => void;
}

async function startHub(folder: string, bind = "tcp://127.0.0.1:0", id = "hub_1"): Promise<Hub> {
  const hub = run("agent/hub-stub.test.support.ts", [folder, bind, id], {});
  await vi.waitFor(() => expect(hub.ofType("listening")).toHaveLength(1), WAIT);
  const [listening] = hub.ofType("listening");
  return {
    ...hub,
    endpoint: String(listening?.["endpoint"]),
    code: String(listening?.["code"]),
    tell: (...messages) =>
      void hub.child.stdin?.write(`${JSON.stringify(["node_1", ...messages])}\n`),
  };
}

const startAgent = (hub: Hub, folder: string, env: Record<string, string> = {}): Running =>
  run("bin/agent.js", [], {
    GANTRY_DATA_DIR: folder,
    GANTRY_HUBS: hub.endpoint,
    GANTRY_JOIN_CODE: hub.code,
    ...env,
  });

const joined = (hub: Hub, times = 1): Promise<void> =>
  vi.waitFor(() => expect(hub.ofType("joined")).toHaveLength(times), WAIT);

const doorJob = (token: number) => ({
  type: "job",
  job: "job_1",
  token,
  kind: "command",
  input: { command: "open-door", args: {} },
  timeoutMs: 30_000,
});

/** A list of commands with one that must happen once, and the file that counts how often it did. */
async function doorCommands(folder: string, seconds: number) {
  const path = join(folder, "commands.json");
  const counter = join(folder, "opened");
  const script = `echo opened >> '${counter}'; sleep ${seconds}`;
  const door = { program: "/bin/sh", args: ["-c", script], effect: "once", hazard: "high" };
  await writeFile(path, JSON.stringify({ "open-door": door }));
  const opened = async (): Promise<number> =>
    (await readFile(counter, "utf8").catch(() => "")).split("\n").length - 1;
  return { path, opened };
}

test(
  "of three hubs the leader is killed: the node goes to the next one, and a job in hand is told there",
  { timeout: LIMIT_MS },
  async () => {
    const ids = ["hub_1", "hub_2", "hub_3"] as const;
    const folder = await temporaryFolder();
    const hubs = await Promise.all(
      ids.map(async (id) => startHub(await temporaryFolder(), "tcp://127.0.0.1:0", id)),
    );
    const facts = hubs.map(({ endpoint, ofType }, index) => ({
      id: ids[index],
      address: endpoint,
      publicKey: String(ofType("listening")[0]?.["publicKey"]),
    }));
    const elect = (leader: string, term: number): void => {
      const view = `${JSON.stringify({ leader, term, hubs: facts })}\n`;
      for (const { child } of hubs) if (child.stdin?.writable === true) child.stdin.write(view);
    };
    const [first, second, third] = hubs;
    if (first === undefined || second === undefined || third === undefined) throw new Error("3");
    elect("hub_1", 1);
    const { path, opened } = await doorCommands(folder, 1);
    // It has the code and the address of a hub that does not lead.
    startAgent(second, folder, { GANTRY_COMMANDS: path });
    await joined(first);
    first.tell(doorJob(4));
    await vi.waitFor(async () => expect(await opened()).toBe(1), WAIT);
    first.child.kill("SIGKILL");
    await first.exit;
    elect("hub_3", 2);
    await joined(third);
    expect(third.ofType("hello").at(-1)).toMatchObject({ holds: [{ job: "job_1", token: 4 }] });
    await vi.waitFor(
      () => expect(third.ofType("result").at(-1)).toMatchObject({ job: "job_1", token: 4 }),
      WAIT,
    );
    expect([await opened(), second.ofType("joined")]).toEqual([1, []]);
  },
);

test(
  "[D6] the hub is killed and started again: the node is back by itself, with no new code",
  { timeout: LIMIT_MS },
  async () => {
    const [hubFolder, folder] = [await temporaryFolder(), await temporaryFolder()];
    const hub = await startHub(hubFolder);
    startAgent(hub, folder);
    await joined(hub);
    hub.child.kill("SIGKILL");
    await hub.exit;
    const again = await startHub(hubFolder, hub.endpoint);
    const fromMs = performance.now();
    await joined(again);
    expect(performance.now() - fromMs).toBeLessThan(6_000); // the longest wait of RECONNECT and a second
    expect(again.ofType("enrol")).toEqual([]);
  },
);

test(
  "[K76] [S36] a once-job whose node is killed after it is told again, not done again",
  { timeout: LIMIT_MS },
  async () => {
    const folder = await temporaryFolder();
    const hub = await startHub(await temporaryFolder());
    const { path, opened } = await doorCommands(folder, 0);
    const agent = startAgent(hub, folder, { GANTRY_COMMANDS: path });
    await joined(hub);
    hub.tell(doorJob(5));
    await vi.waitFor(() => expect(hub.ofType("result")).not.toEqual([]), WAIT);
    agent.child.kill("SIGKILL");
    await agent.exit;
    hub.lines.length = 0;
    startAgent(hub, folder, { GANTRY_COMMANDS: path });
    await joined(hub);
    await vi.waitFor(() => expect(hub.ofType("result")).not.toEqual([]), WAIT);
    hub.tell(doorJob(5));
    await vi.waitFor(() => expect(hub.ofType("result").length).toBeGreaterThan(1), WAIT);
    expect(hub.ofType("result")[0]).toMatchObject({ token: 5, result: { stdout: "" } });
    expect(await opened()).toBe(1);
  },
);

test(
  "[K76] JB4: a once-job whose node is killed in the middle is interrupted, not done again",
  { timeout: LIMIT_MS },
  async () => {
    const folder = await temporaryFolder();
    const hub = await startHub(await temporaryFolder());
    const { path, opened } = await doorCommands(folder, 3);
    const agent = startAgent(hub, folder, { GANTRY_COMMANDS: path });
    await joined(hub);
    hub.tell(doorJob(5));
    await vi.waitFor(async () => expect(await opened()).toBe(1), WAIT);
    agent.child.kill("SIGKILL");
    await agent.exit;
    startAgent(hub, folder, { GANTRY_COMMANDS: path });
    await vi.waitFor(
      () =>
        expect(hub.ofType("result").at(-1)).toMatchObject({
          token: 5,
          error: { code: "interrupted" },
        }),
      WAIT,
    );
    hub.tell(doorJob(8));
    await vi.waitFor(
      () =>
        expect(hub.ofType("result").at(-1)).toMatchObject({
          token: 8,
          error: { code: "interrupted" },
        }),
      WAIT,
    );
    expect(await opened()).toBe(1);
  },
);

test.skipIf(!hasModelFiles)(
  "a model that is copied into the folder is offered and answers; the answer is cut off by stopping",
  { timeout: LIMIT_MS },
  async () => {
    const folder = await temporaryFolder();
    const hub = await startHub(await temporaryFolder());
    const agent = startAgent(hub, folder);
    await joined(hub);
    await copyFile(modelFile("stories260K.gguf"), join(folder, "models", "stories.gguf"));
    await vi.waitFor(
      () =>
        expect(hub.ofType("capabilities").at(-1)).toMatchObject({
          capabilities: { models: [{ name: "stories" }] },
        }),
      WAIT,
    );
    const messages = [{ role: "user", content: "Once upon a time" }];
    const request = { model: "stories", messages, maxTokens: 12, temperature: 0 };
    hub.tell({ type: "generate", id: "r1", request });
    await vi.waitFor(() => expect(hub.ofType("generated")).toHaveLength(1), WAIT);
    const text = hub
      .ofType("chunk")
      .map((line) => String(line["text"]))
      .join("");
    expect(hub.ofType("generated")[0]).toMatchObject({ id: "r1", result: { text } });
    expect(text.length).toBeGreaterThan(0);
    agent.child.kill("SIGTERM");
    expect(await agent.exit).toBe(0);
    expect(hub.lines.at(-1)).toMatchObject({ type: "left", why: "bye" });
  },
);

test(
  "[S19] a second agent with the same identity takes over, the first one ends and says so",
  { timeout: LIMIT_MS },
  async () => {
    const folder = await temporaryFolder();
    const hub = await startHub(await temporaryFolder());
    const first = startAgent(hub, folder);
    await joined(hub);
    startAgent(hub, folder);
    expect(await first.exit).toBe(70);
    expect(first.lines.at(-1)).toMatchObject({ code: "superseded" });
  },
);

test(
  "a start without identity and code, and one with a mistyped code, say what to do",
  { timeout: LIMIT_MS },
  async () => {
    const folder = await temporaryFolder();
    const without = run("bin/agent.js", [], { GANTRY_DATA_DIR: folder });
    expect(await without.exit).toBe(78);
    expect(without.lines.at(-1)?.["msg"]).toContain("GANTRY_JOIN_CODE");
    const code = encodeJoinCode({ hubKey: "0".repeat(40), secret: "0".repeat(16) });
    const typo = `${code.slice(0, -6)}9${code.slice(-5)}`;
    const mistyped = run("bin/agent.js", [], { GANTRY_DATA_DIR: folder, GANTRY_JOIN_CODE: typo });
    expect(await mistyped.exit).toBe(77);
    expect(mistyped.lines.at(-1)?.["msg"]).toContain("typo");
  },
);
