// POST /v1/completions: text that goes on as it stands, without roles. Several prompts are several
// choices, `n` for each of them, in their order.

import { z } from "zod";
import { present } from "@gantry/shared/base/assert.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type {
  CompletionReply,
  CompletionRequest,
  TokenLogprob,
} from "@gantry/shared/contract/completions.ts";
import type { Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { openAiErrorOf } from "../problem.ts";
import { jsonReply } from "../routes/plain.ts";
import { sseData } from "../sse.ts";
import type { DeskRequest } from "../../ports.ts";
import { type AskOptions, askModel, type ModelDoor } from "./ask-model.ts";
import { fingerprintOf } from "./chat.ts";
import { usageOf } from "./chat-pieces.ts";
import {
  maxTokensOf,
  samplingFields,
  samplingOf,
  streaming,
  tokensSchema,
} from "./chat-request.ts";
import { type LiveStream, liveStream, placeComment } from "./live-stream.ts";
import { given, parse, refuse } from "./parse.ts";

const DEFAULT_TOKENS = 16; // OpenAI's
const bodySchema = z.looseObject({
  ...samplingFields,
  prompt: z.union([z.string(), z.array(z.union([z.string(), z.number(), z.array(z.number())]))], {
    error: "must be text or a list of texts",
  }),
  max_tokens: tokensSchema,
  logprobs: z.number().int().min(0).max(5).nullish(),
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
  best_of: z.number().int().nullish(),
});

interface TextRequest {
  readonly requests: readonly CompletionRequest[];
  readonly prompts: readonly string[];
  readonly isEcho: boolean;
  readonly isStream: boolean;
  readonly includesUsage: boolean;
  readonly model: string | undefined;
}

/** Throws bad_request with details {param}. */
export function readCompletion(value: unknown, random: () => number): TextRequest {
  const body = parse(bodySchema, value);
  if ((body.suffix ?? "") !== "")
    throw refuse("suffix", "no model here fills in between two texts; send the prompt alone");
  if ((body.best_of ?? 1) > (body.n ?? 1))
    throw refuse("best_of", "no more answers are made than are given; use n");
  const isEcho = body.echo === true;
  if (isEcho && typeof body.logprobs === "number")
    throw refuse("logprobs", "probabilities are told of the answer, not of an echoed prompt");
  const texts = promptsOf(body.prompt);
  const n = body.n ?? 1;
  if (texts.length * n > LIMIT.choices.max)
    throw refuse("n", `${texts.length * n} answers are asked for, over ${LIMIT.choices.max}`);
  const prompts = texts.flatMap((prompt) => Array.from({ length: n }, () => prompt));
  const first = body.seed ?? Math.floor(random() * 2 ** 31);
  const isOne = n === 1;
  return {
    prompts,
    isEcho,
    ...streaming(body),
    model: body.model ?? undefined,
    requests: prompts.map((content, index) => ({
      messages: [{ role: "user", content }],
      isRaw: true,
      ...given("model", body.model),
      ...samplingOf(body),
      ...maxTokensOf(body.max_tokens ?? DEFAULT_TOKENS),
      ...(isOne ? {} : { seed: first + (index % n) }),
      ...given("topLogprobs", body.logprobs),
    })),
  };
}

function promptsOf(prompt: z.output<typeof bodySchema>["prompt"]): readonly string[] {
  const list = typeof prompt === "string" ? [prompt] : prompt;
  const texts = list.filter((item) => typeof item === "string");
  if (texts.length < list.length)
    throw refuse("prompt", "token numbers belong to one model's vocabulary; send text");
  if (texts.length === 0 || texts.some((text) => text === "")) throw refuse("prompt", "is empty");
  return texts;
}

export const completions =
  (door: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "completions");
    const asked = readCompletion(read.body, door.random);
    const { signal } = c.req.raw;
    if (!asked.isStream) {
      const replies = await askAll(door, read, asked, () => ({ signal }));
      return jsonReply(wholeOf(door, asked, replies), 200);
    }
    const base = {
      id: `cmpl-${read.requestId}`,
      object: "text_completion",
      created: Math.floor(door.clock.now() / 1_000),
      model: asked.model ?? "gantry",
      system_fingerprint: fingerprintOf(door.config.version),
    };
    const usageSlot = asked.includesUsage ? { usage: null } : {};
    const chunk = (index: number, text: string, finish: string | null, logprobs: unknown): string =>
      sseData({
        ...base,
        choices: [{ index, text, logprobs, finish_reason: finish }],
        ...usageSlot,
      });
    const work: LiveStream["work"] = async (signalOf, say, pace) => {
      const opened = new Set<number>();
      const open = (index: number): string => {
        const isFirst = !opened.has(index) && asked.isEcho;
        opened.add(index);
        return isFirst ? chunk(index, asked.prompts[index] ?? "", null, null) : "";
      };
      const heard = new Set<number>();
      const replies = await askAll(door, read, asked, (index) => ({
        signal: signalOf,
        pace,
        onPlace: (place) => say(placeComment(place)),
        onText(text) {
          heard.add(index);
          say(open(index) + chunk(index, text, null, null));
        },
      }));
      const ends = replies.map((reply, index) => {
        const rest = heard.has(index) ? "" : reply.text;
        return open(index) + chunk(index, rest, reply.finishReason, legacyLogprobs(reply.logprobs));
      });
      const usage = usageOf(replies.map((reply) => reply.usage));
      const totals = asked.includesUsage ? sseData({ ...base, choices: [], usage }) : "";
      return `${ends.join("")}${totals}data: [DONE]\n\n`;
    };
    const failure = (error: unknown): string =>
      sseData(openAiErrorOf(toErrorRecord(error), read.requestId));
    return liveStream({ work, failure }, door.clock, signal);
  };

const askAll = (
  door: ModelDoor,
  read: DeskRequest,
  { requests }: TextRequest,
  options: (choice: number) => AskOptions,
): Promise<readonly CompletionReply[]> =>
  Promise.all(
    requests.map((request, choice) =>
      askModel(door, read, request, { ...options(choice), choice }),
    ),
  );

function wholeOf(
  { config }: ModelDoor,
  { prompts, isEcho }: TextRequest,
  replies: readonly CompletionReply[],
): unknown {
  const first = present(replies[0], "an answer");
  return {
    id: `cmpl-${first.id}`,
    object: "text_completion",
    created: Math.floor(first.createdAtMs / 1_000),
    model: first.routing.model,
    system_fingerprint: fingerprintOf(config.version),
    choices: replies.map(({ text, finishReason, logprobs }, index) => ({
      index,
      text: isEcho ? `${prompts[index] ?? ""}${text}` : text,
      logprobs: legacyLogprobs(logprobs),
      finish_reason: finishReason,
    })),
    usage: usageOf(replies.map(({ usage }) => usage)),
  };
}

/** The older form: parallel lists, and offsets in characters. */
function legacyLogprobs(logprobs: readonly TokenLogprob[] | undefined): unknown {
  if (logprobs === undefined) return null;
  let offset = 0;
  const text_offset = logprobs.map(({ token }) => {
    const at = offset;
    offset += token.length;
    return at;
  });
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset,
  };
}
