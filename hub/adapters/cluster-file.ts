// DATA_DIR/cluster.json and the hub's peer keys: read at each start, made at the first.

import { scryptSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { HubConfig } from "@gantry/shared/contract/config.ts";
import { decodeClusterCode } from "@gantry/shared/contract/cluster-code.ts";
import {
  checkSameHub,
  type ClusterFile,
  type Origin,
  originOf,
  parseClusterFile,
} from "../cluster/bootstrap.ts";
import type { Peer } from "../ports.ts";
import type { CurveKeys } from "./hub-keys.ts";
import { deriveClusterId, deriveKeys, openPeerKeys, randomClusterId } from "./peer-keys.ts";

export interface OpenCluster {
  readonly file: ClusterFile;
  readonly keys: CurveKeys;
  readonly save: (file: ClusterFile) => Promise<void>;
}

/** `hasLog`: the data folder has a log of an earlier start. Throws bad_config, data_damaged, io_error. */
export async function openCluster(
  root: string,
  config: HubConfig,
  hasLog: boolean,
): Promise<OpenCluster> {
  const path = join(root, "cluster.json");
  const save = (file: ClusterFile): Promise<void> =>
    writeFileDurably(path, `${JSON.stringify(file, undefined, 2)}\n`, 0o600);
  const text = await readIfThere(path);
  if (text !== undefined) {
    const file = parseClusterFile(text, path);
    checkSameHub(file, config.hubId);
    const keys = await openPeerKeys(root);
    const moved = withAddress(file, ownAddress(config), keys.publicKey);
    if (moved !== file) await save(moved);
    return { file: moved, keys, save };
  }
  // A hub that has worked alone stays what it is: others join it by a code.
  const origin = hasLog ? ({ kind: "alone" } as const) : originOf(factsOf(config));
  const { file, derived } = begin(origin, config);
  const keys = await openPeerKeys(root, derived);
  const own: Peer = { id: config.hubId, address: ownAddress(config), publicKey: keys.publicKey };
  const withSelf = { ...file, peers: [...file.peers.filter(({ id }) => id !== own.id), own] };
  await save(withSelf); // after the keys: a file without keys would found the cluster anew
  return { file: withSelf, keys, save };
}

/** A hub that is given another address keeps its place; one that cannot tell keeps the address it had. */
function withAddress(file: ClusterFile, address: string, publicKey: string): ClusterFile {
  const known = file.peers.find(({ id }) => id === file.hub);
  if (address === "" || known?.address === address) return file;
  const others = file.peers.filter(({ id }) => id !== file.hub);
  return { ...file, peers: [...others, { id: file.hub, address, publicKey }] };
}

function factsOf({ hubId, peers, witnesses, clusterSecret, clusterCode, token }: HubConfig) {
  const secret = clusterSecret ?? token;
  return {
    hubId,
    peers,
    witnesses,
    secret: secret === undefined ? undefined : stretched(secret),
    code: clusterCode,
  };
}

/** A person's word may be short: each guess of it is made to cost some 50 ms. */
const stretched = (secret: string): string =>
  scryptSync(secret, "gantry cluster secret", 32).toString("hex");

function begin(
  origin: Origin,
  config: HubConfig,
): { readonly file: ClusterFile; readonly derived?: CurveKeys } {
  const { hubId } = config;
  const base = { version: 1 as const, hub: hubId, witnesses: [...config.witnesses] };
  switch (origin.kind) {
    case "alone":
      return { file: { ...base, clusterId: randomClusterId(), founders: [hubId], peers: [] } };
    case "founding": {
      const founders = [...new Set([hubId, ...Object.keys(origin.peers)])].toSorted();
      const clusterId = deriveClusterId(origin.secret, founders);
      const keysOf = (id: string): CurveKeys => deriveKeys(origin.secret, clusterId, id);
      const peers = Object.entries(origin.peers).map(([id, address]) => ({
        id,
        address,
        publicKey: keysOf(id).publicKey,
      }));
      return { file: { ...base, clusterId, founders, peers }, derived: keysOf(hubId) };
    }
    case "joining": {
      const code = decodeClusterCode(origin.code);
      if (code.hub !== hubId) {
        throw new GantryError(
          "bad_config",
          `The cluster code is for ${code.hub}, and GANTRY_HUB_ID says ${hubId}: set it to ${code.hub}`,
        );
      }
      const { clusterId, seed } = code;
      const [founders, witnesses, peers] = [
        [...code.founders],
        [...code.witnesses],
        [...code.hubs],
      ];
      const derived = deriveKeys(seed, clusterId, hubId);
      return { file: { ...base, clusterId, founders, witnesses, peers }, derived };
    }
  }
}

/** Under which other hubs find this one; empty when it is bound to every address and nobody said which. */
export function ownAddress({ peerAddress, peerBind, peers, hubId }: HubConfig): string {
  const address = peerAddress ?? peerBind;
  // The same GANTRY_PEERS may be given to all hubs: then it names this one, too.
  return /\/\/(0\.0\.0\.0|\*|\[::\])(:|$)/.test(address) ? (peers[hubId] ?? "") : address;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new GantryError("io_error", `${path} cannot be read`, { cause });
  }
}
