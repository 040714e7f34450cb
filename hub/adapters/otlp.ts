// Spans to a collector, as OTLP over HTTP in JSON (opentelemetry-proto 1.x, POST .../v1/traces).
//
// OT1. Nobody waits for it: spans wait in a bounded queue, what does not fit is dropped and counted, and
//      a batch that the collector does not take in three tries is dropped and counted, too.
// OT2. It goes to the configured address alone, without redirects.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { LIMIT, RETRY } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Span } from "../feed/traces.ts";
import type { Outbound } from "./outbound.ts";

const BATCH_MAX = 512;
const GATHER_MS = 2_000;
const TRIES = 3;

export interface SpanExport {
  push(span: Span): void;
  readonly dropped: () => number;
  readonly sent: () => number;
  /** Sends until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ExportParts {
  readonly url: string;
  readonly version: string;
  readonly hubId: string;
  readonly outbound: Outbound;
  readonly clock: Clock;
  readonly random: () => number;
}

export function makeSpanExport(parts: ExportParts): SpanExport {
  const { url, outbound, clock, random } = parts;
  let waiting: Span[] = [];
  let dropped = 0;
  let sent = 0;

  async function send(batch: readonly Span[], signal: AbortSignal): Promise<boolean> {
    const body = JSON.stringify(otlpOf(batch, parts));
    for (let trial = 1; trial <= TRIES; trial += 1) {
      try {
        const { status } = await outbound.send(
          {
            method: "POST",
            url,
            headers: { "content-type": "application/json" },
            body,
            bytesMax: LIMIT.bodyBytes.max,
            timeoutMs: RETRY.webhook.tryMs,
            redirectsMax: 0, // OT2
          },
          signal,
        );
        if (status < 300) return true;
        if (status < 500 && status !== 429) return false; // it will never take these
      } catch {
        if (signal.aborted) return false; // it is told by the count
      }
      await clock.sleep(backoffMs(RETRY.webhook.backoff, trial, random), signal).catch(() => {}); // it ends below
      if (signal.aborted) return false;
    }
    return false;
  }

  return {
    push(span) {
      if (waiting.length < LIMIT.spansWaiting.max) waiting.push(span);
      else dropped += 1; // OT1
    },
    dropped: () => dropped,
    sent: () => sent,
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(GATHER_MS, signal).catch(() => {}); // the loop ends by itself
        while (waiting.length > 0 && !signal.aborted) {
          const batch = waiting.slice(0, BATCH_MAX);
          waiting = waiting.slice(BATCH_MAX);
          if (await send(batch, signal)) sent += batch.length;
          else dropped += batch.length;
        }
      }
    },
  };
}

const NANOS = 1_000_000n;
const nanos = (ms: number): string => String(BigInt(Math.round(ms * 1_000)) * (NANOS / 1_000n));
const INTERNAL = 1; // SpanKind; SERVER is 2
const ERROR = 2; // StatusCode

type Attribute = { readonly key: string; readonly value: Readonly<Record<string, string>> };

const attribute = (key: string, value: string | number): Attribute => ({
  key,
  value:
    typeof value === "number" ? { intValue: String(Math.round(value)) } : { stringValue: value },
});

/** One resource for each service: hub, machines, printers. */
export function otlpOf(
  spans: readonly Span[],
  { version, hubId }: Pick<ExportParts, "version" | "hubId">,
): unknown {
  const groups = Map.groupBy(spans, ({ service }) => service);
  return {
    resourceSpans: [...groups].map(([service, mine]) => ({
      resource: {
        attributes: [
          attribute("service.name", `gantry-${service}`),
          attribute("service.version", version),
          attribute("service.instance.id", hubId),
        ],
      },
      scopeSpans: [
        {
          scope: { name: "gantry", version },
          spans: mine.map((span) => ({
            traceId: span.traceId,
            spanId: span.spanId,
            ...(span.parentId === undefined ? {} : { parentSpanId: span.parentId }),
            name: span.name,
            kind: INTERNAL,
            startTimeUnixNano: nanos(span.startMs),
            endTimeUnixNano: nanos(span.endMs),
            attributes: Object.entries(span.attributes).map(([key, value]) =>
              attribute(key, value),
            ),
            status: span.error === undefined ? {} : { code: ERROR, message: span.error },
          })),
        },
      ],
    })),
  };
}
