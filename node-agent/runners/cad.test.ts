// With the programs of this machine; without them only what does not need them.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blockMesh } from "@gantry/shared/cad/block.ts";
import { checkMesh } from "@gantry/shared/cad/mesh.ts";
import { SLICE_DEFAULTS, type SliceProfile } from "@gantry/shared/cad/slicing.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findProgram, openSandbox } from "../adapters/sandbox.ts";
import { type CadTools, inspect, openCadTools } from "./cad.ts";

const has = (name: string): boolean => spawnSync(name, ["--help"]).error === undefined;
const hasOpenscad = has("openscad");
const hasSlicer = has("prusa-slicer");
const canUnshare =
  spawnSync("unshare", ["--user", "--map-root-user", "--mount", "--net", "true"]).status === 0;
const { signal } = new AbortController();
const profile: SliceProfile = {
  ...SLICE_DEFAULTS,
  sizeMm: { x: 120, y: 120, z: 120 },
  nozzleMaxC: 260,
  bedMaxC: 110,
};
const NEVER_ENDS = "function f(n) = n < 2 ? 1 : f(n - 1) + f(n - 2); cube(f(90));";

/** Processes that render now: ours, and those of tests that run beside this one. */
const rendering = (): readonly string[] =>
  readdirSync("/proc").filter((pid) => /^\d+$/u.test(pid) && commandOf(pid).includes("part.scad"));

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // it has ended meanwhile
  }
}

const untilGone = (pids: readonly string[]): Promise<void> =>
  vi.waitFor(() => expect(pids.filter((pid) => commandOf(pid).includes("part.scad"))).toEqual([]), {
    timeout: 30_000,
  });

let tools: CadTools;
beforeAll(async () => {
  tools = await openCadTools({ clock: systemClock }, signal);
}, 60_000);

describe.runIf(hasOpenscad)("OpenSCAD in its sandbox", () => {
  it("is offered after its self-test, and says of which version it is", () => {
    expect(tools.cad).toEqual({
      version: expect.stringMatching(/^\d{4}\.\d\d/u) as unknown,
      isIsolated: canUnshare,
    });
  });

  it("makes a closed body", async () => {
    const mesh = await tools.render(
      "difference() { cube(20); translate([5, 5, -1]) cube([10, 10, 30]); }",
      false,
      signal,
    );
    expect(checkMesh(mesh)).toMatchObject({ sizeMm: { x: 20, y: 20, z: 20 }, volumeMm3: 6_000 });
    expect(Buffer.from(inspect(mesh, undefined).picture()).subarray(1, 4).toString()).toBe("PNG");
  });

  it.each([
    ["cube(1)", "command_failed", /refused the program: Parser error.*line/u],
    ["square(5);", "mesh_invalid", /makes no body/u],
    ["cube(0);", "mesh_invalid", /makes no body/u],
  ])("says what is wrong with %j", async (source, code, message) => {
    const told = await tools.render(source, false, signal).catch((error: unknown) => error);
    expect(told).toMatchObject({ code, message: expect.stringMatching(message) as unknown });
  });

  it.runIf(canUnshare)(
    "refuses programs of people that name files, and runs the others",
    async () => {
      await expect(tools.render('import("/etc/hostname");', true, signal)).rejects.toMatchObject({
        code: "bad_request",
      });
      expect(
        checkMesh(await tools.render("cube(2); // of mine", true, signal)).volumeMm3,
      ).toBeCloseTo(8);
    },
  );

  it("ends a program that does not end, at its own time-out, and leaves nothing running", async () => {
    const quick = await openCadTools({ clock: systemClock, timeoutMs: 2_000 }, signal);
    const work = quick.render(NEVER_ENDS, false, signal).catch((error: unknown) => error);
    await vi.waitFor(() => expect(rendering()).not.toEqual([]), { timeout: 20_000, interval: 5 });
    const pids = rendering();
    const told = await work;
    expect(told).toMatchObject({
      code: "command_failed",
      message: expect.stringMatching(/^OpenSCAD was ended after 2 s/u) as unknown,
    });
    await untilGone(pids);
  }, 60_000);

  it("kills the program and all that it started when it is cancelled", async () => {
    const stop = new AbortController();
    const work = tools.render(
      "for (i = [0 : 2000]) translate([i * 3, 0, 0]) difference() { sphere(2, $fn = 60); cube(i); }",
      false,
      stop.signal,
    );
    work.catch(() => {});
    await vi.waitFor(() => expect(rendering()).not.toEqual([]), { timeout: 20_000, interval: 5 });
    const pids = rendering();
    stop.abort();
    await expect(work).rejects.toThrow("The work was cancelled");
    await untilGone(pids);
  }, 60_000);
});

describe.runIf(hasSlicer)("PrusaSlicer in its sandbox", () => {
  it("makes G-code for this printer and this filament, with a picture for its screen", async () => {
    const shares: number[] = [];
    const mesh = blockMesh(20, 20, 10);
    const gcode = await tools.slice(
      mesh,
      profile,
      inspect(mesh, profile).picture(),
      (share) => shares.push(share),
      signal,
    );
    const text = new TextDecoder().decode(gcode);
    expect(text).toMatch(/^; generated by PrusaSlicer/u);
    expect(text).toContain("; thumbnail begin 320x240");
    expect(text).toMatch(/^M109 S215/mu);
    expect(text).toMatch(/^M140 S0/mu); // our own end switches the bed off
    expect(shares.length).toBeGreaterThan(1);
  }, 60_000);

  it("says so when the part does not fit", async () => {
    const told = await tools
      .slice(blockMesh(200, 20, 10), profile, undefined, () => {}, signal)
      .catch((error: unknown) => error);
    expect(told).toMatchObject({
      code: "mesh_invalid",
      message: "The part does not fit on the bed",
    });
    expect(() => inspect(blockMesh(20, 20, 200), profile)).toThrow(/there is room for/u);
  }, 60_000);
});

describe.runIf(canUnshare)("the sandbox", () => {
  it("shows a program nothing but /usr, its folder and its own processes, and lets it out nowhere", async () => {
    const sandbox = await openSandbox(signal);
    const order = {
      outputs: ["out", "link"],
      memoryBytes: 1_073_741_824,
      cpuS: 10,
      fileBytes: 65_536,
      files: { given: "yes" },
    };
    const script = [
      "ls / | tr '\\n' ' '; echo",
      "cat given; echo",
      "ls /old | wc -l",
      "cat /etc/passwd 2>/dev/null",
      "ls /sys/class/net 2>/dev/null",
      "touch /usr/x 2>/dev/null && echo wrote",
      "ls /proc | grep -c '^[0-9]'",
      "mount -t tmpfs none /work 2>/dev/null && echo mounted",
      "(echo > /dev/tcp/127.0.0.1/22) 2>/dev/null && echo reached",
      "env | cut -d= -f1 | sort | tr '\\n' ' '",
      "ln -s /proc/self/environ link",
      "echo made > out",
    ].join("; ");
    const shell = (await findProgram("sh")) ?? "";
    const told = await sandbox?.run({ ...order, program: shell, args: ["-c", script] }, signal);
    expect(told?.exitCode).toBe(0);
    const [roots, given, ...rest] = (told?.words ?? "").split("\n");
    expect(
      roots
        ?.split(" ")
        .filter((name) => !["bin", "sbin", "lib", "lib32", "lib64", "var", ""].includes(name)),
    ).toEqual(["dev", "etc", "old", "proc", "usr", "work"]);
    expect([given, rest[0]]).toEqual(["yes", "0"]); // nothing is left of our own files
    expect(rest.join(" ")).not.toMatch(/wrote|mounted|reached|root:/u);
    expect(rest.join(" ")).not.toMatch(/USER|NODE|GANTRY|VITEST/u);
    expect([...(told?.outputs.keys() ?? [])]).toEqual(["out"]); // no link is followed
  }, 30_000);

  it("bounds what is written", async () => {
    const sandbox = await openSandbox(signal);
    const shell = (await findProgram("sh")) ?? "";
    const bounds = {
      outputs: ["big"],
      memoryBytes: 1_073_741_824,
      cpuS: 10,
      fileBytes: 65_536,
      files: {},
    };
    const told = await sandbox?.run(
      {
        ...bounds,
        program: shell,
        args: ["-c", "head -c 1000000 /dev/zero > big; cat big | wc -c"],
      },
      signal,
    );
    expect(told?.outputs.get("big")?.length ?? 0).toBeLessThanOrEqual(65_536);
  }, 30_000);
});

describe("a machine whose program does not work", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gantry-broken-"));
    for (const name of ["openscad", "prusa-slicer"]) {
      await writeFile(join(folder, name), "#!/bin/sh\necho broken; exit 3\n");
      await chmod(join(folder, name), 0o755);
    }
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("does not offer it, and says why", async () => {
    const broken = await openCadTools({ clock: systemClock, path: folder }, signal);
    expect([broken.cad, broken.slicer]).toEqual([undefined, undefined]);
    expect(broken.faults.length).toBe(2);
    await expect(broken.render("cube(1);", false, signal)).rejects.toMatchObject({
      code: "command_failed",
    });
  }, 30_000);
});
