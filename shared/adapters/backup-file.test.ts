import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256 } from "../base/digest.ts";
import { type BackupManifest, backupBytes, blobPartName, LEDGER_NAME } from "../contract/backup.ts";
import { manifestBytes, readBackup, writeBackup } from "./backup-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gantry-backup-file-"));
});
afterEach(() => rm(folder, { recursive: true }));

const contents = ["rows", "x".repeat(1_500_000), ""].map((text) => new TextEncoder().encode(text));
const manifest: BackupManifest = {
  format: 1,
  madeAtMs: 1_700_000_000_000,
  version: "0.1.0",
  dataFormat: 1,
  clusterId: "0123456789abcdef",
  hub: "hub-1",
  founders: ["hub-1"],
  voters: ["hub-1"],
  index: 7,
  missing: [],
  parts: contents.map((bytes, place) => ({
    name: place === 0 ? LEDGER_NAME : blobPartName(sha256(bytes)),
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
  })),
};

async function made(): Promise<{ path: string; bytes: Buffer }> {
  const pieces = await Array.fromAsync(
    writeBackup(manifest, async function* (part) {
      const bytes = contents[manifest.parts.indexOf(part)] ?? new Uint8Array();
      yield bytes.subarray(0, 100);
      yield bytes.subarray(100);
    }),
  );
  const path = join(folder, "a.tar");
  const bytes = Buffer.concat(pieces);
  await writeFile(path, bytes);
  return { path, bytes };
}

describe("the file of a backup", () => {
  it("comes back as it was, and is as long as was said before", async () => {
    const { path, bytes } = await made();
    expect(bytes.length).toBe(backupBytes(manifestBytes(manifest).length, manifest.parts));
    const seen: Buffer[] = [];
    const read = await readBackup(path, {
      begin: async () => void seen.push(Buffer.alloc(0)),
      piece: async (piece) => void seen.push(Buffer.concat([seen.pop() ?? Buffer.alloc(0), piece])),
    });
    expect(read.manifest).toEqual(manifest);
    expect(seen.map((part) => sha256(part))).toEqual(manifest.parts.map((part) => part.sha256));
  });

  it("can be looked at with tar", async () => {
    const { path } = await made();
    const names = execFileSync("tar", ["-tf", path], { encoding: "utf8" }).trim().split("\n");
    expect(names).toEqual([
      "gantry-backup.json",
      ...manifest.parts.map(({ name }) => name),
      "total.sha256",
    ]);
    const text = execFileSync("tar", ["-xOf", path, "gantry-backup.json"], { encoding: "utf8" });
    expect(JSON.parse(text)).toEqual(manifest);
  });

  it("is refused when any one of its bytes is another, or it is cut or goes on (BF1)", async () => {
    const { path, bytes } = await made();
    const places = [0, 200, 600, 2_000, 3_000, 900_000, bytes.length - 1_800, bytes.length - 1];
    for (const at of places) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await writeFile(path, changed);
      await expect(readBackup(path), `byte ${at}`).rejects.toMatchObject({ code: "data_damaged" });
    }
    for (const length of [0, 511, 5_000, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      await expect(readBackup(path), `cut at ${length}`).rejects.toMatchObject({
        code: "data_damaged",
      });
    }
    await writeFile(path, Buffer.concat([bytes, Buffer.alloc(512)]));
    await expect(readBackup(path)).rejects.toMatchObject({ code: "data_damaged" });
    await writeFile(path, bytes);
    expect((await readBackup(path)).sizeBytes).toBe((await readFile(path)).length);
  });
});
