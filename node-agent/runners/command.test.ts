import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { argumentVector, DEFAULT_COMMANDS, parseCatalogue } from "../rules/commands.ts";
import { makeCommandRunner } from "./command.ts";

const never = new AbortController().signal;

const text = { type: "string" };
const commands = parseCatalogue({
  echo: {
    program: "/bin/echo",
    args: ["-n", "--", { arg: "words" }],
    argSchema: { properties: { words: text }, required: ["words"] },
    hazard: "none",
    effect: "pure",
  },
  bare: {
    program: "/bin/echo",
    args: [{ arg: "words" }],
    argSchema: { properties: { words: { anyOf: [text, { type: "array", items: text }] } } },
  },
  number: {
    program: "/bin/echo",
    args: [
      { arg: "count", allowDash: true },
      { arg: "name", prefix: "--name=" },
    ],
    argSchema: { properties: { count: { type: "integer", maximum: 9 }, name: text } },
  },
  environment: { program: "/usr/bin/env", args: [] },
  folder: { program: "/bin/pwd", args: [] },
  fails: { program: "/bin/ls", args: ["/no/such/folder"] },
  missing: { program: "/no/such/program", args: [] },
  sleeps: { program: "/bin/sh", args: ["-c", "sleep 600 & echo $!; sleep 600"], timeoutMs: 200 },
  orphan: { program: "/bin/sh", args: ["-c", "sleep 600 & echo $!"] },
  floods: { program: "/usr/bin/head", args: ["-c", "1000000", "/dev/zero"] },
});
const runner = makeCommandRunner(commands, systemClock);

async function errorOf(name: string, args: unknown): Promise<GantryError> {
  const thrown: unknown = await runner.run(name, args, never).catch((error: unknown) => error);
  if (thrown instanceof GantryError) return thrown;
  throw new Error(`expected a GantryError, not ${String(thrown)}`);
}

it("[A43] a program is told the ids of its job and of the run that wanted it, and nothing of anybody else", async () => {
  const { stdout } = await runner.run("environment", {}, never, {
    job: "job_1",
    run: "run_1",
    place: "each[3]/render",
  });
  const told = Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split(/=(.*)/s)),
  );
  expect(told).toMatchObject({ JOB_ID: "job_1", RUN_ID: "run_1", PLACE: "each[3]/render" });
  const { stdout: alone } = await runner.run("environment", {}, never);
  expect(alone).not.toMatch(/JOB_ID|RUN_ID|PLACE/);
});

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/cmdline`);

async function eventually(isSo: () => boolean): Promise<void> {
  const deadline = systemClock.timeout(5_000);
  while (!isSo()) await systemClock.sleep(5, deadline);
}

describe("the list", () => {
  it.each(["rm", "echo; id", "../bin/echo", "__proto__", "constructor", "ECHO", ""])(
    "[K67] refuses %j, which is not on it",
    async (name) => {
      expect((await errorOf(name, {})).code).toBe("command_not_listed");
    },
  );

  it("[K67] runs a listed command without a shell", async () => {
    const words = "hello; id $(id) `id` | cat && echo * > /tmp/x 'q' \"q\" ~";
    const { stdout, isCut } = await runner.run("echo", { words }, never);
    expect([stdout, isCut]).toEqual([`-- ${words}`, false]);
  });

  it("[K67] hands any text over as one argument, unchanged", async () => {
    const plain = fc
      .string({ maxLength: 60, unit: "grapheme" })
      .filter((words) => !words.startsWith("-") && !/\p{Cc}/u.test(words));
    const anyText = fc.property(plain, (words) => {
      const entry = commands["echo"];
      if (entry === undefined) throw new Error("echo is not listed");
      expect(argumentVector(entry, { words })).toEqual(["-n", "--", words]);
    });
    fc.assert(anyText);
  });

  it.each([
    ["bare", { words: "--help" }, "words"],
    ["bare", { words: ["fine", "-rf"] }, "words"],
    ["echo", { words: "a\nb" }, "words"],
    ["echo", { words: "a\u0000b" }, "words"],
    ["echo", { words: "x".repeat(1_000_000) }, "words"],
    ["echo", { words: "é".repeat(2_049) }, "words"],
    ["echo", { words: 5 }, "words"],
    ["echo", {}, "words"],
    ["echo", { words: "a", LD_PRELOAD: "/tmp/x.so" }, "LD_PRELOAD"],
    ["number", { count: 10 }, "count"],
    ["number", { count: "1" }, "count"],
    ["echo", [], ""],
    ["echo", "words", ""],
  ])("[K67] a bad_request names the field (row %#)", async (name, args, field) => {
    const error = await errorOf(name, args);
    expect([error.code, error.details["field"]]).toEqual(["bad_request", field]);
  });

  it("allows a dash only where the list does", async () => {
    const { stdout } = await runner.run("number", { count: -5, name: "-x" }, never);
    expect(stdout).toBe("-5 --name=-x\n");
  });
});

describe("the run", () => {
  it("[K67] gives a clean environment and a folder that is gone afterwards", async () => {
    const { stdout } = await runner.run("environment", undefined, never);
    const names = stdout
      .trim()
      .split("\n")
      .map((line) => line.split("=")[0]);
    expect(names.toSorted((a, b) => (a ?? "").localeCompare(b ?? ""))).toEqual([
      "HOME",
      "LC_ALL",
      "PATH",
      "TMPDIR",
    ]);
    const folder = (await runner.run("folder", {}, never)).stdout.trim();
    expect(folder.startsWith(tmpdir())).toBe(true);
    expect(existsSync(folder)).toBe(false);
    expect(readdirSync(tmpdir())).not.toContain(basename(folder));
  });

  it("[K67] says command_failed with the exit code and what was said", async () => {
    const error = await errorOf("fails", {});
    expect([error.code, error.details["exitCode"]]).toEqual(["command_failed", 2]);
    expect(error.message).toContain("/no/such/folder");
    expect((await errorOf("missing", {})).code).toBe("command_failed");
  });

  it("[K67] [K80] ends the whole process group at the time-out", async () => {
    const error = await errorOf("sleeps", {});
    expect(error.code).toBe("timeout");
  });

  it("kills what a command left in the background", async () => {
    const { stdout } = await runner.run("orphan", {}, never);
    const pid = Number(stdout);
    expect(pid).toBeGreaterThan(1);
    await eventually(() => !isAlive(pid));
  });

  it("is ended by an abort", async () => {
    const controller = new AbortController();
    const running = runner.run("sleeps", {}, controller.signal).catch((error: unknown) => error);
    controller.abort();
    expect(await running).toMatchObject({ code: "cancelled" });
  });

  it("cuts the output and says so", async () => {
    const { stdout, isCut } = await runner.run("floods", {}, never);
    expect([stdout.length, isCut]).toEqual([65_536, true]);
  });

  it("refuses more at once than it has hands", async () => {
    const controller = new AbortController();
    const eight = Array.from({ length: 8 }, () =>
      runner.run("sleeps", {}, controller.signal).catch((error: unknown) => error),
    );
    expect((await errorOf("echo", { words: "x" })).code).toBe("busy");
    controller.abort();
    await Promise.all(eight);
    expect((await runner.run("echo", { words: "x" }, never)).stdout).toBe("-- x");
  });
});

describe("the catalogue", () => {
  it("has defaults that run and only look", async () => {
    const defaults = makeCommandRunner(DEFAULT_COMMANDS, systemClock);
    expect(
      defaults.list.every(({ hazard, effect }) => hazard === "none" && effect === "pure"),
    ).toBe(true);
    expect((await defaults.run("date", {}, never)).stdout).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect((await defaults.run("disk", {}, never)).stdout).toContain("Avail");
  });

  it.each([
    [{ "bad name": { program: "/bin/ls" } }, "bad name"],
    [{ a: { program: "ls" } }, "a.program"],
    [{ a: { program: "/bin/ls", shell: true } }, "a.shell"],
    [{ a: { program: "/bin/ls", args: [{ arg: "x" }] } }, "a.args.0"],
    [{ a: { program: "/bin/ls", args: [5] } }, "a.args.0"],
    [{ a: { program: "/bin/ls", timeoutMs: 0 } }, "a.timeoutMs"],
    [{ a: { program: "/bin/ls", hazard: "nuclear" } }, "a.hazard"],
    [[], ""],
  ])("refuses %j whole and names %s", (value, path) => {
    let thrown: unknown;
    try {
      parseCatalogue(value);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: "bad_config", details: { path } });
  });

  it("takes a command for dangerous and not repeatable unless the list says otherwise", () => {
    expect(parseCatalogue({ a: { program: "/bin/ls" } })["a"]).toMatchObject({
      hazard: "high",
      effect: "once",
    });
  });
});
