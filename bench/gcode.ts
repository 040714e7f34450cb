// How fast the hub reads a job file, and how much memory that takes: the scanner with its analysis
// alone, and the upload path of the hub around it (scan in slices, write, hash, sync).
//
//   node bench/gcode.ts            200 MB, about 20 s
//   node bench/gcode.ts 20         megabytes
//
// The file is made as it is read: towers of short moves with retractions, travel and layer comments,
// like a slicer's. The floor next to the upload is the same bytes into the same blob store, unscanned.

import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { makeScanner } from "@gantry/shared/gcode/scan.ts";
import { openBlobFiles } from "../hub/adapters/blob-files.ts";
import { makeUpload } from "../hub/http/upload.ts";

export interface GcodeResult {
  readonly name: "scan" | "upload" | "blob store alone";
  readonly megabytes: number;
  readonly mbPerS: number;
  /** By the time on all cores: what is left when neighbours are busy. */
  readonly mbPerCpuS: number;
  /** The most resident memory over what was there before, sampled every 4 MB. */
  readonly grownMb: number;
  readonly commands?: number;
}

const MB = 1_000_000;
/** As Node's HTTP server gives bodies. */
const CHUNK_BYTES = 65_536;
const SAMPLE_BYTES = 4 * MB;
const LIMITS = { sizeMm: { x: 250, y: 250, z: 250 }, nozzleMaxC: 260, bedMaxC: 100 };

/** `bytesMax` bytes and a few more of G-code, in pieces of CHUNK_BYTES. */
function* chunks(bytesMax: number): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = "M104 S210\nG28\nM109 S210\nG90\nM83\n";
  let made = 0;
  for (let layer = 1; made + text.length < bytesMax; layer += 1) {
    const z = 0.2 + (layer % 1_000) * 0.2;
    text += `;LAYER_CHANGE\n;Z:${z.toFixed(2)}\nG1 Z${z.toFixed(2)} F600\n`;
    for (let step = 0; step < 2_000; step += 1) {
      const [a, r] = [step * 0.013, 30 + (step % 37)];
      const [x, y] = [125 + r * Math.cos(a), 125 + r * Math.sin(a)];
      text += `G1 X${x.toFixed(3)} Y${y.toFixed(3)} E.${String(10_000 + (step % 5_000))}\n`;
      if (step % 50 === 49)
        text += "G1 E-.8 F2100\nG1 X120.5 Y130.25 F9000\nG1 E.8 F2100\nG1 F2400\n";
      while (text.length >= CHUNK_BYTES) {
        yield encoder.encode(text.slice(0, CHUNK_BYTES));
        made += CHUNK_BYTES;
        text = text.slice(CHUNK_BYTES);
      }
    }
  }
  yield encoder.encode(`${text}M104 S0\nM84\n`);
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function measure(
  name: GcodeResult["name"],
  megabytes: number,
  consume: (pieces: Iterable<Uint8Array>) => Promise<number | undefined>,
): Promise<GcodeResult> {
  (globalThis as { gc?: () => void }).gc?.(); // benchGcode gives it
  const before = process.memoryUsage().rss;
  let most = before;
  let total = 0;
  let makingMs = 0;
  let makingCpuUs = 0;
  function* sampled(): Generator<Uint8Array> {
    let sampledAt = 0;
    const source = chunks(megabytes * MB);
    for (;;) {
      const [from, cpuFrom] = [performance.now(), cpuUs()];
      const next = source.next();
      makingMs += performance.now() - from;
      makingCpuUs += cpuUs() - cpuFrom;
      if (next.done === true) return;
      total += next.value.length;
      if (total - sampledAt > SAMPLE_BYTES) {
        sampledAt = total;
        most = Math.max(most, process.memoryUsage().rss);
      }
      yield next.value;
    }
  }
  const [startedMs, startedCpuUs] = [performance.now(), cpuUs()];
  const commands = await consume(sampled());
  const tookS = (performance.now() - startedMs - makingMs) / 1_000;
  const tookCpuS = (cpuUs() - startedCpuUs - makingCpuUs) / 1_000_000;
  return {
    name,
    megabytes: Math.round(total / MB),
    mbPerS: Math.round((total / MB / tookS) * 10) / 10,
    mbPerCpuS: Math.round((total / MB / tookCpuS) * 10) / 10,
    grownMb: Math.round((most - before) / MB),
    ...(commands === undefined ? {} : { commands }),
  };
}

const DOINGS: Readonly<
  Record<
    GcodeResult["name"],
    (pieces: Iterable<Uint8Array>, dir: string) => Promise<number | undefined>
  >
> = {
  async scan(pieces) {
    const scanner = makeScanner(LIMITS);
    for (const piece of pieces) scanner.push(piece);
    return scanner.finish().commands;
  },
  async upload(pieces, dir) {
    await using upload = await makeUpload(await openBlobFiles(dir), LIMIT.gcodeBytes.max);
    upload.scanWith(LIMITS);
    for (const piece of pieces) await upload.write(piece);
    return (await upload.finish()).commands;
  },
  async "blob store alone"(pieces, dir) {
    const writer = await (await openBlobFiles(dir)).write();
    for (const piece of pieces) await writer.write(piece);
    await writer.finish();
    return undefined;
  },
};
const NAMES = ["scan", "upload", "blob store alone"] as const;

async function measureOne(name: GcodeResult["name"], megabytes: number): Promise<GcodeResult> {
  const dir = await mkdtemp(join(tmpdir(), "gantry-bench-"));
  try {
    return await measure(name, megabytes, (pieces) => DOINGS[name](pieces, dir));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Each in a process of its own: one's memory is not the other's. At most 268 MB, the hub's own bound. */
export function benchGcode(megabytes = 200): readonly GcodeResult[] {
  return NAMES.map((name) => {
    const args = ["--expose-gc", import.meta.filename, String(megabytes), name];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as GcodeResult; // what the lines below print
  });
}

if (import.meta.main) {
  const [megabytes, name] = [Number(process.argv[2] ?? 200), process.argv[3]];
  const one = NAMES.find((each) => each === name);
  const result = one === undefined ? benchGcode(megabytes) : await measureOne(one, megabytes);
  console.log(JSON.stringify(result, null, 2));
}
