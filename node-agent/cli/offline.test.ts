import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ERRORS } from "@gantry/shared/base/errors.ts";
import { COMMANDS } from "./catalogue.ts";
import { isOwnHub } from "./opening.ts";
import { CLEAN_ENV, LAUNCHER, run } from "./testing/launcher.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

describe("without a hub", () => {
  it("[A66] names the address when nobody listens, with code 69, also as JSON", async () => {
    const url = rig.hub.url;
    await rig.hub[Symbol.asyncDispose]();
    const people = await rig.gantry(["devices"]);
    expect(people.code).toBe(69);
    expect(people.err).toContain(`The hub at ${url} does not answer (connection refused)`);
    const program = await rig.gantry(["devices", "--json"]);
    expect(program).toMatchObject({ code: 69, out: "" });
    expect(JSON.parse(program.err)).toMatchObject({
      error: { code: "unreachable", requestId: expect.stringMatching(/^req_/) },
    });
  });

  it.each([
    [["devixes"], "gantry devices"],
    [["toString"], "gantry help"],
    [["print"], "gantry print FILE --on PRINTER"],
    [["pause", "a", "b"], "gantry pause JOB"],
    [["jobs", "--frobnicate"], "gantry jobs requeue|drop|cancel ID"],
    [["jobs", "--limit", "0"], "request req_"],
    [["token", "create", "Ada", "--role", "king"], "gantry token list"],
    [["devices", "--hub", "not a url"], "request req_"],
  ])("refuses %j with code 64 and says how", async (argv, shown) => {
    const { code, err } = await rig.gantry(argv);
    expect(code).toBe(64);
    expect(err).toContain(shown);
    expect(rig.hub.seen).toEqual([]);
  });

  it("explains itself, and lists no command that it does not have", async () => {
    const { code, out } = await rig.gantry([]);
    expect(code).toBe(0);
    for (const name of Object.keys(COMMANDS)) {
      expect(out).toContain(`  ${name} `);
      expect((await rig.gantry([name, "--help"])).out).toContain(`gantry ${name}`);
      expect(typeof (await COMMANDS[name]?.load())).toBe("function");
    }
  });

  it("shows the configuration with secrets hidden, and all faults with code 78", async () => {
    const good = await rig.gantry(["config"]);
    expect(good).toMatchObject({ code: 0 });
    expect(good.out).toContain("(set)");
    expect(good.out).not.toContain("gt_test");
    const bad = await rig.gantry(["config"], { env: { GANTRY_LOG_LEVEL: "x", GANTRY_PORT: "1" } });
    expect(bad.code).toBe(78);
    expect(bad.out).toContain("GANTRY_LOG_LEVEL is");
    expect(bad.out).toContain("GANTRY_PORT is not known");
    const wrong = await rig.gantry(["devices"], { env: { GANTRY_HTTP_PORT: "x" } });
    expect(wrong.code).toBe(78);
    expect(wrong.err).toContain("\n  GANTRY_HTTP_PORT: ");
  });

  it("gives the owner's token of the data folder only to a hub of this machine", async () => {
    await mkdir(join(rig.dir, "data"));
    await writeFile(join(rig.dir, "data", "token"), "gt_owner\n");
    rig.hub.json("GET /api/devices", { devices: [] });
    const env = { GANTRY_TOKEN: undefined };
    await rig.gantry(["devices"], { env });
    await rig.gantry(["devices", "--token", "gt_given"], { env });
    expect(rig.hub.seen.map((seen) => seen.headers["authorization"])).toEqual([
      "Bearer gt_owner",
      "Bearer gt_given",
    ]);
  });

  it.each([
    ["http://127.0.0.1:9", true],
    ["http://[::1]:8080", true],
    ["http://localhost:8080/x", true],
    ["http://10.0.0.7:8080", true],
    ["http://10.0.0.8:8080", false],
    ["http://127.0.0.1.evil.test:8080", false],
  ])("counts %s as its own hub: %s", (url, isOwn) => {
    expect(isOwnHub(url, ["http://10.0.0.7:8080"])).toBe(isOwn);
  });

  it("starts the doctor as a program of its own and passes its code on", async () => {
    const program = join(import.meta.dirname, "..", "..", "hub", "bin", "doctor.js");
    const { code } = await rig.gantry(["doctor", "/srv/data", "--json"]);
    // An agent's machine may have no hub beside it; then there is nothing to start.
    const started = { code: 3, runs: [{ file: program, args: ["/srv/data", "--json"] }] };
    const missing = { code: ERRORS.capability_missing.exit, runs: [] };
    expect({ code, runs: rig.nodeRuns }).toEqual(existsSync(program) ? started : missing);
  });

  it("writes completion scripts that name every command", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, out } = await rig.gantry(["completion", shell]);
      expect(code).toBe(0);
      for (const name of Object.keys(COMMANDS)) expect(out).toContain(name);
    }
    expect((await rig.gantry(["completion", "tcsh"])).code).toBe(64);
    const { out } = await rig.gantry(["completion", "bash"]);
    execFileSync("bash", ["-n"], { input: out });
    const asked = `${out}\nCOMP_WORDS=(gantry flags s) COMP_CWORD=2; _gantry; echo "\${COMPREPLY[@]}"`;
    expect(execFileSync("bash", { input: asked, encoding: "utf8" })).toBe("set\n");
  });
});

describe("the launcher", () => {
  it("[A66] prints the version and keeps its compiled code in the user's own cache", async () => {
    const env = { ...CLEAN_ENV, HOME: rig.dir };
    const { stdout } = await run(process.execPath, [LAUNCHER, "--version"], { env });
    const facts = JSON.parse(
      readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8"),
    ) as { readonly version: string };
    expect(stdout).toBe(`${facts.version}\n`);
    expect(readFileSync(LAUNCHER, "utf8")).toContain("enableCompileCache");
  });

  it("ends in silence when the reader of its output has left", async () => {
    const command = `"${process.execPath}" "${LAUNCHER}" help | true; exit \${PIPESTATUS[0]}`;
    const { stderr } = await run("bash", ["-c", command], {
      env: { PATH: "/usr/bin:/bin", HOME: rig.dir },
    });
    expect(stderr).toBe("");
  });
});
