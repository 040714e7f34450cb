// Makes a language model of random numbers that is large enough for reading a prompt to take time: the
// vocabulary and chat template of tiny-random.gguf, with wider and more layers. Always the same bytes.
// Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md

import { writeFileSync } from "node:fs";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { readGgufFileInfo } from "node-llama-cpp";

const WIDTH = 384;
const LAYERS = 8;
const HEADS = 8;
const INNER = 1_152;
const CONTEXT = 2_048;
const ALIGN = 32;
const [U32, F32, STRING, ARRAY, I32, BOOL] = [4, 6, 8, 9, 5, 7];

/** 60 MB, in a second or two. */
export async function writeRandomModel(like: string, path: string): Promise<void> {
  const { metadata } = await readGgufFileInfo(like);
  const ggml = metadata.tokenizer.ggml;
  const tokens = ggml.tokens;
  const head = makeBytes();
  const keys: [string, () => void][] = [
    ["general.architecture", () => head.typedText("llama")],
    ["general.name", () => head.typedText("random")],
    ["general.file_type", () => head.typedU32(0)],
    ["llama.context_length", () => head.typedU32(CONTEXT)],
    ["llama.embedding_length", () => head.typedU32(WIDTH)],
    ["llama.block_count", () => head.typedU32(LAYERS)],
    ["llama.feed_forward_length", () => head.typedU32(INNER)],
    ["llama.attention.head_count", () => head.typedU32(HEADS)],
    ["llama.attention.head_count_kv", () => head.typedU32(HEADS)],
    ["llama.rope.dimension_count", () => head.typedU32(WIDTH / HEADS)],
    ["llama.attention.layer_norm_rms_epsilon", () => head.typedF32(1e-5)],
    ["tokenizer.ggml.model", () => head.typedText(ggml.model)],
    ["tokenizer.ggml.tokens", () => head.texts(tokens)],
    ["tokenizer.ggml.scores", () => head.numbers(F32, ggml.scores as readonly number[])],
    ["tokenizer.ggml.token_type", () => head.numbers(I32, ggml.token_type ?? [])],
    ["tokenizer.ggml.bos_token_id", () => head.typedU32(Number(ggml.bos_token_id))],
    ["tokenizer.ggml.eos_token_id", () => head.typedU32(Number(ggml.eos_token_id))],
    ["tokenizer.ggml.add_bos_token", () => head.typedBool(true)],
    ["tokenizer.chat_template", () => head.typedText(String(metadata.tokenizer.chat_template))],
  ];
  const tensors = tensorsOf(tokens.length);
  head.raw(Buffer.from("GGUF"));
  head.u32(3);
  head.u64(tensors.length);
  head.u64(keys.length);
  for (const [key, write] of keys) {
    head.text(key);
    write();
  }
  let offset = 0;
  for (const { name, shape } of tensors) {
    head.text(name);
    head.u32(shape.length);
    for (const size of shape) head.u64(size);
    head.u32(0); // F32
    head.u64(offset);
    offset += aligned(4 * countOf(shape));
  }
  head.pad(ALIGN);
  const random = seededRandom(1);
  const bodies = tensors.map(({ name, shape }) => {
    const values = new Float32Array(aligned(4 * countOf(shape)) / 4);
    const scale = name.includes("norm") ? 0 : 0.08;
    for (let index = 0; index < countOf(shape); index += 1)
      values[index] = scale === 0 ? 1 : (random() - 0.5) * scale;
    return Buffer.from(values.buffer);
  });
  writeFileSync(path, Buffer.concat([head.whole(), ...bodies]));
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
}

function tensorsOf(vocabulary: number): readonly Tensor[] {
  const square = [WIDTH, WIDTH];
  const layers = Array.from({ length: LAYERS }, (_, layer): readonly Tensor[] =>
    Object.entries({
      attn_norm: [WIDTH],
      attn_q: square,
      attn_k: square,
      attn_v: square,
      attn_output: square,
      ffn_norm: [WIDTH],
      ffn_gate: [WIDTH, INNER],
      ffn_up: [WIDTH, INNER],
      ffn_down: [INNER, WIDTH],
    }).map(([name, shape]) => ({ name: `blk.${layer}.${name}.weight`, shape })),
  );
  return [
    { name: "token_embd.weight", shape: [WIDTH, vocabulary] },
    ...layers.flat(),
    { name: "output_norm.weight", shape: [WIDTH] },
    { name: "output.weight", shape: [WIDTH, vocabulary] },
  ];
}

const countOf = (shape: readonly number[]): number => shape.reduce((all, size) => all * size, 1);
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN;

function makeBytes() {
  const parts: Buffer[] = [];
  const raw = (bytes: Buffer): void => void parts.push(bytes);
  const number = (size: number, write: (buffer: Buffer) => void): void => {
    const buffer = Buffer.alloc(size);
    write(buffer);
    raw(buffer);
  };
  const u32 = (value: number): void => number(4, (buffer) => buffer.writeUInt32LE(value));
  const f32 = (value: number): void => number(4, (buffer) => buffer.writeFloatLE(value));
  const u64 = (value: number): void =>
    number(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
  const text = (value: string): void => {
    const bytes = Buffer.from(value);
    u64(bytes.length);
    raw(bytes);
  };
  const typed = (type: number, write: () => void): void => {
    u32(type);
    write();
  };
  return {
    raw,
    u32,
    u64,
    text,
    typedU32: (value: number) => typed(U32, () => u32(value)),
    typedF32: (value: number) => typed(F32, () => f32(value)),
    typedBool: (value: boolean) => typed(BOOL, () => raw(Buffer.from([value ? 1 : 0]))),
    typedText: (value: string) => typed(STRING, () => text(value)),
    texts: (values: readonly string[]) =>
      typed(ARRAY, () => {
        u32(STRING);
        u64(values.length);
        values.forEach(text);
      }),
    numbers: (type: number, values: readonly number[]) =>
      typed(ARRAY, () => {
        u32(type);
        u64(values.length);
        values.forEach(type === F32 ? f32 : (value) => u32(value));
      }),
    pad: (to: number) => {
      const size = parts.reduce((sum, { length }) => sum + length, 0);
      raw(Buffer.alloc((to - (size % to)) % to));
    },
    whole: () => Buffer.concat(parts),
  };
}
