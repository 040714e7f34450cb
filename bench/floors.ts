// What this machine can do at best: the floors that stand next to every other figure.
//
//   node bench/floors.ts        prints one JSON document
//
//   fsync   256 bytes written to one file and synced, one after the other
//   tcp     64 bytes to a loopback socket and back, one after the other
//   spawn   `node -e 0`, from start to exit

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds. */
export interface Spread {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Floors {
  readonly fsync: Spread;
  readonly tcp: Spread;
  readonly spawn: Spread;
}

export function spreadOf(timesMs: readonly number[]): Spread {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 1_000) / 1_000;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

export const machine = () => ({
  node: process.version,
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  load1: Math.round((loadavg()[0] ?? 0) * 100) / 100,
});

async function timesOf(rounds: number, turn: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const fromMs = performance.now();
    await turn();
    times.push(performance.now() - fromMs);
  }
  return times;
}

export async function benchFsync(folder: string, rounds = 500): Promise<Spread> {
  const bytes = new Uint8Array(256);
  await using file = await open(join(folder, "fsync.bin"), "a");
  return spreadOf(
    await timesOf(rounds, async () => {
      await file.write(bytes);
      await file.datasync();
    }),
  );
}

async function benchTcp(rounds = 2_000): Promise<Spread> {
  const server = createServer({ noDelay: true }, (socket) => socket.pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const socket = connect({ port: address.port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  const bytes = new Uint8Array(64);
  try {
    return spreadOf(
      await timesOf(rounds, () => {
        socket.write(bytes);
        return once(socket, "data");
      }),
    );
  } finally {
    socket.destroy();
    server.close();
  }
}

const benchSpawn = async (rounds = 15): Promise<Spread> =>
  spreadOf(
    await timesOf(rounds, () =>
      Promise.resolve(spawnSync(process.execPath, ["-e", "0"], { stdio: "ignore" })),
    ),
  );

/** About 3 s. */
export async function benchFloors(): Promise<Floors> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-floors-"));
  try {
    return { fsync: await benchFsync(folder), tcp: await benchTcp(), spawn: await benchSpawn() };
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const report = { bench: "floors", ...(await benchFloors()), machine: machine() };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}
