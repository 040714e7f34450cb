// How the answer came to be, for people who look. Streams cannot say it, for their headers leave before
// it is known.

import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import { CACHE_HEADER, cacheHeaderOf } from "../cache-header.ts";
import { ROUTE_HEADER, routeHeader } from "../route-header.ts";

export function routeHeaders(
  reply: CompletionReply | undefined,
): readonly (readonly [name: string, value: string])[] {
  if (reply === undefined) return [];
  const { routing, usage } = reply;
  return [
    [ROUTE_HEADER, routeHeader(routing, usage)],
    [CACHE_HEADER, cacheHeaderOf(routing)],
    ["openai-processing-ms", String(Math.round(routing.latencyMs))],
  ];
}
