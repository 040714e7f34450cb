import { dateTime } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import type { ConversationPage } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { Pager, paged } from "../ui/pager.tsx";
import { Badge, Empty, PageHead, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

/** The history, the newest first. */
export function ConversationsPage({ after }: { readonly after: string | undefined }) {
  const page = useResource<ConversationPage>(paged("/api/conversations", after));
  return (
    <div class="page">
      <PageHead title="Conversations">
        <a class="button primary" href="#/ask">
          New conversation
        </a>
      </PageHead>
      <Waiting of={page}>
        {({ conversations, next }) => (
          <>
            {conversations.length === 0 ? (
              <Empty command='npx gantry ask "what printers are there?"'>
                No conversation yet. Ask here, or on the command line:
              </Empty>
            ) : (
              <Table
                caption="Conversations"
                head={["Title", "Messages", "Changed", ""]}
                numbers={[1]}
              >
                {conversations.map((row) => (
                  <tr key={row.id}>
                    <td>
                      <a href={formatPlace("ask", row.id)}>{row.title}</a>
                    </td>
                    <td class="number">{row.messages}</td>
                    <td>{dateTime(row.changedAt)}</td>
                    <td>
                      {row.pendingConfirmation !== undefined && (
                        <Badge tone="warn">waits for your word</Badge>
                      )}
                    </td>
                  </tr>
                ))}
              </Table>
            )}
            <Pager page="conversations" after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}
