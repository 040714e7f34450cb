// What a seed of the house draws besides what a seed of replicas does, and the files of its prints.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import type { GcodeFacts } from "@gantry/shared/contract/rows.ts";
import type { BlobStore } from "../../../hub/ports.ts";
import { drawReplicaMix, type ReplicaMix } from "../replica/mix.ts";

const FILES = ["G28\n", "G28\nG1 X10\n"];

/** The storm over hubs as at the level of replicas, at the pace of a real cluster. */
export function houseMix(seed: number): ReplicaMix {
  const random = seededRandom(seed ^ 0x3c6ef372);
  const drawn = drawReplicaMix(seed);
  const founders = drawn.founders.slice(0, 3);
  const [, , third = ""] = founders;
  return {
    ...drawn,
    founders,
    ids: drawn.hasSpare ? [...founders, "h4"] : founders,
    witnesses: new Set(drawn.witnesses.size > 0 ? [third] : []),
    electionTicks: 25,
    stormMs: between(random, 8_000, 30_000),
    faultEveryMs: 1_000 + random() * 6_000,
    endsInStall: false,
  };
}

const contents = new Map(FILES.map((text) => [sha256(text), Buffer.from(text)]));

export function factsOf(text: string): GcodeFacts {
  return {
    sha256: sha256(text),
    sizeBytes: text.length,
    commands: 1,
    estimatedS: 1,
    nozzleMaxC: 200,
    bedMaxC: 60,
    filamentMm: 1,
    layers: 1,
    boundsMm: { min: { x: 0, y: 0, z: 0 }, max: { x: 1, y: 1, z: 1 } },
    hazards: [],
  };
}

/** Every hub has every file: how files spread is not what is looked at here. */
export const houseBlobs: BlobStore = {
  write: () => Promise.reject(new GantryError("disk_full", "Nothing is written here")),
  read(hash, offset, sizeBytes) {
    const bytes = contents.get(hash);
    return bytes === undefined
      ? Promise.reject(new GantryError("not_found", "No such file"))
      : Promise.resolve(bytes.subarray(offset, offset + sizeBytes));
  },
  has: (hash) => Promise.resolve(contents.has(hash)),
  size: (hash) => Promise.resolve(contents.get(hash)?.length),
  sweep: () => Promise.resolve(0),
};

export const FILE_FACTS: readonly GcodeFacts[] = FILES.map(factsOf);
