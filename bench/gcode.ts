// How fast the hub reads a job file, and how much memory that takes: the scanner with its analysis
// alone, and the upload path of the hub around it (scan in slices, write, hash, sync).
//
//   node --expose-gc bench/gcode.ts            200 MB, about 20 s
//   node --expose-gc bench/gcode.ts 20         megabytes
//
// The file is made as it is read: towers of short moves with retractions, travel and layer comments,
// like a slicer's. The floor next to the upload is the same bytes into the same blob store, unscanned.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeScanner } from "@gantry/shared/gcode/scan.ts";
import { openBlobFiles } from "../hub/adapters/blob-files.ts";
import { makeUpload } from "../hub/http/upload.ts";

export interface GcodeResult {
  readonly name: "scan" | "upload" | "blob store alone";
  readonly megabytes: number;
  readonly mbPerS: number;
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

async function measure(
  name: GcodeResult["name"],
  megabytes: number,
  consume: (pieces: Iterable<Uint8Array>) => Promise<number | undefined>,
): Promise<GcodeResult> {
  (globalThis as { gc?: () => void }).gc?.(); // with --expose-gc; without, the growth reads higher
  const before = process.memoryUsage().rss;
  let most = before;
  let total = 0;
  let makingMs = 0;
  function* sampled(): Generator<Uint8Array> {
    let sampledAt = 0;
    const source = chunks(megabytes * MB);
    for (;;) {
      const from = performance.now();
      const next = source.next();
      makingMs += performance.now() - from;
      if (next.done === true) return;
      total += next.value.length;
      if (total - sampledAt > SAMPLE_BYTES) {
        sampledAt = total;
        most = Math.max(most, process.memoryUsage().rss);
      }
      yield next.value;
    }
  }
  const startedMs = performance.now();
  const commands = await consume(sampled());
  const tookS = (performance.now() - startedMs - makingMs) / 1_000;
  return {
    name,
    megabytes: Math.round(total / MB),
    mbPerS: Math.round((total / MB / tookS) * 10) / 10,
    grownMb: Math.round((most - before) / MB),
    ...(commands === undefined ? {} : { commands }),
  };
}

/** Scan alone, upload with scan, and the blob store without. */
export async function benchGcode(megabytes = 200): Promise<readonly GcodeResult[]> {
  const dir = await mkdtemp(join(tmpdir(), "gantry-bench-"));
  try {
    const blobs = await openBlobFiles(dir);
    return [
      await measure("scan", megabytes, async (pieces) => {
        const scanner = makeScanner(LIMITS);
        for (const piece of pieces) scanner.push(piece);
        return scanner.finish().commands;
      }),
      await measure("upload", megabytes, async (pieces) => {
        await using upload = await makeUpload(blobs, 2 * megabytes * MB);
        upload.scanWith(LIMITS);
        for (const piece of pieces) await upload.write(piece);
        return (await upload.finish()).commands;
      }),
      await measure("blob store alone", megabytes, async (pieces) => {
        const writer = await blobs.write();
        for (const piece of pieces) await writer.write(piece);
        await writer.finish();
        return undefined;
      }),
    ];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  console.log(JSON.stringify(await benchGcode(Number(process.argv[2] ?? 200)), null, 2));
}
