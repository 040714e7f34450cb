// POST /v1/embeddings: text in, vectors out, as numbers or as base64 of little-endian floats.

import { z } from "zod";
import type { EmbeddingsReply, EmbeddingsRequest } from "@gantry/shared/contract/completions.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { deadlineMsOf, jsonReply } from "../routes/plain.ts";
import { parse, refuse } from "./parse.ts";
import type { Rates } from "./rates.ts";

const INPUTS_MAX = 2_048;
const inputSchema = z.string().min(1);
const tokensSchema = z.array(z.number().int());
const bodySchema = z.looseObject({
  model: z.string().max(240).nullish(),
  input: z.union(
    [
      inputSchema,
      z.array(inputSchema).min(1).max(INPUTS_MAX),
      tokensSchema.min(1),
      z.array(tokensSchema).min(1),
    ],
    { error: `must be text or 1 to ${INPUTS_MAX} texts, none empty` },
  ),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.number().int().positive().nullish(),
});
type Input = z.output<typeof bodySchema>["input"];

/** Takes an EmbeddingsRequest to the desk and an EmbeddingsReply back. */
export const embeddings =
  ({ desk, clock, rates }: DoorDeps & { readonly rates: Rates }): Handler =>
  async (c) => {
    const read = await readRequest(c, "embeddings");
    const body = parse(bodySchema, read.body);
    const request: EmbeddingsRequest = {
      input: textsOf(body.input),
      ...(typeof body.model === "string" ? { model: body.model } : {}),
    };
    const deadlineMs = deadlineMsOf("embeddings");
    const reply = (await rates.run(read.actor?.token ?? "", () =>
      within(clock, deadlineMs, c.req.raw.signal, (signal) =>
        desk.call("embeddings", { ...read, body: request }, { signal }),
      ),
    )) as EmbeddingsReply; // what the desk gives for this route
    const cut = shortened(reply, body.dimensions ?? undefined);
    return jsonReply(listOf(cut, body.encoding_format === "base64"), 200);
  };

/**
 * Numbers of tokens belong to one vocabulary, and those that clients send are of OpenAI's: taken for
 * ours they would give vectors of other words, and nobody would notice.
 */
function textsOf(input: Input): readonly string[] {
  const list = typeof input === "string" ? [input] : input;
  const texts = list.filter((item) => typeof item === "string");
  if (texts.length === list.length) return texts;
  throw refuse(
    "input",
    "token numbers of another vocabulary cannot be read; send text (in LangChain: check_embedding_ctx_length=False)",
  );
}

/** The first `dimensions` numbers, of length 1 again; of vectors not trained for it, less is kept of their meaning. */
export function shortened(reply: EmbeddingsReply, dimensions: number | undefined): EmbeddingsReply {
  const native = reply.vectors[0]?.length ?? 0;
  if (dimensions === undefined || dimensions === native) return reply;
  if (dimensions > native) throw refuse("dimensions", `this model has ${native} dimensions`);
  const vectors = reply.vectors.map((vector) => {
    const head = vector.slice(0, dimensions);
    const length = Math.hypot(...head);
    return length === 0 ? head : head.map((value) => value / length);
  });
  return { ...reply, vectors };
}

const listOf = (reply: EmbeddingsReply, isBase64: boolean): unknown => ({
  object: "list",
  model: reply.model,
  data: reply.vectors.map((vector, index) => ({
    object: "embedding",
    index,
    embedding: isBase64 ? base64Of(vector) : vector,
  })),
  usage: { prompt_tokens: reply.promptTokens, total_tokens: reply.promptTokens },
});

function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString("base64");
}
