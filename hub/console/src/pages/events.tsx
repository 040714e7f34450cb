// The live tail of the log, with what the console kept since it was opened.

import { EVENT_TYPES } from "@gantry/shared/contract/events.ts";
import { useId, useState } from "preact/hooks";
import type { EventLine } from "../core/event-line.ts";
import { count, timeOfDay } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { replacePlace } from "../live/place.ts";
import { useConsole } from "../live/store.ts";
import { Badge, Button, Empty, PageHead, Table } from "../ui/parts.tsx";

/** `type` shows only events of that type; it is in the address. */
export function EventsPage({ type }: { readonly type: string | undefined }) {
  const tail = useConsole((state) => state.tail);
  const gaps = useConsole((state) => state.gaps);
  const [held, setHeld] = useState<readonly EventLine[]>();
  const field = useId();
  const lines = (held ?? tail).filter((line) => type === undefined || line.type === type);
  const missed = held === undefined ? 0 : newerThan(tail, held.at(-1));
  return (
    <div class="page">
      <PageHead title="Events">
        <label for={field}>Type</label>
        <select
          id={field}
          class="narrow"
          value={type ?? ""}
          onChange={({ currentTarget: { value } }) =>
            replacePlace(formatPlace("events", undefined, { type: value }))
          }
        >
          <option value="">all</option>
          {EVENT_TYPES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <Button
          aria-pressed={held !== undefined}
          onClick={() => setHeld(held === undefined ? tail : undefined)}
        >
          {held === undefined ? "Pause" : `Go on (${count(missed, "new event")})`}
        </Button>
      </PageHead>
      {gaps > 0 && (
        <p class="need bad" role="status">
          The stream had {count(gaps, "gap")}: events were lost here, nothing on the hub. All pages
          were read again.
        </p>
      )}
      {lines.length === 0 ? (
        <Empty command="npx gantry events">
          Waiting for the first event. The same on the command line:
        </Empty>
      ) : (
        <Table
          caption="Events, the newest first"
          head={["At", "Position", "Type", "About", "Facts"]}
        >
          {lines.toReversed().map((line) => (
            <tr key={`${line.id} ${line.type} ${line.subject}`}>
              <td>{timeOfDay(line.atMs)}</td>
              <td>{line.id}</td>
              <td>
                <Badge tone={line.type === "stop.pressed" ? "bad" : "plain"}>{line.type}</Badge>
              </td>
              <td>
                <code>{line.subject}</code>
              </td>
              <td class="clip">
                <code>{JSON.stringify(line.data) ?? ""}</code>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </div>
  );
}

const newerThan = (tail: readonly EventLine[], last: EventLine | undefined): number =>
  tail.filter(({ id }) => id > (last?.id ?? -1)).length;
