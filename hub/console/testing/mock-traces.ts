// A canned trace of the mock hub: a print, from the request to its last byte.

import type { SpanView, TraceSummary } from "@gantry/shared/contract/schemas/traces.ts";

const ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const at = (ms: number): string => new Date(Date.UTC(2026, 10, 21, 9, 30) + ms).toISOString();

const span = (
  service: SpanView["service"],
  name: string,
  startMs: number,
  tookMs: number,
  parentId?: string,
): SpanView => ({
  spanId: name.slice(0, 16).padEnd(16, "0"),
  ...(parentId === undefined ? {} : { parentId }),
  service,
  name,
  startedAt: at(startMs),
  tookMs,
  attributes: service === "device" ? { printer: "prusa-left" } : {},
});

const SPANS: readonly SpanView[] = [
  span("hub", "POST /api/fabrication/jobs", 0, 42),
  span("hub", "commit printSubmitted", 30, 9, "POST /api/fabric"),
  span("node", "print", 4_000, 3_600_000),
  span("device", "printing", 61_000, 3_500_000),
];

const SUMMARY: TraceSummary = {
  traceId: ID,
  name: "POST /api/fabrication/jobs",
  startedAt: at(0),
  tookMs: 3_604_000,
  spans: SPANS.length,
  services: ["hub", "node", "device"],
  errors: 0,
};

export function readTraces(path: string): unknown {
  if (path === "/api/traces") return { traces: [SUMMARY] };
  return path === `/api/traces/${ID}` ? { traceId: ID, spans: SPANS } : undefined;
}
