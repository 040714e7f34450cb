// Spans to the collector that GANTRY_OTLP_URL names, and to nobody else.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { Counter } from "prom-client";
import type { Egress } from "../adapters/egress.ts";
import { makeSpanExport } from "../adapters/otlp.ts";
import { makeOutbound } from "../adapters/outbound.ts";
import type { Traces } from "../feed/traces.ts";
import type { Hub } from "../hub.ts";

/** Whoever set the variable let this one address out, in the house or not; nothing else. */
export const onlyTo = (allowed: string): Egress => ({
  checkUrl(url) {
    if (url.origin !== new URL(allowed).origin)
      throw new GantryError("egress_denied", `${url.origin} is not where spans go`);
  },
  checkAddress() {},
});

export function exportSpans(
  parts: {
    readonly hub: Hub;
    readonly traces: Traces;
    readonly url: string;
    readonly version: string;
  },
  signal: AbortSignal,
): void {
  const { hub, traces, url, version } = parts;
  const { clock, random, metrics } = hub;
  const outbound = makeOutbound(onlyTo(url), clock);
  const out = makeSpanExport({ url, version, hubId: hub.id, outbound, clock, random });
  traces.listen((span) => out.push(span));
  const counter = (name: string, help: string, read: () => number): Counter =>
    new Counter({
      name,
      help,
      registers: [metrics.registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  counter("gantry_spans_exported_total", "Spans that the collector took", out.sent);
  counter(
    "gantry_spans_dropped_total",
    "Spans that it did not take, or that found no room",
    out.dropped,
  );
  void out.run(signal);
}
