// The inline prefixes of a question: `@provider: text` and `#model: text`, at the very start only.

export interface Prefixed {
  readonly text: string;
  readonly provider?: string;
  readonly model?: string;
}

// `@name:` or `#name:` then the text. A model's name may hold colons (llama3:8b), so it ends at the
// last colon before white space.
const PREFIX = /^\s*([@#])([A-Za-z0-9][\w./:-]{0,118}?):(?=\s|$)\s*/u;
const TIGHT = /^\s*([@#])([A-Za-z0-9][\w./-]{0,118}):(?=\S)/u;

const PROVIDER_OF_MODEL: readonly (readonly [RegExp, string])[] = [
  [/^(gpt-|chatgpt|o[134](-|$)|text-embedding-)/i, "openai"],
  [/^claude/i, "anthropic"],
  [/^(sonar|pplx)/i, "perplexity"],
  [/^gemini/i, "google"],
];

/** Takes up to two prefixes off, one of each kind, in any order. The model's name may tell the provider. */
export function parsePrefix(input: string): Prefixed {
  let text = input;
  let provider: string | undefined;
  let model: string | undefined;
  for (;;) {
    const match = PREFIX.exec(text) ?? TIGHT.exec(text);
    const [whole = "", kind, name] = match ?? [];
    if (kind === "@" && provider === undefined) provider = name?.toLowerCase();
    else if (kind === "#" && model === undefined) model = name;
    else break;
    text = text.slice(whole.length);
  }
  if (model !== undefined) provider ??= providerOf(model);
  return {
    text: text.trim(),
    ...(provider === undefined ? {} : { provider }),
    ...(model === undefined ? {} : { model }),
  };
}

/** The cloud provider whose models are named so; undefined for a local model. */
export const providerOf = (model: string): string | undefined =>
  PROVIDER_OF_MODEL.find(([pattern]) => pattern.test(model))?.[1];
