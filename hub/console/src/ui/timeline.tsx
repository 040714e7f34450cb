// What the log says about one thing: past events once, new ones as they come.

import type { EventType } from "@gantry/shared/contract/events.ts";
import { eventLine, type EventLine } from "../core/event-line.ts";
import { timeOfDay, words } from "../core/format.ts";
import { isRecord } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { Empty } from "./parts.tsx";

interface EventPage {
  readonly events: readonly unknown[];
}

export function Timeline({
  type,
  subject,
}: {
  readonly type: EventType;
  readonly subject: string;
}) {
  const past = useResource<EventPage>(`/api/events?format=json&types=${type}`);
  const tail = useConsole((state) => state.tail);
  const lines = [
    ...(past.value?.events ?? []).flatMap((event) => eventLine(event, past.atMs) ?? []),
    ...tail,
  ].filter((line) => line.type === type && line.subject === subject);
  const unique = [...new Map(lines.map((line) => [line.id, line])).values()];
  if (unique.length === 0) {
    return <Empty>The hub no longer holds its events; the audit has them.</Empty>;
  }
  return (
    <ol class="timeline" reversed>
      {unique
        .toSorted((a, b) => b.id - a.id)
        .map((line) => (
          <li key={line.id}>
            {wordOf(line)} <span class="faint">{timeOfDay(line.atMs)}</span>
          </li>
        ))}
    </ol>
  );
}

/** The state it came to, if the event says so. */
function wordOf({ type, data }: EventLine): string {
  const state = isRecord(data) ? data["state"] : undefined;
  return words(typeof state === "string" ? state : type);
}
