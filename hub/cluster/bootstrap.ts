// How a hub knows its cluster before its log tells it anything: a small file, made at the first
// start and kept true while the hub runs.
//
//   DATA_DIR/cluster.json   {version, clusterId, hub, founders, witnesses, peers: [{id, address, publicKey}],
//                            former: [{id, address, publicKey, isTold}], isRemoved}
//
// CB1. The id of this hub and of its cluster never change in one data folder: a folder under another
//      name would vote twice.
// CB2. `founders` is the membership before the first log entry; it is the same on every hub for ever.
// CB3. Two voters are refused: with either gone nothing works, which is worse than one alone.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { z } from "zod";
import type { Membership } from "../consensus/types.ts";

const peerSchema = z.object({
  id: z.string().min(1),
  address: z.string(),
  publicKey: z.string().length(40),
});

const clusterFileSchema = z.object({
  version: z.literal(1),
  /** Hex of 64 bits. */
  clusterId: z.string().regex(/^[0-9a-f]{16}$/),
  hub: z.string().min(1),
  founders: z.array(z.string()).min(1),
  witnesses: z.array(z.string()),
  /** Every hub that this one knows, itself included once it has an address. */
  peers: z.array(peerSchema),
  /** Removed hubs, the newest last, and whether each has heard of it. */
  former: z.array(peerSchema.extend({ isTold: z.boolean() })).optional(),
  /** This hub itself was removed; it never comes back under this folder. */
  isRemoved: z.boolean().optional(),
});

export type ClusterFile = Readonly<z.infer<typeof clusterFileSchema>>;
export type FormerHub = NonNullable<ClusterFile["former"]>[number];

/** Throws data_damaged. */
export function parseClusterFile(text: string, path: string): ClusterFile {
  try {
    return clusterFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new GantryError("data_damaged", `${path} does not say which cluster this hub is of`, {
      cause,
    });
  }
}

export const foundingMembership = ({ founders }: Pick<ClusterFile, "founders">): Membership => ({
  voters: founders,
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
});

/** Where a hub's cluster comes from at its first start. */
export type Origin =
  | { readonly kind: "alone" }
  | {
      readonly kind: "founding";
      readonly secret: string;
      readonly peers: Readonly<Record<string, string>>;
    }
  | { readonly kind: "joining"; readonly code: string };

export interface OriginFacts {
  readonly hubId: string;
  readonly peers: Readonly<Record<string, string>>;
  readonly witnesses: readonly string[];
  readonly secret: string | undefined;
  readonly code: string | undefined;
}

/** Throws bad_config, with what to do. */
export function originOf({ hubId, peers, witnesses, secret, code }: OriginFacts): Origin {
  if (code !== undefined) return { kind: "joining", code };
  const others = Object.keys(peers).filter((id) => id !== hubId);
  if (others.length === 0) return { kind: "alone" };
  const hubs = [hubId, ...others];
  if (hubs.length === 2) {
    throw new GantryError(
      "bad_config",
      "Two hubs are worse than one: with either gone, neither may decide. Name a third in GANTRY_PEERS; a small machine will do as a witness (GANTRY_WITNESSES)", // CB3
    );
  }
  const strangers = witnesses.filter((id) => !hubs.includes(id));
  if (strangers.length > 0) {
    throw new GantryError(
      "bad_config",
      `GANTRY_WITNESSES names ${strangers.join(", ")}, which GANTRY_PEERS does not`,
    );
  }
  if (hubs.length - witnesses.length < 2) {
    throw new GantryError(
      "bad_config",
      "At least two hubs must hold state: GANTRY_WITNESSES names too many",
    );
  }
  if (secret === undefined) {
    throw new GantryError(
      "bad_config",
      "Hubs of GANTRY_PEERS know each other by a shared secret: give all of them the same GANTRY_CLUSTER_SECRET (or the same GANTRY_TOKEN)",
    );
  }
  return { kind: "founding", secret, peers };
}

/** CB1. Throws bad_config. */
export function checkSameHub(file: ClusterFile, hubId: string): void {
  if (file.hub === hubId) return;
  throw new GantryError(
    "bad_config",
    `This data folder belongs to ${file.hub}, and GANTRY_HUB_ID says ${hubId}: use another folder for another hub`,
  );
}
