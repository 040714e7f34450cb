// Tools as OpenAI's clients offer them, as our offers; and the choice among them.

import { z } from "zod";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CompletionOptions, ToolOffer } from "@gantry/shared/contract/completions.ts";
import { given, refuse } from "./parse.ts";

const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

export const toolNameSchema = z
  .string()
  .regex(TOOL_NAME, { error: "must be 1 to 64 letters, digits, _ or -" });

const functionSchema = z.looseObject({
  name: toolNameSchema,
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});
const namedSchema = z.looseObject({ name: toolNameSchema });

export const toolsSchema = z
  .array(z.looseObject({ type: z.literal("function"), function: functionSchema }))
  .max(LIMIT.tools.max)
  .nullish();

export const toolChoiceSchema = z
  .union(
    [
      z.enum(["none", "auto", "required"]),
      z.looseObject({ type: z.literal("function"), function: namedSchema }),
      z.looseObject({
        type: z.literal("allowed_tools"),
        allowed_tools: z.looseObject({
          mode: z.enum(["auto", "required"]),
          tools: z.array(z.looseObject({ type: z.literal("function"), function: namedSchema })),
        }),
      }),
    ],
    { error: "must be none, auto, required, a function or allowed_tools" },
  )
  .nullish();

type Tools = z.output<typeof toolsSchema>;
type Choice = z.output<typeof toolChoiceSchema>;
export type ToolOptions = Pick<CompletionOptions, "tools" | "toolChoice" | "hasParallelCalls">;

/** Throws bad_request with details {param}. */
export function toolOptions(
  tools: Tools,
  choice: Choice,
  isParallel: boolean | null | undefined,
): ToolOptions {
  const offers = (tools ?? []).map(({ function: offered }) => offerOf(offered));
  if (offers.length === 0) {
    const needsOne =
      choice !== undefined && choice !== null && choice !== "none" && choice !== "auto";
    if (needsOne) throw refuse("tool_choice", "needs tools to choose from");
    return {};
  }
  assertDistinct(offers);
  const chosen = chooseFrom(offers, choice);
  return { ...chosen, ...(isParallel === false ? { hasParallelCalls: false } : {}) };
}

export const offerOf = (offered: z.output<typeof functionSchema>): ToolOffer => ({
  name: offered.name,
  ...given("description", offered.description),
  ...given("parameters", offered.parameters),
  ...(offered.strict === true ? { isStrict: true } : {}),
});

function assertDistinct(offers: readonly ToolOffer[]): void {
  const names = new Set(offers.map(({ name }) => name));
  if (names.size < offers.length) throw refuse("tools", "two of them have one name");
}

/** What may not be called is not offered: the model sees only what it may do. */
function chooseFrom(offers: readonly ToolOffer[], choice: Choice): ToolOptions {
  if (choice === null || choice === undefined || choice === "auto") return { tools: offers };
  if (typeof choice === "string") return { tools: offers, toolChoice: choice };
  if (choice.type === "function")
    return { tools: named(offers, [choice.function.name]), toolChoice: "required" };
  const { mode, tools } = choice.allowed_tools;
  const names = tools.map(({ function: { name } }) => name);
  return { tools: named(offers, names), toolChoice: mode };
}

/** Throws bad_request for a name that is not offered. */
export function named(
  offers: readonly ToolOffer[],
  names: readonly string[],
): readonly ToolOffer[] {
  const chosen = offers.filter(({ name }) => names.includes(name));
  const missing = names.find((name) => !chosen.some((offer) => offer.name === name));
  if (missing !== undefined || chosen.length === 0)
    throw refuse("tool_choice", `there is no tool "${missing ?? ""}"`);
  return chosen;
}
