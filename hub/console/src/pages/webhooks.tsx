// Who is told of events by HTTP, how much arrived, and what nobody took.

import type { WEBHOOK_SCHEMAS, WebhookView } from "@gantry/shared/contract/schemas/webhooks.ts";
import { useState } from "preact/hooks";
import type { infer as Infer } from "zod";
import { dateTime } from "../core/format.ts";
import { useAct } from "../live/act.ts";
import { call, post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { AskFirst } from "../ui/dialog.tsx";
import { Badge, Button, Empty, PageHead, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

type List = Infer<typeof WEBHOOK_SCHEMAS.webhooks.reply>;

const PATH = "/api/webhooks";
const HEAD = ["Address", "Events", "Delivered", "Failed", "Dead letters", "Last", ""];

export function WebhooksPage() {
  const list = useResource<List>(PATH);
  return (
    <div class="page">
      <PageHead title="Webhooks" />
      <Waiting of={list}>
        {({ webhooks }) =>
          webhooks.length === 0 ? (
            <Empty command="npx gantry webhook add https://example.org/hook --events 'print.*,run.*'">
              Nobody is told of events. Tell somebody:
            </Empty>
          ) : (
            <Table caption="Webhooks" head={HEAD} numbers={[2, 3, 4]}>
              {webhooks.map((row) => (
                <Line key={row.id} row={row} />
              ))}
            </Table>
          )
        }
      </Waiting>
    </div>
  );
}

function Line({ row }: { readonly row: WebhookView }) {
  const { isBusy, run } = useAct();
  const [isAsking, setAsking] = useState(false);
  const path = `${PATH}/${encodeURIComponent(row.id)}`;
  return (
    <tr>
      <td>
        {row.url}
        <br />
        <code class="faint">{row.id}</code>
        {row.lastError !== undefined && <p class="faint">{row.lastError.message}</p>}
      </td>
      <td>
        {row.types.join(" ")}
        {row.subject !== undefined && <p class="faint">about {row.subject}</p>}
      </td>
      <td class="number">{row.delivery_count}</td>
      <td class="number">{row.failure_count}</td>
      <td class="number">{row.dead === 0 ? "0" : <Badge tone="bad">{row.dead}</Badge>}</td>
      <td>{row.lastDeliveredAt === undefined ? "" : dateTime(row.lastDeliveredAt)}</td>
      <td>
        <div class="row">
          {row.dead > 0 && (
            <Button
              disabled={isBusy}
              aria-label={`Deliver again: ${row.id}`}
              onClick={() => run(() => post(`${path}/redeliver`), "Dead letters are tried again")}
            >
              Deliver again
            </Button>
          )}
          <Button
            look="quiet"
            disabled={isBusy}
            aria-label={`Delete: ${row.id}`}
            onClick={() => setAsking(true)}
          >
            Delete
          </Button>
        </div>
        {isAsking && (
          <AskFirst
            title="Delete this webhook?"
            text={`${row.url} will be told of nothing more, and its dead letters go with it.`}
            verb="Delete it"
            onClose={() => setAsking(false)}
            onYes={() => run(() => call(path, { method: "DELETE" }), "Deleted")}
          />
        )}
      </td>
    </tr>
  );
}
