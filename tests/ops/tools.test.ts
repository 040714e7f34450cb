import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readConfig } from "@gantry/shared/contract/config.ts";
import { scanGcode } from "@gantry/shared/gcode/scan.ts";
import { demoPart } from "../../tools/demo-part.ts";
import { idsIn } from "../../tools/docs/coverage.ts";
import { typeText } from "../../tools/docs/type-text.ts";
import { planHubs } from "../../tools/launcher/hubs.ts";
import { prettyLine } from "../../tools/launcher/lines.ts";

const root = join(import.meta.dirname, "..", "..");

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "gantry-ops-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

const node = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, [...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout: 30_000,
  });

/** Its last line and exit code. */
function count(report: unknown): { stdout: string; status: number | null } {
  const path = join(folder(), "report.json");
  writeFileSync(path, typeof report === "string" ? report : JSON.stringify(report));
  const { stdout, status } = node(["tools/count-tests.js", path]);
  return { stdout: stdout.trim(), status };
}

describe("setup", () => {
  it("says and does nothing when nothing is missing", () => {
    execFileSync("sh", ["tools/setup.sh"], { cwd: root, stdio: "ignore" });
    const lock = readFileSync(join(root, "package-lock.json"));
    const again = spawnSync("sh", ["tools/setup.sh"], { cwd: root, encoding: "utf8" });
    expect(again).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(readFileSync(join(root, "package-lock.json")).equals(lock)).toBe(true);
  });
});

describe("the launcher", () => {
  it("explains itself", () => {
    const help = node(["tools/start.js", "--help"]);
    expect(help.status).toBe(0);
    expect(help.stdout).toContain("--demo");
    const wrong = node(["tools/start.js", "--dmeo"]);
    expect(wrong.status).toBe(64);
    expect(wrong.stderr).toContain("--dmeo");
  });

  it("AP1: a busy port ends the start with the variable that names it", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? String(address.port) : "";
    const start = node(["tools/start.js"], {
      GANTRY_DATA_DIR: folder(),
      GANTRY_HTTP_PORT: port,
      GANTRY_MQTT_PORT: "0",
    });
    expect(start.status).toBe(69);
    expect(start.stderr).toContain("GANTRY_HTTP_PORT=");
  });

  it("names every fault of the environment before it starts anything", () => {
    const start = node(["tools/start.js"], {
      GANTRY_DATA_DIR: folder(),
      GANTRY_HTPP_PORT: "1",
      GANTRY_HTTP_WORKERS: "many",
    });
    expect(start.status).toBe(78);
    expect(start.stderr).toContain("GANTRY_HTTP_PORT?");
  });

  it("shows a JSON line for people and any other line as it is", () => {
    const line = JSON.stringify({ level: 40, time: "2026-01-01T00:00:00Z", job: "a", msg: "late" });
    const style = { hasColour: false };
    expect(prettyLine("hub", line, style)).toMatch(/^\d\d:\d\d:\d\d hub {4}warn {2}late job=a$/);
    expect(prettyLine("hub", "plain {", style)).toContain("plain {");
    expect(prettyLine("hub", "{broken", style)).toContain("{broken");
  });
});

describe("the demonstration", () => {
  it("makes a part that the scan accepts and that ends cold", () => {
    const options = { centerMm: 50, layers: 10, nozzleC: 205, bedC: 60 };
    const limits = { sizeMm: { x: 100, y: 100, z: 100 }, nozzleMaxC: 260, bedMaxC: 110 };
    const facts = scanGcode(demoPart(options), limits);
    expect(facts).toMatchObject({ layers: 10, nozzleMaxC: 205, bedMaxC: 60 });
    expect(facts.boundsMm.max.x).toBeCloseTo(60 - 0.225, 3);
    expect(demoPart(options)).toMatch(/M104 S0\nM140 S0\n.*\nM84\n$/);
  });

  it("prints a part from question to record, once, and leaves nothing behind", () => {
    const demo = node(["tools/start.js", "--demo"]);
    expect(demo.stderr).toBe("");
    expect(demo.status).toBe(0);
    expect(demo.stdout).toMatch(/printing .* nozzle 205 °C/);
    expect(demo.stdout).toContain("done, startedCount 1");
  }, 60_000);
});

describe("the count of tests", () => {
  const report = { numPassedTests: 5, numFailedTests: 0, numPendingTests: 1, numTodoTests: 0 };

  it.each([
    [{ ...report, testResults: [] }, "5 passed, 0 failed, 1 skipped", 0],
    [{ ...report, numFailedTests: 2, testResults: [] }, "5 passed, 2 failed, 1 skipped", 1],
    [
      { ...report, testResults: [{ status: "failed", assertionResults: [] }] },
      "5 passed, 1 failed, 1 skipped",
      1,
    ],
    [{ ...report, numPassedTests: 0, testResults: [] }, "0 passed, 0 failed, 1 skipped", 1],
    ["not a report", "0 passed, 1 failed, 0 skipped", 1],
  ])("of case %#", (given, stdout, status) => {
    expect(count(given)).toEqual({ stdout, status });
  });
});

describe("the generated pages", () => {
  it("finds row ids in titles only", () => {
    expect([...idsIn('it("[K1] [S2] one");\n  `[D3] two`')]).toEqual(["K1", "S2", "D3"]);
    expect([...idsIn("// [K1] in a comment")]).toEqual([]);
  });

  it("writes schemas as types", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string" }, b: { type: "array", items: { enum: ["x", "y"] } } },
      required: ["a"],
    };
    expect(typeText(schema)).toBe('{ a: string; b?: ("x" | "y")[] }');
    expect(typeText(true)).toBe("unknown");
  });

  it("are up to date (npm run docs)", () => {
    expect(node(["tools/docs.js", "--check"])).toMatchObject({ status: 0, stderr: "" });
  });
});

describe("npm start -- --hubs 3", () => {
  const config = readConfig("hub", {}, () => undefined);

  it("[M76] gives each hub a folder and ports of its own, and one secret to all", () => {
    const dataDir = folder();
    const { hubs, ports, agentEnv } = planHubs(3, config, dataDir);
    expect(ports).toEqual([8080, 8090, 8100]);
    expect(hubs.map(({ env }) => env["GANTRY_HUB_ID"])).toEqual(["hub-1", "hub-2", "hub-3"]);
    expect(hubs[1]?.env["GANTRY_PEERS"]).toBe(
      "hub-1=tcp://127.0.0.1:7700,hub-3=tcp://127.0.0.1:7720",
    );
    expect(new Set(hubs.map(({ env }) => env["GANTRY_CLUSTER_SECRET"])).size).toBe(1);
    expect(agentEnv["GANTRY_HUBS"]?.split(",")).toHaveLength(3);
    const again = planHubs(3, config, dataDir);
    expect(again.hubs).toEqual(hubs); // the same secrets at every start
  });

  it("sends the agent of one hub where that hub listens", () => {
    for (const [agentBind, seen] of [
      ["tcp://127.0.0.1:7999", "tcp://127.0.0.1:7999"],
      ["tcp://0.0.0.0:7701", "tcp://127.0.0.1:7701"],
    ] as const) {
      const { agentEnv } = planHubs(1, { ...config, agentBind }, folder());
      expect(agentEnv).toEqual({ GANTRY_HUBS: seen });
    }
  });

  it("uses no folder of one hub for several, nor the other way round (LH1)", () => {
    const [one, many] = [folder(), folder()];
    mkdirSync(join(one, "log"));
    mkdirSync(join(many, "hub-2"));
    expect(() => planHubs(3, config, one)).toThrow(/belongs to one hub/);
    expect(() => planHubs(1, config, many)).toThrow(/several hubs/);
  });
});
