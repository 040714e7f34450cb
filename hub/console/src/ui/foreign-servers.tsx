// Other MCP servers: what their tools say of themselves, and what was agreed to. A tool is agreed to as it is
// shown: its hash goes with the word.

import { HAZARD_CLASSES, type HazardClass, mayAct } from "@gantry/shared/contract/roles.ts";
import type { ReplyOf } from "@gantry/shared/contract/schemas/table.ts";
import { useId, useState } from "preact/hooks";
import { useAct } from "../live/act.ts";
import { call, post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { Badge, Button, Card, type Tone } from "./parts.tsx";

type Servers = ReplyOf<"mcpServers">;
type Server = Servers["servers"][number];
type ServerTool = Server["tools"][number];

const PATH = "/api/mcp/servers";
const TONES: Readonly<Record<ServerTool["state"], Tone>> = {
  approved: "good",
  new: "plain",
  changed: "bad",
};

export function ForeignServers() {
  const list = useResource<Servers>(PATH);
  const servers = list.value?.servers ?? [];
  if (servers.length === 0) return null;
  return (
    <>
      {servers.map((server) => (
        <Card
          key={server.name}
          title={`Server ${server.name}`}
          aside={<Badge tone={server.state === "online" ? "good" : "warn"}>{server.state}</Badge>}
        >
          {server.error !== undefined && <p>{server.error}</p>}
          <ul class="stack" aria-label={`Tools of ${server.name}`}>
            {server.tools.map((tool) => (
              <li key={tool.name}>
                <ToolOf server={server.name} tool={tool} />
              </li>
            ))}
          </ul>
        </Card>
      ))}
    </>
  );
}

function ToolOf({ server, tool }: { readonly server: string; readonly tool: ServerTool }) {
  const { name, description, state, hazardClass, by, sha256 } = tool;
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const [wanted, setWanted] = useState<HazardClass>(hazardClass ?? "medium");
  const { isBusy, run } = useAct();
  const choice = useId();
  const path = `${PATH}/${encodeURIComponent(server)}`;
  const approve = (): Promise<unknown> =>
    post(`${path}/approve`, { tool: name, sha256, hazardClass: wanted });
  const remove = (): Promise<unknown> =>
    call(`${path}/approvals?tool=${encodeURIComponent(name)}`, { method: "DELETE" });
  return (
    <>
      <p>
        <code>{name}</code> <Badge tone={TONES[state]}>{state}</Badge>{" "}
        {by !== undefined && (
          <span class="faint">
            {hazardClass}, agreed to by {by}
          </span>
        )}
      </p>
      {state === "changed" && (
        <p>It is described otherwise than when it was agreed to, and is not used. Read it again.</p>
      )}
      <p>{description}</p>
      {mayAct(role, "admin") && (
        <div class="row">
          {state !== "approved" && (
            <>
              <label for={choice}>Hazard</label>
              <select
                id={choice}
                value={wanted}
                onChange={({ currentTarget }) => {
                  const found = HAZARD_CLASSES.find((one) => one === currentTarget.value);
                  if (found !== undefined) setWanted(found);
                }}
              >
                {HAZARD_CLASSES.map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
              </select>
              <Button
                look="primary"
                disabled={isBusy}
                aria-label={`Agree to ${name}`}
                onClick={() => run(approve, `${name} may be used`)}
              >
                Agree
              </Button>
            </>
          )}
          {state !== "new" && (
            <Button
              disabled={isBusy}
              aria-label={`Use no more: ${name}`}
              onClick={() => run(remove, `${name} is not used any more`)}
            >
              Use no more
            </Button>
          )}
        </div>
      )}
    </>
  );
}
