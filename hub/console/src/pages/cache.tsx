// Answers that are given again: how often, what that saved, and how often it was wrong as far as audits
// have seen; each of them can be dropped.

import type {
  CacheEntryView,
  CacheStatusView,
  MEMORY_SCHEMAS,
} from "@gantry/shared/contract/schemas/memory.ts";
import { useState } from "preact/hooks";
import type { infer as Infer } from "zod";
import { dateTime, percent } from "../core/format.ts";
import { useAct } from "../live/act.ts";
import { call, post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { AskFirst } from "../ui/dialog.tsx";
import { Pager } from "../ui/pager.tsx";
import { Button, Card, Empty, Facts, PageHead, Table } from "../ui/parts.tsx";
import { SearchBox } from "../ui/search-box.tsx";
import { Waiting } from "../ui/waiting.tsx";

type Entries = Infer<typeof MEMORY_SCHEMAS.cacheEntries.reply>;

const PATH = "/api/cache";
const HEAD = ["Question and answer", "Given again", "For", "Made", ""];

export interface CachePageProps {
  readonly q: string | undefined;
  readonly after: string | undefined;
}

export function CachePage({ q, after }: CachePageProps) {
  const status = useResource<CacheStatusView>(PATH);
  const query = new URLSearchParams({ limit: "50" });
  for (const [name, value] of Object.entries({ q, after }))
    if (value !== undefined) query.set(name, value);
  const entries = useResource<Entries>(`${PATH}/entries?${query.toString()}`);
  return (
    <div class="page">
      <PageHead title="Kept answers">
        <DropAll />
      </PageHead>
      <Waiting of={status}>{(of) => <Status of={of} />}</Waiting>
      <SearchBox key={q} page="cache" label="Words of a question or an answer" q={q} />
      <Waiting of={entries}>
        {({ entries: rows, next }) => (
          <>
            {rows.length === 0 ? (
              <Empty command={`npx gantry ask "What is a brim?"`}>
                {q === undefined
                  ? "No answer is kept yet. Ask something twice:"
                  : "Nothing was found."}
              </Empty>
            ) : (
              <Table caption="Kept answers" head={HEAD} numbers={[1]}>
                {rows.map((row) => (
                  <Line key={row.key} row={row} />
                ))}
              </Table>
            )}
            <Pager page="cache" query={{ q }} after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}

function Status({ of }: { readonly of: CacheStatusView }) {
  const { audits, calibration, refused } = of;
  const checked = audits.agree + audits.differ;
  const why = Object.entries(refused).map(([name, count]) => `${name} ${count}`);
  return (
    <div class="grid">
      <Card title="Use">
        <Facts
          rows={[
            ["Kept", String(of.size)],
            ["Given again", `${of.exactHits} to the same question, ${of.semanticHits} by likeness`],
            ["Time saved", `${Math.round(of.savedMs / 1_000)} s`],
          ]}
        />
      </Card>
      <Card title="Likeness">
        <Facts
          rows={[
            ["Embedder", of.embedder],
            ["Found by likeness", `${of.vectors} can be`],
            ["From", `${of.threshold} on`],
            [
              "Measured",
              calibration && `${percent(calibration.recall)} of paraphrases are so alike`,
            ],
            ["Alike, and refused for", why.join(", ")],
          ]}
        />
      </Card>
      <Card title="Was it right?">
        <Facts
          rows={[
            ["Answered anew and compared", String(checked)],
            [
              "Wrong",
              audits.falseHitRate === undefined ? "nothing seen yet" : percent(audits.falseHitRate),
            ],
            ["At most, with 95 %", audits.falseHitRateMost && percent(audits.falseHitRateMost)],
            ["Dropped by people", String(of.dropped.person)],
          ]}
        />
      </Card>
    </div>
  );
}

function Line({ row }: { readonly row: CacheEntryView }) {
  const { isBusy, run } = useAct();
  const wrong = (): void =>
    run(() => post(`${PATH}/${row.key}/wrong`), "Nobody gets that answer again");
  return (
    <tr>
      <td>
        <strong>{row.prompt}</strong>
        <p class="faint">{row.text.slice(0, 240)}</p>
        {row.depends.length > 0 && <p class="faint">speaks of {row.depends.join(", ")}</p>}
      </td>
      <td class="number">{row.hits}</td>
      <td>{row.role ?? "all"}</td>
      <td>{dateTime(row.at)}</td>
      <td>
        <div class="row">
          <Button disabled={isBusy} aria-label={`Wrong: ${row.prompt}`} onClick={wrong}>
            Wrong
          </Button>
          <Button
            look="quiet"
            disabled={isBusy}
            aria-label={`Drop: ${row.prompt}`}
            onClick={() => run(() => call(`${PATH}/${row.key}`, { method: "DELETE" }), "Dropped")}
          >
            Drop
          </Button>
        </div>
      </td>
    </tr>
  );
}

function DropAll() {
  const { run } = useAct();
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <Button look="quiet" onClick={() => setAsking(true)}>
        Drop all
      </Button>
      {isAsking && (
        <AskFirst
          title="Drop all kept answers?"
          text="Each question is answered anew the next time."
          verb="Drop them"
          onClose={() => setAsking(false)}
          onYes={() => run(() => call(PATH, { method: "DELETE" }), "Dropped")}
        />
      )}
    </>
  );
}
