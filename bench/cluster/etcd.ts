// Three etcd servers as processes on loopback, and a client for their key-value store: the messages of
// etcdserverpb are few and small, and encoded here by hand.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { freePort, until } from "../../tests/support/appliance.ts";
import { type Grpc, openGrpc } from "./grpc.ts";

const HOST = "127.0.0.1";
const PUT = "/etcdserverpb.KV/Put";
const RANGE = "/etcdserverpb.KV/Range";
const WATCH = "/etcdserverpb.Watch/Watch";
const STATUS = "/etcdserverpb.Maintenance/Status";

export interface EtcdServer {
  readonly port: number;
  readonly pid: number;
}

export interface Etcd extends AsyncDisposable {
  readonly servers: readonly EtcdServer[];
  leader(): Promise<EtcdServer>;
}

/** `folder`: on the disk that is measured. Waits until one leads. */
export async function startEtcd(folder: string, flags: readonly string[] = []): Promise<Etcd> {
  const places = await Promise.all(
    [1, 2, 3].map(async (number) => ({
      name: `etcd-${number}`,
      client: await freePort(),
      peer: await freePort(),
    })),
  );
  const cluster = places.map(({ name, peer }) => `${name}=http://${HOST}:${peer}`).join(",");
  const children: ChildProcess[] = places.map(({ name, client, peer }) =>
    spawn(
      "etcd",
      [
        `--name=${name}`,
        `--data-dir=${join(folder, name)}`,
        "--log-level=error",
        `--listen-client-urls=http://${HOST}:${client}`,
        `--advertise-client-urls=http://${HOST}:${client}`,
        `--listen-peer-urls=http://${HOST}:${peer}`,
        `--initial-advertise-peer-urls=http://${HOST}:${peer}`,
        `--initial-cluster=${cluster}`,
        "--initial-cluster-state=new",
        ...flags,
      ],
      { stdio: "ignore", env: { PATH: process.env["PATH"] ?? "" } },
    ),
  );
  const servers = places.map(({ client }, place) => ({
    port: client,
    pid: children[place]?.pid ?? -1,
  }));
  const self: Etcd = {
    servers,
    leader: () =>
      until("an etcd that leads", async () => {
        for (const server of servers) {
          const status = await statusOf(server.port).catch(() => undefined);
          if (status !== undefined && status.leader !== 0n && status.leader === status.member)
            return server;
        }
        return undefined;
      }),
    async [Symbol.asyncDispose]() {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await ended;
      }
    },
  };
  try {
    await self.leader();
  } catch (error) {
    await self[Symbol.asyncDispose]();
    throw error;
  }
  return self;
}

async function statusOf(port: number): Promise<{ member: bigint; leader: bigint }> {
  const grpc = await openGrpc(HOST, port);
  try {
    const fields = numbersOf(Buffer.from(await grpc.unary(STATUS, new Uint8Array(0))));
    const header = fields.find(({ field }) => field === 1)?.bytes ?? Buffer.alloc(0);
    const member = numbersOf(header).find(({ field }) => field === 2)?.value ?? 0n;
    const leader = fields.find(({ field }) => field === 4)?.value ?? 0n;
    return { member, leader };
  } finally {
    grpc.close();
  }
}

export interface EtcdClient {
  put(key: string, value: string): Promise<unknown>;
  /** Linearizable. */
  get(key: string): Promise<unknown>;
  /** Calls with the value of every change of this key. */
  watch(key: string, onValue: (value: string) => void): void;
  close(): void;
}

export async function openEtcdClient({ port }: EtcdServer): Promise<EtcdClient> {
  const grpc: Grpc = await openGrpc(HOST, port);
  return {
    put: (key, value) => grpc.unary(PUT, message(textField(1, key), textField(2, value))),
    get: (key) => grpc.unary(RANGE, message(textField(1, key))),
    watch(key, onValue) {
      const create = message(textField(1, key));
      grpc.stream(WATCH, message(bytesField(1, create)), (answer) => {
        for (const event of numbersOf(answer)) {
          if (event.field !== 11 || event.bytes === undefined) continue;
          const pair = numbersOf(event.bytes).find(({ field }) => field === 2)?.bytes;
          const value = pair && numbersOf(pair).find(({ field }) => field === 5)?.bytes;
          if (value !== undefined) onValue(value.toString());
        }
      });
    },
    close: () => grpc.close(),
  };
}

// ── protocol buffers ────────────────────────────────────────────────────────────────────────────

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return [...bytes, rest];
}

const message = (...fields: readonly Buffer[]): Buffer => Buffer.concat(fields);
const bytesField = (field: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(bytes.length)]), bytes]);
const textField = (field: number, text: string): Buffer => bytesField(field, Buffer.from(text));

interface Field {
  readonly field: number;
  readonly value?: bigint;
  readonly bytes?: Buffer;
}

/** Fields of kinds 0 (number) and 2 (bytes), which are all that etcd uses here. */
function numbersOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let place = 0;
  const number = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[place] ?? 0;
      place += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (place < bytes.length) {
    const tag = Number(number());
    const field = tag >> 3;
    if ((tag & 7) === 0) fields.push({ field, value: number() });
    else {
      const size = Number(number());
      fields.push({ field, bytes: bytes.subarray(place, place + size) });
      place += size;
    }
  }
  return fields;
}
