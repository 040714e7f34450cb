// Use cases: traces of requests.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { traceIdOf } from "@gantry/shared/base/trace.ts";
import type { SpanView, TraceSummary } from "@gantry/shared/contract/schemas/traces.ts";
import type { Span } from "../feed/traces.ts";
import type { DeskRequest } from "../ports.ts";
import { type DeskParts, paramOf } from "./context.ts";
import { isoTime } from "./views.ts";

const spanView = (span: Span): SpanView => ({
  spanId: span.spanId,
  ...(span.parentId === undefined ? {} : { parentId: span.parentId }),
  service: span.service,
  name: span.name,
  startedAt: isoTime(span.startMs),
  tookMs: round(span.endMs - span.startMs),
  ...(span.error === undefined ? {} : { error: span.error }),
  attributes: { ...span.attributes },
});
const round = (ms: number): number => Math.round(ms * 1_000) / 1_000;

/** By its id, or by that of a request. */
export function trace({ hub }: DeskParts, request: DeskRequest): unknown {
  const id = paramOf(request, "id");
  const traceId = /^[0-9a-f]{32}$/.test(id) ? id : traceIdOf(id);
  const spans = hub.traces?.read(traceId) ?? [];
  if (spans.length === 0)
    throw new GantryError(
      "not_found",
      `Nothing is kept of ${id}: the hub that led then has it in memory, the newest ones alone`,
    );
  return { traceId, spans: spans.map(spanView) };
}

export function traces({ hub }: DeskParts, request: DeskRequest): unknown {
  const limit = Number(request.query["limit"] ?? 50);
  const ids = hub.traces?.recent(limit).toReversed() ?? [];
  return { traces: ids.map((id) => summaryOf(id, hub.traces?.read(id) ?? [])) };
}

function summaryOf(traceId: string, spans: readonly Span[]): TraceSummary {
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const endMs = Math.max(...spans.map((span) => span.endMs));
  return {
    traceId,
    name: spans[0]?.name ?? "",
    startedAt: isoTime(startMs),
    tookMs: round(endMs - startMs),
    spans: spans.length,
    services: [...new Set(spans.map(({ service }) => service))],
    errors: spans.filter(({ error }) => error !== undefined).length,
  };
}
