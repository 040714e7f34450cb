import { dateTime } from "../core/format.ts";
import type { AuditPage as AuditEntries } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { Pager, paged } from "../ui/pager.tsx";
import { Empty, Hash, PageHead, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

const HEAD = ["No.", "At", "Who", "Did", "To", "Details", "Hash"];

/** Who did what: each row carries the hash of the one before, which `gantry doctor` checks. */
export function AuditPage({ after }: { readonly after: string | undefined }) {
  const page = useResource<AuditEntries>(paged("/api/audit", after));
  return (
    <div class="page">
      <PageHead title="Audit" />
      <Waiting of={page}>
        {({ entries, next }) => (
          <>
            {entries.length === 0 ? (
              <Empty command="npx gantry doctor">Nothing was done yet. Check the chain with:</Empty>
            ) : (
              <Table caption="Audit, the newest first" head={HEAD} numbers={[0]}>
                {entries.map((entry) => (
                  <tr key={entry.seq}>
                    <td class="number">{entry.seq}</td>
                    <td>{dateTime(entry.at)}</td>
                    <td>{entry.actor}</td>
                    <td>{entry.action}</td>
                    <td>
                      <code>{entry.object}</code>
                    </td>
                    <td class="clip">
                      <code>{JSON.stringify(entry.detail)}</code>
                    </td>
                    <td>
                      <Hash value={entry.hash} />
                    </td>
                  </tr>
                ))}
              </Table>
            )}
            <Pager page="audit" after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}
