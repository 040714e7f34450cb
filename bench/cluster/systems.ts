// The two systems side by side, as the measurements see them: put, get and watch of small values on three
// servers, and the processes they are.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "../../tests/support/cluster.ts";
import { enrolNode, openClient } from "../../tests/support/enrol.ts";
import { openEtcdClient, startEtcd } from "./etcd.ts";

export interface Connection {
  put(key: string, value: string): Promise<unknown>;
  /** Linearizable. */
  get(key: string): Promise<unknown>;
  /** Every value of this key from now on; resolves when the watch is in place. */
  watch(key: string, onValue: (value: string) => void): Promise<void>;
  close(): Promise<void>;
}

export interface System extends AsyncDisposable {
  readonly leaderPid: number;
  readonly pids: readonly number[];
  /** To the leader. */
  connect(): Promise<Connection>;
}

export interface HubSystem extends System {
  /** Of the leader. */
  metrics(): Promise<string>;
  /** In order, so that profiles are written. */
  stop(): Promise<void>;
}

const SETTLE_MS = 300;

/** `framing`: one frame for each call, as etcd has one message, or one for all calls of a turn. */
export async function openHubs(
  framing: "each" | "turn",
  env: Readonly<Record<string, string>> = {},
): Promise<HubSystem> {
  const cluster = await startCluster(3, { env });
  const leader = await cluster.leader();
  const enrolled = await enrolNode(leader, "bench");
  return {
    leaderPid: leader.pid,
    pids: cluster.hubs.map(({ pid }) => pid),
    async connect() {
      const client = openClient(enrolled, { token: cluster.token, framing });
      const stop = new AbortController();
      await client.get("warm-up", "leader");
      return {
        put: (key, value) => client.put(key, value),
        get: (key) => client.get(key),
        async watch(key, onValue) {
          const ask = { kinds: "flag", prefix: `flag/${key}`, since: "now" } as const;
          void (async () => {
            for await (const message of client.watch(ask, stop.signal)) {
              if (message.type !== "delta") continue;
              for (const change of message.changes) {
                if ("value" in change) onValue((change.value as { value: string }).value); // ours
              }
            }
          })();
          await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
        },
        async close() {
          stop.abort();
          await client.close();
        },
      };
    },
    metrics: async () => String((await leader.api("GET", "/metrics")).body),
    async stop() {
      for (const hub of cluster.hubs) await hub.kill("SIGTERM");
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

export async function openEtcd(): Promise<System> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-etcd-")); // as the hubs: the same disk
  const etcd = await startEtcd(folder);
  const leader = await etcd.leader();
  return {
    leaderPid: leader.pid,
    pids: etcd.servers.map(({ pid }) => pid),
    async connect() {
      const client = await openEtcdClient(leader);
      return {
        put: (key, value) => client.put(key, value),
        get: (key) => client.get(key),
        async watch(key, onValue) {
          client.watch(key, onValue);
          await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
        },
        close: () => Promise.resolve(client.close()),
      };
    },
    async [Symbol.asyncDispose]() {
      await etcd[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
