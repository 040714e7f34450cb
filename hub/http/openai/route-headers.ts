// How the answer came to be, for people who look: which tier, which model, from the cache or not, and
// what it cost. Streams cannot say it, for their headers leave before it is known.

import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import { CACHE_HEADER, cacheHeaderOf } from "../cache-header.ts";

export function routeHeaders(
  reply: CompletionReply | undefined,
): readonly (readonly [name: string, value: string])[] {
  if (reply === undefined) return [];
  const { tier, model, latencyMs, metadata } = reply.routing;
  const node = metadata["node"];
  return [
    [
      "x-gantry-route",
      safe(`${tier};model=${model}${typeof node === "string" ? `;node=${node}` : ""}`),
    ],
    [CACHE_HEADER, cacheHeaderOf(reply.routing)],
    ["x-gantry-cost-micro-usd", String(reply.usage.costMicroUsd)],
    ["openai-processing-ms", String(Math.round(latencyMs))],
  ];
}

/** Names of models may hold anything; a header may not. */
const safe = (text: string): string => text.replaceAll(/[^\x20-\x7e]/gu, "?").slice(0, 300);
