// What is remembered of the person who looks: search it, see where it was said, forget it.

import type { MEMORY_SCHEMAS, MemoryView } from "@gantry/shared/contract/schemas/memory.ts";
import { useId, useState } from "preact/hooks";
import type { infer as Infer } from "zod";
import { dateTime } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { useAct } from "../live/act.ts";
import { call, post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { AskFirst } from "../ui/dialog.tsx";
import { Pager } from "../ui/pager.tsx";
import { Badge, Button, Empty, PageHead, Table } from "../ui/parts.tsx";
import { SearchBox } from "../ui/search-box.tsx";
import { Waiting } from "../ui/waiting.tsx";

type List = Infer<typeof MEMORY_SCHEMAS.memories.reply>;
type Shown = MemoryView & { readonly likeness?: number | undefined; readonly byWords?: boolean };

const PATH = "/api/memory";
const HEAD = ["What", "Kind", "Said", "Where", "Changed", ""];
const STATES = [
  [undefined, "Remembered"],
  ["proposed", "To review"],
  ["superseded", "Replaced"],
] as const;

export interface MemoryPageProps {
  readonly state: string | undefined;
  readonly q: string | undefined;
  readonly after: string | undefined;
}

export function MemoryPage({ state, q, after }: MemoryPageProps) {
  const query = new URLSearchParams({ limit: "50" });
  for (const [name, value] of Object.entries({ state, after }))
    if (value !== undefined) query.set(name, value);
  const path =
    q === undefined ? `${PATH}?${query.toString()}` : `${PATH}/search?q=${encodeURIComponent(q)}`;
  const list = useResource<List>(path);
  return (
    <div class="page">
      <PageHead title="Memory">
        <ForgetAll />
      </PageHead>
      <nav class="row" aria-label="What to show">
        {STATES.map(([value, title]) => (
          <a
            key={title}
            class="button"
            href={formatPlace("memory", undefined, value === undefined ? {} : { state: value })}
            aria-current={value === state && q === undefined ? "true" : undefined}
          >
            {title}
          </a>
        ))}
      </nav>
      <SearchBox key={q} page="memory" label="Search by words or meaning" q={q} />
      <Remember />
      <Waiting of={list}>
        {({ memories, next }) => (
          <>
            {memories.length === 0 ? (
              <Empty command={`npx gantry memory add "the spare nozzles are in drawer 4"`}>
                {q === undefined
                  ? "Nothing here. Say something to remember:"
                  : "Nothing was found."}
              </Empty>
            ) : (
              <Table caption="Memories" head={HEAD} numbers={[2]}>
                {memories.map((row) => (
                  <Line key={row.id} row={row} />
                ))}
              </Table>
            )}
            <Pager page="memory" query={{ state }} after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}

function Remember() {
  const { isBusy, run } = useAct();
  const [text, setText] = useState("");
  const field = useId();
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        const said = text.trim();
        if (said === "") return;
        run(async () => {
          await post(PATH, { text: said });
          setText("");
        }, "Remembered");
      }}
    >
      <div style="flex: 1 1 20rem; max-width: 40rem">
        <label for={field}>Remember this</label>
        <input
          id={field}
          maxLength={500}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </div>
      <Button type="submit" look="primary" disabled={isBusy}>
        Remember
      </Button>
    </form>
  );
}

function Line({ row }: { readonly row: Shown }) {
  const { isBusy, run } = useAct();
  const path = `${PATH}/${encodeURIComponent(row.id)}`;
  const conversation = row.source?.message.split("/")[0];
  return (
    <tr>
      <td>
        {row.text}
        {row.source !== undefined && row.source.quote !== row.text && (
          <p class="faint">“{row.source.quote}”</p>
        )}
        {row.expiresAt !== undefined && <p class="faint">until {dateTime(row.expiresAt)}</p>}
        {row.likeness !== undefined && (
          <p class="faint">
            {row.likeness.toFixed(2)} alike{row.byWords === true ? ", and by its words" : ""}
          </p>
        )}
      </td>
      <td>
        {row.kind}
        {row.state !== "kept" && <Badge>{row.state}</Badge>}
      </td>
      <td class="number">{row.said}</td>
      <td>
        {conversation === undefined ? (
          "by hand"
        ) : (
          <a href={formatPlace("ask", conversation)}>in a conversation</a>
        )}
      </td>
      <td>{dateTime(row.changedAt)}</td>
      <td>
        <div class="row">
          {row.state === "proposed" && (
            <Button
              disabled={isBusy}
              aria-label={`Keep: ${row.text}`}
              onClick={() => run(() => post(`${path}/review`, { verdict: "keep" }), "Kept")}
            >
              Keep
            </Button>
          )}
          <Button
            look="quiet"
            disabled={isBusy}
            aria-label={`Forget: ${row.text}`}
            onClick={() => run(() => call(path, { method: "DELETE" }), "Forgotten")}
          >
            Forget
          </Button>
        </div>
      </td>
    </tr>
  );
}

function ForgetAll() {
  const { run } = useAct();
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <Button look="quiet" onClick={() => setAsking(true)}>
        Forget everything
      </Button>
      {isAsking && (
        <AskFirst
          title="Forget everything?"
          text="Everything that is remembered of you goes, and cannot be brought back."
          verb="Forget it"
          onClose={() => setAsking(false)}
          onYes={() => run(() => call(PATH, { method: "DELETE" }), "Forgotten")}
        />
      )}
    </>
  );
}
