import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const units = globSync("systemd/*.service", { cwd: root }).toSorted();
const hasAnalyze = existsSync("/usr/bin/systemd-analyze");
const hasLint = existsSync("/usr/bin/ansible-lint");

describe.each(units)("%s", (unit) => {
  const text = readFileSync(join(root, unit), "utf8");

  it("names an entry point that exists", () => {
    const entry = /^ExecStart=\S+ .*\/opt\/gantry\/current\/app\/(\S+)(?: .*)?$/m.exec(text)?.[1];
    expect(entry).toBeDefined();
    expect(existsSync(join(root, entry ?? "none"))).toBe(true);
  });

  it("sets no variable that no program reads", () => {
    const names = [...text.matchAll(/^(?:Environment|LoadCredential)=(GANTRY_\w+)/gm)];
    const known = readFileSync(join(root, "shared/contract/variables.ts"), "utf8");
    for (const [, name = ""] of names) expect(known).toContain(`  ${name}: {`);
  });

  it.skipIf(!hasAnalyze)("is understood by systemd and exposes little", () => {
    const verify = spawnSync("systemd-analyze", ["verify", join(root, unit)], { encoding: "utf8" });
    // The programs are not installed here; anything else that it says is a fault of the unit.
    const faults = verify.stderr
      .split("\n")
      .filter((line) => line.includes(basename(unit)) && !line.includes("is not executable"));
    expect(faults).toEqual([]);
    const security = spawnSync(
      "systemd-analyze",
      ["security", "--offline=true", "--threshold=18", join(root, unit)],
      { encoding: "utf8" },
    );
    expect(security).toMatchObject({ status: 0 });
  });
});

describe("the supervisor", () => {
  // ProtectProc= hides it: another service has another namespace of users (PrivateUsers=).
  it("can see the process of the bridge that it may have to end (SV1)", () => {
    const text = readFileSync(join(root, "systemd/gantry-supervisor.service"), "utf8");
    expect(text).not.toMatch(/^(ProtectProc|ProcSubset)=/m);
    const bridge = readFileSync(join(root, "systemd/gantry-bridge.service"), "utf8");
    for (const line of [/^User=.*$/m, /^Environment=GANTRY_HEARTBEAT=.*$/m]) {
      expect(line.exec(text)?.[0]).toBe(line.exec(bridge)?.[0]);
    }
  });
});

describe.each(units.filter((unit) => !unit.includes("backup")))("%s", (unit) => {
  it("is told when its program is ready, and ends one that stands still", () => {
    const text = readFileSync(join(root, unit), "utf8");
    expect(text).toMatch(/^Type=notify$/m);
    expect(text).toMatch(/^WatchdogSec=\d+s$/m);
    const entry = /\/current\/app\/(\S+?)\/bin\/(\w+)\.js/.exec(text);
    const folder = entry?.[2] === "supervisor" ? `${entry[1]}/supervisor` : (entry?.[1] ?? "none");
    expect(readFileSync(join(root, folder, "main.ts"), "utf8")).toContain("manager.ready()");
  });
});

describe("the shell", () => {
  it.each(globSync("{tools/*.sh,.ci/run}", { cwd: root }))("reads %s", (script) => {
    const shell = script === ".ci/run" ? "bash" : "sh";
    expect(spawnSync(shell, ["-n", script], { cwd: root, encoding: "utf8" }).stderr).toBe("");
  });
});

describe("ansible", () => {
  it("uses nothing but builtin modules", () => {
    const files = globSync("ansible/**/{tasks,handlers}/*.yml", { cwd: root });
    expect(files.length).toBeGreaterThan(4);
    for (const path of files) {
      const modules = readFileSync(join(root, path), "utf8").match(
        /^\s+[a-z_]+\.[a-z_]+\.[a-z_]+:/gm,
      );
      for (const name of modules ?? []) expect(name.trim()).toMatch(/^ansible\.builtin\./);
    }
  });

  it.skipIf(!hasLint)(
    "passes ansible-lint in its strictest profile",
    () => {
      const cwd = join(root, "ansible");
      const lint = spawnSync("ansible-lint", ["--offline", "-p", "--nocolor"], {
        cwd,
        encoding: "utf8",
      });
      expect(lint).toMatchObject({ status: 0 });
    },
    60_000,
  );
});
