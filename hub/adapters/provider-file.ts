// Cloud providers as GANTRY_PROVIDERS describes them: one JSON file, without any key in it.
//
// PF1. A provider is reached at its own host and port and nowhere else, by the rules of egress.ts: a name
//      that leads to an address of the house needs that address in `addresses`.
// PF2. A model without a price is no model: nothing is bought whose price is not known.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { DATA_CLASSES, type DataClass } from "@gantry/shared/contract/route.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { CloudProvider } from "../ask/cloud-types.ts";
import { makeAnthropicCloud } from "./anthropic-cloud.ts";
import { fixedKey, keyFromFile, type ReadKey } from "./cloud-http.ts";
import { makeEgress } from "./egress.ts";
import { makeOpenAiCloud } from "./openai-cloud.ts";
import { makeOutboundStreams } from "./outbound-stream.ts";

const price = z.number().min(0).max(100_000);
const modelSchema = z.strictObject({
  name: z.string().min(1).max(240),
  contextTokens: z.number().int().min(1),
  answerTokensMax: z.number().int().min(1).default(4_096),
  seesImages: z.boolean().default(false),
  inputUsdPerMillion: price,
  outputUsdPerMillion: price,
  cachedInputUsdPerMillion: price.optional(),
  imageTokensMax: z.number().int().min(0).optional(),
});
const providerSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_-]{0,40}$/),
  api: z.enum(["openai", "anthropic"]),
  baseUrl: z.url({ protocol: /^https?$/ }),
  /** A file with the key alone, or the name of a credential of systemd; else GANTRY_<API>_API_KEY. */
  keyFile: z.string().min(1).optional(),
  credential: z
    .string()
    .regex(/^[\w.-]{1,100}$/)
    .optional(),
  /** Of the house, to which the host's name may lead (PF1). */
  addresses: z.array(z.string()).max(20).default([]),
  models: z.array(modelSchema).min(1).max(200),
});
export const providerFileSchema = z
  .strictObject({
    /** Of questions that say none. */
    defaultClass: z.enum(DATA_CLASSES).default("local-only"),
    providers: z.array(providerSchema).max(50),
  })
  .refine(({ providers }) => new Set(providers.map(({ name }) => name)).size === providers.length, {
    message: "two providers have one name",
  })
  .refine(({ providers }) => providers.every(({ name }) => name !== "local"), {
    message: "`local` is this house",
  });
export type ProviderFile = z.infer<typeof providerFileSchema>;

export interface Providers {
  readonly defaultClass: DataClass;
  readonly providers: readonly CloudProvider[];
}

export interface ProviderKeys {
  readonly openai?: string | undefined;
  readonly anthropic?: string | undefined;
  /** $CREDENTIALS_DIRECTORY. */
  readonly folder?: string | undefined;
}

export const NO_PROVIDERS: Providers = { defaultClass: "local-only", providers: [] };

/** Throws bad_config with the place of the fault. */
export function readProviders(path: string, keys: ProviderKeys, clock: Clock): Providers {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new GantryError("bad_config", `GANTRY_PROVIDERS: ${path} cannot be read`, { cause });
  }
  return makeProviders(parseProviders(text), keys, clock);
}

/** Throws bad_config. */
export function parseProviders(text: string): ProviderFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new GantryError("bad_config", "GANTRY_PROVIDERS: the file is not JSON");
  }
  const read = providerFileSchema.safeParse(value);
  if (read.success) return read.data;
  // The place and what is wrong there, never the text: a key may stand where none belongs.
  const faults = read.error.issues
    .slice(0, 10)
    .map(({ path, code, message }) => `${path.join(".")}: ${code === "custom" ? message : code}`);
  throw new GantryError("bad_config", `GANTRY_PROVIDERS: ${faults.join("; ")}`);
}

export function makeProviders(file: ProviderFile, keys: ProviderKeys, clock: Clock): Providers {
  const providers = file.providers.map((each) => {
    const url = new URL(each.baseUrl);
    const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
    const at = (host: string): string => `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const egress = makeEgress([`${url.hostname}:${port}`, ...each.addresses.map(at)]);
    const source = keySource(each, keys);
    const parts = {
      name: each.name,
      baseUrl: each.baseUrl.replace(/\/+$/, ""),
      models: each.models,
      streams: makeOutboundStreams(egress, clock),
      readKey: source ?? noKey,
      hasKey: () => source !== undefined,
    };
    return each.api === "openai" ? makeOpenAiCloud(parts) : makeAnthropicCloud(parts);
  });
  return { defaultClass: file.defaultClass, providers };
}

const noKey: ReadKey = () => Promise.resolve(undefined);

function keySource(
  { keyFile, credential, api }: ProviderFile["providers"][number],
  keys: ProviderKeys,
): ReadKey | undefined {
  if (keyFile !== undefined) return keyFromFile(keyFile);
  if (credential !== undefined)
    return keys.folder === undefined ? undefined : keyFromFile(join(keys.folder, credential));
  const fixed = keys[api];
  return fixed === undefined ? undefined : fixedKey(fixed);
}
