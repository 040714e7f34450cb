// POST /v1/embeddings: text in, vectors out, as numbers or as base64 of little-endian floats.

import { z } from "zod";
import type { EmbeddingsReply, EmbeddingsRequest } from "@gantry/shared/contract/completions.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { deadlineMsOf, jsonReply } from "../routes/plain.ts";
import { parse, refuse } from "./chat-request.ts";

const INPUTS_MAX = 2_048;
const inputSchema = z.string().min(1);
const bodySchema = z.looseObject({
  model: z.string().max(240).nullish(),
  input: z.union([inputSchema, z.array(inputSchema).min(1).max(INPUTS_MAX)], {
    error: `must be text or 1 to ${INPUTS_MAX} texts, none empty`,
  }),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.number().int().positive().nullish(),
});

/** Takes an EmbeddingsRequest to the desk and an EmbeddingsReply back. */
export const embeddings =
  ({ desk, clock }: DoorDeps): Handler =>
  async (c) => {
    const read = await readRequest(c, "embeddings");
    const body = parse(bodySchema, read.body);
    const request: EmbeddingsRequest = {
      input: typeof body.input === "string" ? [body.input] : body.input,
      ...(typeof body.model === "string" ? { model: body.model } : {}),
    };
    const deadlineMs = deadlineMsOf("embeddings");
    const reply = (await within(clock, deadlineMs, c.req.raw.signal, (signal) =>
      desk.call("embeddings", { ...read, body: request }, { signal }),
    )) as EmbeddingsReply; // what the desk gives for this route
    assertNative(body.dimensions, reply.vectors[0]?.length);
    return jsonReply(listOf(reply, body.encoding_format === "base64"), 200);
  };

/** Cutting a vector that was not trained for it would give a wrong one that looks right. */
function assertNative(asked: number | null | undefined, native: number | undefined): void {
  if (asked === null || asked === undefined || asked === native) return;
  throw refuse("dimensions", `this model has ${native ?? 0} dimensions and no others`);
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
