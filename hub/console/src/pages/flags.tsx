import type { FlagList } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { Empty, PageHead, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

/** Flags and the log position of their last change. */
export function FlagsPage() {
  const list = useResource<FlagList>("/api/flags");
  return (
    <div class="page">
      <PageHead title="Flags" />
      <Waiting of={list}>
        {({ flags }) =>
          flags.length === 0 ? (
            <Empty command={`curl -X PUT -d '{"value":true}' .../api/flags/night-shift`}>
              No flag is set. Set one:
            </Empty>
          ) : (
            <Table caption="Flags" head={["Key", "Value", "Revision"]} numbers={[2]}>
              {flags.map(({ key, value, revision }) => (
                <tr key={key}>
                  <td>
                    <code>{key}</code>
                  </td>
                  <td>
                    <code>{JSON.stringify(value)}</code>
                  </td>
                  <td class="number">{revision}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Waiting>
    </div>
  );
}
