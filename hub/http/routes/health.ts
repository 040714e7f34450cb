// Liveness, readiness and numbers. Liveness answers at once, whatever the main thread does.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Health } from "@gantry/shared/contract/schemas/service.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { requestOf } from "../input.ts";

const ANSWER_MS = 1_000;

/** `live`: 200 while this process lives. `ready`: 503 until the hub says `ok`. */
export const health =
  (deps: DoorDeps, route: "live" | "ready", startedAtMs: number): Handler =>
  async (c) => {
    const report = await reportOf(deps, c, route, startedAtMs);
    const status = route === "live" || report.status === "ok" ? 200 : 503;
    return c.json(report, status, status === 200 ? {} : { "retry-after": "1" });
  };

async function reportOf(
  { desk, clock, config }: DoorDeps,
  c: DoorContext,
  route: "live" | "ready",
  startedAtMs: number,
): Promise<Health> {
  const request = requestOf(c, route, { params: {}, query: {}, body: undefined });
  try {
    const report = await within(clock, ANSWER_MS, c.req.raw.signal, (signal) =>
      desk.call(route, request, { signal }),
    );
    return report as Health; // the desk gives the reply of its schema
  } catch (error) {
    const code = error instanceof GantryError ? error.code : "internal";
    const isEdge = code === "starting" || code === "stopping";
    return {
      status: isEdge ? code : "degraded",
      parts: {
        hub: { state: code === "starting" ? "starting" : "degraded", note: `The hub says ${code}` },
      },
      version: config.version,
      uptimeS: Math.floor((clock.monotonic() - startedAtMs) / 1_000),
    };
  }
}

/** Counts of this door, in Prometheus text after the hub's own. */
export interface DoorCounts {
  /** One request ended. */
  count(route: string, status: number): void;
  text(): string;
}

const SERIES_MAX = 2_000;

export function makeCounts(streams: () => number): DoorCounts {
  const requests = new Map<string, number>();
  return {
    count(route, status) {
      const labels = `route="${route}",status="${status}"`;
      if (requests.size >= SERIES_MAX && !requests.has(labels)) return;
      requests.set(labels, (requests.get(labels) ?? 0) + 1);
    },
    text: () =>
      [
        "# HELP gantry_http_requests_total Requests answered, by route and status.",
        "# TYPE gantry_http_requests_total counter",
        ...[...requests].map(([labels, count]) => `gantry_http_requests_total{${labels}} ${count}`),
        "# HELP gantry_sse_clients Event streams open now.",
        "# TYPE gantry_sse_clients gauge",
        `gantry_sse_clients ${streams()}`,
        "",
      ].join("\n"),
  };
}

export const metrics =
  ({ desk, clock }: DoorDeps, counts: DoorCounts): Handler =>
  async (c) => {
    const request = requestOf(c, "metrics", { params: {}, query: {}, body: undefined });
    const text = await within(clock, ANSWER_MS, c.req.raw.signal, (signal) =>
      desk.call("metrics", request, { signal }),
    ).catch(() => ""); // a hub that is starting has no numbers; the door's own still count
    const hubText = typeof text === "string" && text !== "" ? `${text.trimEnd()}\n` : "";
    return c.text(hubText + counts.text(), 200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    });
  };
