// The machines that have joined.

import { heardAtMs } from "../core/cache.ts";
import { ago } from "../core/format.ts";
import { commandsOf, modelsOf, printersOf, type Registry } from "../core/views.ts";
import { useNow } from "../live/now.ts";
import { useResource } from "../live/resources.ts";
import { Card, Empty, PageHead, StateBadge, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";
import { MachineModels } from "./machine-models.tsx";

const HEAD = ["Machine", "State", "Last heard", "Models", "Printers", "Commands", "Labels"];

export function MachinesPage() {
  const registry = useResource<Registry>("/api/registry");
  const nowMs = useNow();
  return (
    <div class="page">
      <PageHead title="Machines" />
      <Card title="Node agents">
        <Waiting of={registry}>
          {({ nodes }) =>
            nodes.length === 0 ? (
              <Empty command="npx gantry join-code NAME">
                No machine has joined. Make a code for one:
              </Empty>
            ) : (
              <Table caption="Machines that have joined" head={HEAD}>
                {nodes.map((node) => (
                  <tr key={node.id}>
                    <td>
                      <strong>{node.name}</strong>
                      <br />
                      <code class="faint">{node.id}</code>
                    </td>
                    <td>
                      <StateBadge state={node.state} />
                    </td>
                    <td>{ago(heardAtMs(node.lastSeenMs, registry.atMs), nowMs)}</td>
                    <td>
                      <Names of={modelsOf(node.capabilities)} none="none" />
                    </td>
                    <td>
                      <Names of={printersOf(node.capabilities)} none="none" />
                    </td>
                    <td>
                      <Names of={commandsOf(node.capabilities)} none="none" />
                    </td>
                    <td>
                      <Names
                        of={Object.entries(node.labels).map(([name, value]) => `${name}=${value}`)}
                        none=""
                      />
                    </td>
                  </tr>
                ))}
              </Table>
            )
          }
        </Waiting>
      </Card>
      <MachineModels />
    </div>
  );
}

function Names({ of, none }: { readonly of: readonly string[]; readonly none: string }) {
  if (of.length === 0) return <span class="faint">{none}</span>;
  return (
    <ul>
      {of.map((name) => (
        <li key={name}>{name}</li>
      ))}
    </ul>
  );
}
