// The header of a GGUF file (version 2 and 3, little endian): what a model calls itself. Pure.
// Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md
//
// F1. Nothing in the file is trusted: counts and lengths are bounded before anything is allocated.
// F2. A file cut off in the middle of its tensors is found without reading them.

/** What a person and the hub want to know of a model. */
export interface GgufFacts {
  readonly architecture: string;
  readonly name: string | undefined;
  /** What the model was trained with. */
  readonly contextTokens: number | undefined;
  readonly parameters: number;
  /** Numbers that one token leaves in the KV cache; undefined where the header does not say. */
  readonly kvPerToken: number | undefined;
  readonly hasChatTemplate: boolean;
}

export type GgufReading =
  | { readonly kind: "read"; readonly facts: GgufFacts; readonly sizeBytesMin: number }
  /** The header goes on past the bytes that were given. */
  | { readonly kind: "short" }
  | { readonly kind: "invalid"; readonly reason: string };

const KEYS_MAX = 10_000;
const TENSORS_MAX = 100_000;
const STRING_BYTES_MAX = 4_194_304;
const ITEMS_MAX = 10_000_000;
const ARRAY_DEPTH_MAX = 2;
const ALIGNMENT_DEFAULT = 32;

/** Bytes of the scalar types, by their number in the format; 8 is a string, 9 an array. */
const SCALAR_BYTES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const STRING = 8;
const ARRAY = 9;

class Short extends Error {}
class Invalid extends Error {}

/** Reads the header from the file's first bytes. */
export function readGguf(head: Uint8Array): GgufReading {
  try {
    return readHeader(makeCursor(head));
  } catch (error) {
    if (error instanceof Short) return { kind: "short" };
    if (error instanceof Invalid) return { kind: "invalid", reason: error.message };
    throw error;
  }
}

type Cursor = ReturnType<typeof makeCursor>;

function makeCursor(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder();
  let at = 0;
  const skip = (count: number): number => {
    const from = at;
    if (from + count > bytes.length) throw new Short();
    at += count;
    return from;
  };
  const u32 = (): number => view.getUint32(skip(4), true);
  const count = (max: number, what: string): number => {
    const value = Number(view.getBigUint64(skip(8), true));
    if (value > max) throw new Invalid(`${value} ${what}`);
    return value;
  };
  return {
    at: () => at,
    skip,
    u32,
    count,
    text: () => {
      const length = count(STRING_BYTES_MAX, "bytes in one text");
      const from = skip(length);
      return decoder.decode(bytes.subarray(from, from + length));
    },
  };
}

function readHeader(cursor: Cursor): GgufReading {
  const magic = cursor.u32();
  if (magic !== 0x46_55_47_47) throw new Invalid("it does not begin with GGUF");
  const version = cursor.u32();
  if (version !== 2 && version !== 3) throw new Invalid(`GGUF version ${version}`);
  const tensorCount = cursor.count(TENSORS_MAX, "tensors");
  const keyCount = cursor.count(KEYS_MAX, "keys");
  const values = new Map<string, string | number>();
  for (let index = 0; index < keyCount; index += 1) {
    const key = cursor.text();
    const value = readValue(cursor, cursor.u32(), 0);
    if (value !== undefined) values.set(key, value);
  }
  const { parameters, lastOffset } = readTensors(cursor, tensorCount);
  const architecture = values.get("general.architecture");
  if (typeof architecture !== "string") throw new Invalid("it names no architecture");
  if (tensorCount === 0) throw new Invalid("it holds no tensors");
  const alignment = values.get("general.alignment") ?? ALIGNMENT_DEFAULT;
  if (typeof alignment !== "number" || alignment < 1) throw new Invalid("its alignment is wrong");
  const dataStart = Math.ceil(cursor.at() / alignment) * alignment;
  const contextTokens = values.get(`${architecture}.context_length`);
  const name = values.get("general.name");
  return {
    kind: "read",
    sizeBytesMin: dataStart + lastOffset + 1,
    facts: {
      architecture,
      name: typeof name === "string" ? name : undefined,
      contextTokens: typeof contextTokens === "number" ? contextTokens : undefined,
      parameters,
      kvPerToken: kvPerTokenOf(architecture, values),
      hasChatTemplate: values.has("tokenizer.chat_template"),
    },
  };
}

/** Layers x heads of keys and values x width, twice: once for keys, once for values. */
function kvPerTokenOf(
  architecture: string,
  values: ReadonlyMap<string, string | number>,
): number | undefined {
  const read = (key: string): number | undefined => {
    const value = values.get(`${architecture}.${key}`);
    return typeof value === "number" && value > 0 ? value : undefined;
  };
  const heads = read("attention.head_count");
  const layers = read("block_count");
  const embedding = read("embedding_length");
  if (heads === undefined || layers === undefined || embedding === undefined) return undefined;
  const width = read("attention.key_length") ?? embedding / heads;
  return Math.ceil(layers * (read("attention.head_count_kv") ?? heads) * width * 2);
}

/** Texts and whole numbers up to 32 bits; everything else is passed over. */
function readValue(cursor: Cursor, type: number, depth: number): string | number | undefined {
  if (type === STRING) return cursor.text();
  if (type === ARRAY) {
    if (depth >= ARRAY_DEPTH_MAX) throw new Invalid("arrays within arrays");
    const itemType = cursor.u32();
    const items = cursor.count(ITEMS_MAX, "items in one array");
    const bytes = SCALAR_BYTES[itemType];
    if (bytes !== undefined) cursor.skip(bytes * items);
    else for (let index = 0; index < items; index += 1) readValue(cursor, itemType, depth + 1);
    return undefined;
  }
  const bytes = SCALAR_BYTES[type];
  if (bytes === undefined) throw new Invalid(`a value of type ${type}`);
  if (type === 4) return cursor.u32();
  cursor.skip(bytes);
  return undefined;
}

function readTensors(cursor: Cursor, count: number): { parameters: number; lastOffset: number } {
  let parameters = 0;
  let lastOffset = 0;
  for (let index = 0; index < count; index += 1) {
    cursor.text();
    const dimensions = cursor.u32();
    if (dimensions > 8) throw new Invalid(`a tensor with ${dimensions} dimensions`);
    let elements = 1;
    for (let axis = 0; axis < dimensions; axis += 1) {
      elements *= cursor.count(Number.MAX_SAFE_INTEGER, "elements");
    }
    parameters += elements;
    cursor.u32();
    lastOffset = Math.max(lastOffset, cursor.count(Number.MAX_SAFE_INTEGER, "bytes"));
  }
  return { parameters, lastOffset };
}
