// Folders whose documents are known, how fresh they are, and what a search in them gives.

import type {
  KnowledgeHitView,
  KnowledgeView,
  MEMORY_SCHEMAS,
} from "@gantry/shared/contract/schemas/memory.ts";
import type { infer as Infer } from "zod";
import { dateTime } from "../core/format.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { Badge, Button, Card, Empty, PageHead, Table } from "../ui/parts.tsx";
import { SearchBox } from "../ui/search-box.tsx";
import { Waiting } from "../ui/waiting.tsx";

type List = Infer<typeof MEMORY_SCHEMAS.knowledge.reply>;
type Found = Infer<typeof MEMORY_SCHEMAS.knowledgeSearched.reply>;

const PATH = "/api/knowledge";
const HEAD = ["Name", "Documents", "Version", "Refreshed", "Not read", ""];

export function KnowledgePage({ q }: { readonly q: string | undefined }) {
  const list = useResource<List>(PATH);
  return (
    <div class="page">
      <PageHead title="Knowledge" />
      <SearchBox key={q} page="knowledge" label="Search in all documents" q={q} />
      {q !== undefined && <Hits q={q} />}
      <Waiting of={list}>
        {({ knowledge }) =>
          knowledge.length === 0 ? (
            <Empty command="npx gantry knowledge add manuals /var/lib/gantry/hub/knowledge/manuals">
              No folder is known. Name one of the hub's machine:
            </Empty>
          ) : (
            <Table caption="Folders" head={HEAD} numbers={[1, 2]}>
              {knowledge.map((row) => (
                <Line key={row.id} row={row} />
              ))}
            </Table>
          )
        }
      </Waiting>
    </div>
  );
}

function Hits({ q }: { readonly q: string }) {
  const found = useResource<Found>(`${PATH}/search?q=${encodeURIComponent(q)}`);
  return (
    <Waiting of={found}>
      {({ hits }) =>
        hits.length === 0 ? (
          <p>Nothing was found.</p>
        ) : (
          <>
            {hits.map((hit) => (
              <Piece key={`${hit.knowledge}/${hit.path}:${hit.line}`} hit={hit} />
            ))}
          </>
        )
      }
    </Waiting>
  );
}

function Piece({ hit }: { readonly hit: KnowledgeHitView }) {
  return (
    <Card
      title={hit.headings.join(" › ")}
      aside={
        <code>
          {hit.path}:{hit.line}
        </code>
      }
    >
      <p style="white-space: pre-wrap">{hit.text}</p>
    </Card>
  );
}

function Line({ row }: { readonly row: KnowledgeView }) {
  const { isBusy, run } = useAct();
  const refresh = (): void =>
    run(() => post(`${PATH}/${encodeURIComponent(row.id)}/refresh`), `${row.name} is read`);
  return (
    <tr>
      <td>
        {row.name}
        <br />
        <code class="faint">{row.folder}</code>
      </td>
      <td class="number">{row.documents}</td>
      <td class="number">{row.version}</td>
      <td>{row.refreshedAt === undefined ? "" : dateTime(row.refreshedAt)}</td>
      <td>
        {row.faults.length > 0 && <Badge tone="warn">{row.faults.length}</Badge>}
        {row.faults.slice(0, 3).map(({ path, error }) => (
          <p key={path} class="faint">
            {path}: {error.message}
          </p>
        ))}
      </td>
      <td>
        <Button disabled={isBusy} aria-label={`Read again: ${row.name}`} onClick={refresh}>
          Read again
        </Button>
      </td>
    </tr>
  );
}
