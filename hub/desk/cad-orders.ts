// What is to be made, out of an order: words, a part with parameters, or a program. Words that the
// built-in grammar does not wholly understand go to a model, if there is one; it may only choose a part
// and its parameters, which are checked like those of everybody else.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { describePart, PART_MENU, PART_NOUNS } from "@gantry/shared/cad/describe.ts";
import { PARTS, partNamed } from "@gantry/shared/cad/library.ts";
import type { ParameterValues } from "@gantry/shared/cad/parameters.ts";
import { type Part, partSource, partValues } from "@gantry/shared/cad/part.ts";
import { cleanSource } from "@gantry/shared/cad/source.ts";
import { readPartWords } from "@gantry/shared/cad/words.ts";
import type { MakeOrder } from "@gantry/shared/contract/schemas/cad.ts";
import { z } from "zod";
import type { Models } from "../hands/models.ts";

export interface Design {
  readonly source: string;
  readonly isFree: boolean;
  readonly title: string;
  readonly summary: string;
  readonly part?: string;
  readonly parameters?: ParameterValues;
}

/** Throws bad_request, not_found, not_understood, too_large. */
export async function designOf(
  order: MakeOrder,
  models: Pick<Models, "offers" | "generate">,
  signal: AbortSignal,
): Promise<Design> {
  const { prompt, part, source, parameters } = order;
  if ([prompt, part, source].filter((one) => one !== undefined).length !== 1) {
    throw new GantryError("bad_request", "Give one of prompt, part and source");
  }
  if (parameters !== undefined && source !== undefined) {
    throw new GantryError("bad_request", "A program has no parameters here: write them into it");
  }
  if (source !== undefined) {
    return {
      source: cleanSource(source),
      isFree: true,
      title: "Own program",
      summary: "A program in OpenSCAD",
    };
  }
  if (part !== undefined) return designed(partNamed(part), parameters ?? {});
  const words = readPartWords(prompt ?? "");
  if (words !== undefined) return designed(words.part, { ...words.said, ...parameters });
  return askModel(prompt ?? "", models, signal);
}

function designed(part: Part, given: Readonly<Record<string, unknown>>): Design {
  const values = partValues(part, given);
  return {
    source: partSource(part, values),
    isFree: false,
    title: part.title,
    summary: describePart(part, values, new Set(Object.keys(given))),
    part: part.id,
    parameters: values,
  };
}

const NONE = "none";
const PARAMETERS_MAX = 12;
const ANSWER_TOKENS = 400;

const choiceSchema = z.object({
  part: z.string(),
  parameters: z.array(z.object({ name: z.string(), value: z.string() })).max(PARAMETERS_MAX),
});

/** What the model's answer must be: every property is required, as small models need it. */
export const PART_FORM = {
  type: "object",
  additionalProperties: false,
  required: ["part", "parameters"],
  properties: {
    part: { type: "string", enum: [...PARTS.map(({ id }) => id), NONE] },
    parameters: {
      type: "array",
      maxItems: PARAMETERS_MAX,
      items: {
        type: "object",
        additionalProperties: false,
        required: ["name", "value"],
        properties: {
          name: { type: "string", maxLength: 24 },
          value: { type: "string", maxLength: 40 },
        },
      },
    },
  },
} as const;

async function askModel(
  prompt: string,
  models: Pick<Models, "offers" | "generate">,
  signal: AbortSignal,
): Promise<Design> {
  if (models.offers().length === 0) throw notUnderstood("and there is no model to ask");
  const { generated } = await models.generate(
    undefined,
    {
      messages: [
        { role: "system", content: INSTRUCTIONS },
        { role: "user", content: prompt },
      ],
      maxTokens: ANSWER_TOKENS,
      temperature: 0,
      jsonSchema: PART_FORM,
    },
    () => {},
    signal,
  );
  const choice = choiceSchema.safeParse(jsonOf(generated.text));
  const part = PARTS.find(({ id }) => id === choice.data?.part);
  if (choice.data === undefined || part === undefined) {
    throw notUnderstood("and the model found no part that fits");
  }
  try {
    const given = choice.data.parameters.map(({ name, value }) => [
      name,
      valueOf(part, name, value),
    ]);
    const design = designed(part, Object.fromEntries(given) as Record<string, unknown>);
    return { ...design, summary: `${design.summary}. Chosen by a model: look at it first.` };
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    const { message, details } = error;
    throw notUnderstood(`and what the model chose does not fit: ${message}`, {
      ...details,
      chosen: part.id,
    });
  }
}

const LINES = PARTS.map(({ id, summary, parameters }) => {
  const names = Object.entries(parameters).map(([name, spec]) => {
    const range =
      spec.kind === "choice"
        ? spec.options.join("|")
        : spec.kind === "flag"
          ? "true|false"
          : spec.kind === "text"
            ? "text"
            : `${spec.min}-${spec.max}`;
    return `${name} ${range}`;
  });
  return `${id}: ${summary}. ${names.join("; ")}`;
});
const INSTRUCTIONS = `Choose the one part that was asked for, and only those parameters that were said. Lengths are in mm. If none fits, part is "${NONE}".\n${LINES.join("\n")}`;

function valueOf(part: Part, name: string, text: string): unknown {
  const kind = part.parameters[name]?.kind;
  if (kind === "text" || kind === "choice" || kind === undefined) return text;
  if (kind === "flag") return text === "true" ? true : text === "false" ? false : text;
  const number = Number(text.replace(/\s*mm$/iu, ""));
  return text.trim() === "" || Number.isNaN(number) ? text : number;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const notUnderstood = (why: string, details: Readonly<Record<string, unknown>> = {}): GantryError =>
  new GantryError(
    "not_understood",
    `These words name no part that I know, ${why}. I can make: ${PART_NOUNS}. Say for example: a box 40x30x20 with lid`,
    { details: { parts: PART_MENU, ...details } },
  );
