// How much memory this machine has for models, and how much a process holds.

import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const PROBE_MS = 5_000;
const PAGE_BYTES = 4_096; // of /proc/PID/statm on every Linux that Node runs on here
/** Of a container's or service's limit in cgroup v2; without one the kernel says "max". */
const CGROUP_LIMIT = "/sys/fs/cgroup/memory.max";
const MIB = 1_048_576;

/** Of the machine, or of the cgroup that this process lives in, whichever is less. Bytes. */
export async function memoryBytes(): Promise<number> {
  const limit = Number(await readFile(CGROUP_LIMIT, "utf8").catch(() => "max"));
  return Number.isFinite(limit) && limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Of all GPUs together, by their drivers; 0 where there is none that tells. Bytes. */
export async function vramBytes(): Promise<number> {
  return (await nvidiaBytes()) || (await amdBytes());
}

/** Resident bytes of a process; undefined where it is gone or the system does not say. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/statm`, "utf8").catch(() => "");
  const pages = Number(text.split(" ")[1]);
  return Number.isInteger(pages) && pages > 0 ? pages * PAGE_BYTES : undefined;
}

async function nvidiaBytes(): Promise<number> {
  const query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"];
  const { stdout } = await run("nvidia-smi", query, { timeout: PROBE_MS }).catch(() => ({
    stdout: "",
  }));
  return sumOf(stdout.split("\n")) * MIB;
}

async function amdBytes(): Promise<number> {
  const folder = "/sys/class/drm";
  const cards = (await readdir(folder).catch(() => [])).filter((name) => /^card\d+$/.test(name));
  const texts = cards.map((card) =>
    readFile(join(folder, card, "device", "mem_info_vram_total"), "utf8").catch(() => ""),
  );
  return sumOf(await Promise.all(texts));
}

const sumOf = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + (Number.parseInt(text, 10) || 0), 0);
