// gantry models: the files of this machine, without a hub.

import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hasModelFiles, modelFile } from "../runners/model-files.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let folder: string;
let rig: Rig;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gantry-models-"));
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(!hasModelFiles)("gantry models on files (needs ../shared/models)", () => {
  it("shows, pins and removes a model of this machine", async () => {
    await mkdir(folder, { recursive: true });
    await copyFile(modelFile("tiny-random.gguf"), join(folder, "tiny.gguf"));
    await writeFile(join(folder, "tiny.gguf.sha256"), `${"a".repeat(64)}\n`);
    const run = (...argv: string[]) => rig.gantry(["models", ...argv, "--dir", folder]);
    expect((await run("show", "tiny")).out).toMatch(/llama[\s\S]*a{64}[\s\S]*no/);
    expect((await run("pin", "tiny")).out).toContain("stays in memory");
    expect(await readdir(folder)).toContain("tiny.pin");
    expect((await run("unpin", "tiny")).code).toBe(0);
    expect(await readdir(folder)).not.toContain("tiny.pin");
    await run("pin", "tiny");
    expect((await run("rm", "tiny")).out).toContain("are free again");
    expect(await readdir(folder)).toEqual([]);
    expect(await run("rm", "tiny")).toMatchObject({ code: 66 });
    expect(await run("rm", "../etc/passwd")).toMatchObject({ code: 64 });
  });
});
