// What runs leave behind: documents in their formats, and artifacts; found by words, kind and run.

import type { ARTIFACT_SCHEMAS, ArtifactView } from "@gantry/shared/contract/schemas/artifacts.ts";
import { useId, useState } from "preact/hooks";
import type { infer as Infer } from "zod";
import { bytes, dateTime } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { goTo } from "../live/place.ts";
import { useResource } from "../live/resources.ts";
import { Pager } from "../ui/pager.tsx";
import { Badge, Button, Empty, PageHead, Table } from "../ui/parts.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { Waiting } from "../ui/waiting.tsx";

type List = Infer<typeof ARTIFACT_SCHEMAS.artifacts.reply>;

const HEAD = ["Name", "Files", "Size", "Words", "From", "Kept"];

export interface DocumentsPageProps {
  readonly tab: string | undefined;
  readonly run: string | undefined;
  readonly text: string | undefined;
  readonly after: string | undefined;
}

export function DocumentsPage({ tab, run, text, after }: DocumentsPageProps) {
  const kind = tab === "values" ? "value" : "document";
  const query = new URLSearchParams({ kind, limit: "50" });
  for (const [name, value] of Object.entries({ run, text, after })) {
    if (value !== undefined) query.set(name, value);
  }
  const page = useResource<List>(`/api/artifacts?${query.toString()}`);
  return (
    <div class="page">
      <PageHead title="Documents" />
      <Tabs
        label="What to show"
        page="documents"
        tabs={[
          [undefined, "Documents"],
          ["values", "Artifacts"],
        ]}
        current={tab === "values" ? "values" : undefined}
      />
      <Search key={text} tab={tab} run={run} text={text} />
      <Waiting of={page}>
        {({ artifacts, next }) => (
          <>
            {artifacts.length === 0 ? (
              <Empty command="npx gantry documents write notes.md --title 'Notes' --formats md,pdf">
                {text === undefined && run === undefined
                  ? "Nothing is kept yet: a document or artifact node of a workflow does it, or you:"
                  : "Nothing here has all of these words."}
              </Empty>
            ) : (
              <Table caption="Documents and artifacts" head={HEAD} numbers={[2, 3]}>
                {artifacts.map((row) => (
                  <Line key={row.id} row={row} />
                ))}
              </Table>
            )}
            <Pager page="documents" query={{ tab, run, text }} after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}

function Search({ tab, run, text }: Omit<DocumentsPageProps, "after">) {
  const [words, setWords] = useState(text ?? "");
  const field = useId();
  const go = (members: { readonly text?: string; readonly run?: string }): void =>
    goTo(formatPlace("documents", undefined, { tab, run, ...members }));
  return (
    <form
      class="row"
      style={{ alignItems: "flex-end" }}
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const said = words.trim();
        go(said === "" ? {} : { text: said });
      }}
    >
      <div>
        <label for={field}>Words in it</label>
        <input
          id={field}
          type="search"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
      </div>
      <Button type="submit">Search</Button>
      {run !== undefined && (
        <Badge>
          of run {run} <a href={formatPlace("documents", undefined, { tab, text })}>show all</a>
        </Badge>
      )}
    </form>
  );
}

function Line({ row }: { readonly row: ArtifactView }) {
  const path = `/api/artifacts/${encodeURIComponent(row.id)}/content`;
  const files = Object.entries(row.files ?? {});
  return (
    <tr>
      <td>
        {row.name}
        {row.author !== undefined && <p class="faint">by {row.author}</p>}
      </td>
      <td>
        <div class="row">
          {files.length === 0 ? (
            <a href={path} download aria-label={`${row.mediaType}: download ${row.name}`}>
              {row.mediaType}
            </a>
          ) : (
            files.map(([format]) => (
              <a
                key={format}
                href={`${path}?format=${format}`}
                download
                aria-label={`${format.toUpperCase()}: download ${row.name}`}
              >
                {format.toUpperCase()}
              </a>
            ))
          )}
        </div>
      </td>
      <td class="number">{bytes(row.sizeBytes)}</td>
      <td class="number">{row.words ?? ""}</td>
      <td>
        {row.run === undefined ? (
          row.by
        ) : (
          <a href={formatPlace("runs", row.run)}>{row.workflow ?? row.run}</a>
        )}
      </td>
      <td>{dateTime(row.at)}</td>
    </tr>
  );
}
