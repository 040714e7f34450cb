// What a request set in motion: each part with its machine, where it was in time and how long it took.

import type { SpanView, TRACE_SCHEMAS } from "@gantry/shared/contract/schemas/traces.ts";
import type { infer as Infer } from "zod";
import { dateTime, latency } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { useResource } from "../live/resources.ts";
import { Badge, Empty, Facts, PageHead, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

type List = Infer<typeof TRACE_SCHEMAS.traces.reply>;
type Trace = Infer<typeof TRACE_SCHEMAS.trace.reply>;

const TONES = { hub: "info", node: "good", device: "warn" } as const;

export function TracesPage() {
  const list = useResource<List>("/api/traces?limit=100");
  return (
    <div class="page">
      <PageHead title="Traces" />
      <Waiting of={list}>
        {({ traces }) =>
          traces.length === 0 ? (
            <Empty>Nothing has been asked for since this hub leads.</Empty>
          ) : (
            <Table
              caption="Traces"
              head={["Request", "Machines", "Spans", "Took", "Began"]}
              numbers={[2, 3]}
            >
              {traces.map((row) => (
                <tr key={row.traceId}>
                  <td>
                    <a href={formatPlace("traces", row.traceId)}>{row.name}</a>
                  </td>
                  <td>
                    {row.services.join(", ")} {row.errors > 0 && <Badge tone="bad">failed</Badge>}
                  </td>
                  <td class="number">{row.spans}</td>
                  <td class="number">{latency(row.tookMs)}</td>
                  <td>{dateTime(row.startedAt)}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Waiting>
    </div>
  );
}

export function TracePage({ id }: { readonly id: string }) {
  const trace = useResource<Trace>(`/api/traces/${encodeURIComponent(id)}`);
  return (
    <div class="page">
      <PageHead title="Trace">
        <a class="button" href={formatPlace("traces")}>
          All traces
        </a>
      </PageHead>
      <Waiting of={trace}>
        {({ traceId, spans }) => <Spans traceId={traceId} spans={spans} />}
      </Waiting>
    </div>
  );
}

const startOf = ({ startedAt }: SpanView): number => Date.parse(startedAt);

function Spans({
  traceId,
  spans,
}: {
  readonly traceId: string;
  readonly spans: readonly SpanView[];
}) {
  const firstMs = Math.min(...spans.map(startOf));
  const lastMs = Math.max(...spans.map((span) => startOf(span) + span.tookMs));
  const wholeMs = Math.max(1, lastMs - firstMs);
  const share = (ms: number): string => `${Math.min(100, (ms / wholeMs) * 100).toFixed(2)}%`;
  return (
    <>
      <Facts
        rows={[
          ["Trace", <code key="trace">{traceId}</code>],
          ["Took", latency(wholeMs)],
        ]}
      />
      <Table caption="Spans" head={["Where", "What", "When", "Took"]} numbers={[3]}>
        {spans.map((span) => (
          <tr key={span.spanId}>
            <td>
              <Badge tone={TONES[span.service]}>{span.service}</Badge>{" "}
              {span.attributes["printer"] ?? span.attributes["node"] ?? ""}
            </td>
            <td>
              {span.name}
              {span.error !== undefined && <p class="faint">failed: {span.error}</p>}
            </td>
            <td style={{ minWidth: "12rem" }}>
              <div
                aria-hidden="true"
                style={{
                  marginLeft: share(startOf(span) - firstMs),
                  width: `max(3px, ${share(span.tookMs)})`,
                  height: "0.6rem",
                  background: "currentColor",
                  opacity: 0.6,
                }}
              />
            </td>
            <td class="number">{latency(span.tookMs)}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}
