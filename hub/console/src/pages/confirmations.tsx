import type { ConfirmationRow } from "@gantry/shared/contract/rows.ts";
import type { ConfirmationList } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { ConfirmationCard } from "../ui/confirmation.tsx";
import { Card, Empty, PageHead, StateBadge, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

/** All that waits for a person's word. */
export function ConfirmationsPage() {
  const list = useResource<ConfirmationList>("/api/confirmations");
  return (
    <div class="page">
      <PageHead title="Confirmations" />
      <h2 class="unseen">Waiting for a word</h2>
      <Waiting of={list}>
        {({ confirmations }) =>
          confirmations.length === 0 ? (
            <Empty command="npx gantry print part.gcode --on PRINTER">
              Nothing waits for your word. A print asks for it before it starts:
            </Empty>
          ) : (
            <div class="grid">
              {confirmations.map((confirmation) => (
                <ConfirmationCard key={confirmation.id} confirmation={confirmation} />
              ))}
            </div>
          )
        }
      </Waiting>
      <PastWords />
    </div>
  );
}

interface PastEvents {
  readonly events: readonly {
    readonly id: number;
    readonly type: string;
    readonly data: Partial<ConfirmationRow>;
  }[];
}

const PAST_MAX = 50;

/** What was decided of the last ones, the newest first. */
function PastWords() {
  const past = useResource<PastEvents>(
    "/api/events?format=json&types=confirmation.closed&limit=1000",
  );
  return (
    <Card title="What was decided">
      <Waiting of={past}>
        {({ events: all }) => {
          const events = all.filter(({ type }) => type === "confirmation.closed");
          return events.length === 0 ? (
            <p class="faint">Nothing yet.</p>
          ) : (
            <Table caption="Decisions" head={["What", "Hazard", "Asked by", "Decision"]}>
              {events
                .toReversed()
                .slice(0, PAST_MAX)
                .map(({ id, data }) => (
                  <tr key={`${id} ${data.id}`}>
                    <td>{data.summary}</td>
                    <td>{data.hazardClass}</td>
                    <td>{data.person}</td>
                    <td>
                      <StateBadge state={data.state ?? "unknown"} />
                    </td>
                  </tr>
                ))}
            </Table>
          );
        }}
      </Waiting>
    </Card>
  );
}
