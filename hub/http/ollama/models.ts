// Ollama's lists of models, one model, and embeddings.

import { z } from "zod";
import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { EmbeddingsReply, ModelView } from "@gantry/shared/contract/completions.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import type { ModelDoor } from "../openai/ask-model.ts";
import { shortened } from "../openai/embeddings.ts";
import { viewsOf } from "../openai/models.ts";
import { parse } from "../openai/parse.ts";
import { deadlineMsOf, jsonReply } from "../routes/plain.ts";
import { modelOf } from "./chat-request.ts";

const NEVER = "0001-01-01T00:00:00Z"; // Go's zero time: how Ollama says that it stays
const INPUTS_MAX = 2_048;

export const ollamaTags =
  (deps: DoorDeps): Handler =>
  async (c) =>
    jsonReply({ models: (await distinct(deps, c)).map(tagOf) }, 200);

/** What is in some machine's memory; where nobody has said, what is offered. */
export const ollamaPs =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const running = (await distinct(deps, c)).filter(
      ({ kind, isLoaded }) => kind !== "rule" && isLoaded !== false,
    );
    const models = running.map((view) => ({
      ...tagOf(view),
      expires_at: NEVER,
      size_vram: 0,
      context_length: view.contextTokens,
    }));
    return jsonReply({ models }, 200);
  };

export const ollamaShow =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const { body } = await readRequest(c, "ollamaShow");
    const asked = parse(
      z.looseObject({
        model: z.string().max(240).optional(),
        name: z.string().max(240).optional(),
      }),
      body,
    );
    const id = modelOf(asked.model ?? asked.name ?? "");
    const view = (await distinct(deps, c)).find((candidate) => candidate.id === id);
    if (view === undefined)
      throw new GantryError("not_found", `model '${id.slice(0, 100)}' not found`, {
        details: { param: "model" },
      });
    return jsonReply(
      {
        modelfile: `FROM ${view.id}`,
        parameters: "",
        template: "",
        details: detailsOf(view),
        model_info: {
          "general.architecture": "gantry",
          "gantry.context_length": view.contextTokens,
        },
        capabilities: view.kind === "embedding" ? ["embedding"] : ["completion", "tools"],
        modified_at: modifiedOf(view),
      },
      200,
    );
  };

/** Several machines may have one model; Ollama's list has each name once. */
async function distinct(deps: DoorDeps, c: DoorContext): Promise<readonly ModelView[]> {
  const views = await viewsOf(deps, c);
  return [...new Map(views.map((view) => [view.id, view])).values()];
}

const tagOf = (view: ModelView): Record<string, unknown> => ({
  name: view.id,
  model: view.id,
  modified_at: modifiedOf(view),
  size: view.sizeBytes ?? 0,
  digest: digestOf({ id: view.id, sizeBytes: view.sizeBytes ?? 0 }),
  details: detailsOf(view),
});

const modifiedOf = ({ createdAtMs }: ModelView): string => new Date(createdAtMs).toISOString();

const detailsOf = ({ kind }: ModelView): Record<string, unknown> => ({
  parent_model: "",
  format: kind === "chat" ? "gguf" : kind,
  family: "",
  families: [],
  parameter_size: "",
  quantization_level: "",
});

const inputSchema = z.string().min(1);
const embedSchema = z.looseObject({
  model: z.string().max(240),
  input: z.union([inputSchema, z.array(inputSchema).min(1).max(INPUTS_MAX)], {
    error: `must be text or 1 to ${INPUTS_MAX} texts, none empty`,
  }),
  dimensions: z.number().int().positive().nullish(),
});

export const ollamaEmbed =
  (door: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "ollamaEmbed");
    const { model, input, dimensions } = parse(embedSchema, read.body);
    const startMs = door.clock.monotonic();
    const texts = typeof input === "string" ? [input] : input;
    const reply = await embed(door, c, { ...read, body: { model: modelOf(model), input: texts } });
    const { vectors, promptTokens } = shortened(reply, dimensions ?? undefined);
    return jsonReply(
      {
        model,
        embeddings: vectors,
        total_duration: Math.round((door.clock.monotonic() - startMs) * 1e6),
        load_duration: 0,
        prompt_eval_count: promptTokens,
      },
      200,
    );
  };

export const ollamaEmbeddings =
  (door: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "ollamaEmbeddings");
    const asked = parse(
      z.looseObject({ model: z.string().max(240), prompt: inputSchema }),
      read.body,
    );
    const body = { model: modelOf(asked.model), input: [asked.prompt] };
    const { vectors } = await embed(door, c, { ...read, body });
    return jsonReply({ embedding: vectors[0] ?? [] }, 200);
  };

function embed(
  { desk, clock, rates }: ModelDoor,
  c: DoorContext,
  request: Awaited<ReturnType<typeof readRequest>>,
): Promise<EmbeddingsReply> {
  return rates.run(request.actor?.token ?? "", () =>
    within(clock, deadlineMsOf("embeddings"), c.req.raw.signal, async (signal) => {
      const reply = await desk.call("embeddings", request, { signal });
      return reply as EmbeddingsReply; // what the desk gives for this route
    }),
  );
}
