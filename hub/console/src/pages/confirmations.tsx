import type { ConfirmationList } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { ConfirmationCard } from "../ui/confirmation.tsx";
import { Empty, PageHead } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

/** All that waits for a person's word. */
export function ConfirmationsPage() {
  const list = useResource<ConfirmationList>("/api/confirmations");
  return (
    <div class="page">
      <PageHead title="Confirmations" />
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
    </div>
  );
}
