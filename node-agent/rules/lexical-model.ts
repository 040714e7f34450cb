// The embedder that works before anybody has downloaded one: texts that share words, or parts of
// words, lie close together. It knows nothing of meaning ("warm" and "hot" are strangers). Pure.
//
// X1. Same seed, same bytes: every node that makes the file makes the same file, so vectors of
//     different nodes may be compared and the hash in the tag is one.
//
// Random projection: each feature (word, pair of words, three letters) has a fixed random direction
// of -1, 0, 1 (Achlioptas 2003); a text is the weighted sum of its features' directions.

import { seededRandom } from "@gantry/shared/base/prng.ts";
import { writeOnnx } from "./onnx-writer.ts";
import { words } from "./word-piece.ts";

export const LEXICAL_DIMENSIONS = 256;
const BUCKETS = 8_192;
const SEED = 20_26;
/** More features than this add nothing that a search would notice. */
const FEATURES_MAX = 1_024;

const WEIGHT = { word: 1, stopWord: 0.15, pair: 0.4, letters: 0.35 } as const;
const STOP_WORDS = new Set(
  "a an and are as at be but by can do for from has have how i in is it me my of on or our please so that the their this to us was we what when where which will with you your".split(
    " ",
  ),
);

export interface Features {
  readonly ids: readonly number[];
  readonly weights: readonly number[];
}

/** The features of a text; never empty, so that an empty text has a vector too. */
export function lexicalFeatures(text: string): Features {
  const ids: number[] = [];
  const weights: number[] = [];
  const add = (feature: string, weight: number): void => {
    if (ids.length >= FEATURES_MAX) return;
    ids.push(bucketOf(feature));
    weights.push(weight);
  };
  let before = "";
  for (const word of words(text)) {
    const isStopWord = STOP_WORDS.has(word);
    add(`w ${word}`, isStopWord ? WEIGHT.stopWord : WEIGHT.word);
    if (before !== "") add(`p ${before} ${word}`, WEIGHT.pair);
    before = word;
    if (isStopWord) continue;
    const letters = ` ${word} `;
    const share = WEIGHT.letters / Math.sqrt(Math.max(1, letters.length - 2));
    for (let at = 0; at + 3 <= letters.length; at += 1) {
      add(`l ${letters.slice(at, at + 3)}`, share * 2);
    }
  }
  if (ids.length === 0) add("empty", WEIGHT.word);
  return { ids, weights };
}

/** FNV-1a over UTF-16 units. */
function bucketOf(feature: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let at = 0; at < feature.length; at += 1) {
    hash = Math.imul(hash ^ feature.charCodeAt(at), 0x01_00_01_93);
  }
  return (hash >>> 0) % BUCKETS;
}

/**
 * The model as an .onnx file, 2 MB, about 50 ms: `ids` and `weights` [batch, features] in,
 * `embedding` [batch, LEXICAL_DIMENSIONS] out, not normalised.
 */
export function writeLexicalModel(): Uint8Array {
  return writeOnnx({
    name: "lexical",
    inputs: [
      { name: "ids", type: "int64", shape: ["batch", "features"] },
      { name: "weights", type: "float32", shape: ["batch", "features"] },
    ],
    outputs: [{ name: "embedding", type: "float32", shape: ["batch", LEXICAL_DIMENSIONS] }],
    initializers: [
      {
        name: "directions",
        type: "int8",
        shape: [BUCKETS, LEXICAL_DIMENSIONS],
        data: directions(),
      },
      { name: "last", type: "int64", shape: [1], data: Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0]) },
      {
        name: "middle",
        type: "int64",
        shape: [1],
        data: Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]),
      },
    ],
    nodes: [
      { operator: "Gather", inputs: ["directions", "ids"], outputs: ["gathered"] },
      { operator: "Cast", inputs: ["gathered"], outputs: ["numbers"], integers: { to: 1 } },
      { operator: "Unsqueeze", inputs: ["weights", "last"], outputs: ["factors"] },
      { operator: "Mul", inputs: ["numbers", "factors"], outputs: ["weighted"] },
      {
        operator: "ReduceSum",
        inputs: ["weighted", "middle"],
        outputs: ["embedding"],
        integers: { keepdims: 0 },
      },
    ],
  });
}

function directions(): Uint8Array {
  const random = seededRandom(SEED);
  const table = new Int8Array(BUCKETS * LEXICAL_DIMENSIONS);
  for (let at = 0; at < table.length; at += 1) {
    const draw = random() * 6;
    if (draw < 1) table[at] = 1;
    else if (draw < 2) table[at] = -1;
  }
  return new Uint8Array(table.buffer);
}
