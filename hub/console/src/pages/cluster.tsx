// The hubs: who leads, how far each has come, how well each keeps time, and who hears whom.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import { useEffect, useState } from "preact/hooks";
import {
  alarmWords,
  behind,
  duration,
  linkBetween,
  type LinkState,
  standing,
} from "../core/cluster.ts";
import type { Cluster, HubOfCluster } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { refresh, useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { AskFirst } from "../ui/dialog.tsx";
import { Badge, Button, Card, Empty, Facts, PageHead, Table, type Tone } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

const PATH = "/api/cluster";
/** Lag and times change without an event. */
const LOOK_MS = 2_000;

export function ClusterPage() {
  const cluster = useResource<Cluster>(PATH);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") refresh([PATH]);
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <div class="page">
      <PageHead title="Cluster" />
      <Waiting of={cluster}>
        {(view) => (
          <>
            <Alarms of={view} />
            <Standing of={view} />
            <Hubs of={view} />
            {view.hubs.length > 1 && <Links of={view.hubs} />}
          </>
        )}
      </Waiting>
    </div>
  );
}

function Alarms({ of: { alarms = [], hubs } }: { readonly of: Cluster }) {
  if (alarms.length === 0) {
    return (
      <p class="all-well" role="status">
        {hubs.length === 1 ? "The hub is well." : `All ${hubs.length} hubs are well.`}
      </p>
    );
  }
  return (
    <ul class="needs" aria-label="Alarms">
      {alarms.map((alarm) => (
        <li key={alarmWords(alarm)} class="need bad">
          <p>{alarmWords(alarm)}</p>
        </li>
      ))}
    </ul>
  );
}

function Standing({ of }: { readonly of: Cluster }) {
  const { leader, term, voters = [], learners = [], clusterId, electionMs } = of;
  return (
    <Card
      title="Standing"
      aside={of.isChanging === true && <Badge tone="warn">the voters are being changed</Badge>}
    >
      <Facts
        rows={[
          ["Leader", leader ?? "none"],
          ["Term", term],
          ["Voters", voters.join(", ")],
          ["Learners", learners.join(", ")],
          ["May fail", standing(of)],
          ["Election time-out", electionMs === undefined ? undefined : duration(electionMs)],
          ["Cluster", clusterId === undefined ? undefined : <code>{clusterId}</code>],
        ]}
      />
      {of.hubs.length === 1 && (
        <Empty command="npx gantry cluster add hub-2 tcp://10.77.0.2:7700">
          One hub alone: when its machine is gone, so is the service. Add two more, or one and a
          witness:
        </Empty>
      )}
    </Card>
  );
}

const HEAD = [
  "Hub",
  "Role",
  "Term",
  "Committed / applied",
  "Behind",
  "Disk p99",
  "Loop p99 / max",
  "Stalls",
];

function Hubs({ of }: { readonly of: Cluster }) {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const [heir, setHeir] = useState<string>();
  const { isBusy, run } = useAct();
  const mayHandOver = mayAct(role, "admin") && of.hubs.length > 1;
  return (
    <Card title="Hubs">
      <Table caption="Hubs" head={HEAD} numbers={[2, 3, 4, 5, 6, 7]}>
        {of.hubs.map((hub) => (
          <tr key={hub.id}>
            <td>
              <strong>{hub.id}</strong>
              <br />
              <code class="faint">{hub.address ?? ""}</code>
            </td>
            <td>
              <RoleBadge hub={hub} />
              {mayHandOver && mayLead(hub) && (
                <div>
                  <Button
                    look="quiet"
                    disabled={isBusy}
                    aria-label={`Make leader: ${hub.id}`}
                    onClick={() => setHeir(hub.id)}
                  >
                    Make leader
                  </Button>
                </div>
              )}
            </td>
            <td class="number">{hub.term ?? "–"}</td>
            <td class="number">
              {hub.reachable ? `${hub.commitIndex} / ${hub.appliedIndex}` : "–"}
            </td>
            <td class="number">{behind(hub)}</td>
            <td class="number">{hub.pulse === undefined ? "–" : duration(hub.pulse.syncP99Ms)}</td>
            <td class="number">
              {hub.pulse === undefined
                ? "–"
                : `${duration(hub.pulse.loopP99Ms)} / ${duration(hub.pulse.loopMaxMs)}`}
            </td>
            <td class="number">{hub.pulse?.stalls ?? "–"}</td>
          </tr>
        ))}
      </Table>
      {heir !== undefined && (
        <AskFirst
          title={`Hand over to ${heir}?`}
          text="Changes pause for some tens of milliseconds. Prints and answers go on."
          verb="Hand over"
          onClose={() => setHeir(undefined)}
          onYes={() => run(() => post(`${PATH}/transfer`, { to: heir }), `${heir} leads`)}
        />
      )}
    </Card>
  );
}

const mayLead = ({ role, reachable, damage }: HubOfCluster): boolean =>
  role === "follower" && reachable && damage === undefined;

const ROLE_TONES: Readonly<Record<string, Tone>> = { leader: "good", candidate: "warn" };

function RoleBadge({ hub }: { readonly hub: HubOfCluster }) {
  if (!hub.reachable) return <Badge tone="bad">{hub.role}, silent</Badge>;
  if (hub.damage !== undefined) return <Badge tone="bad">{hub.role}, damaged</Badge>;
  return <Badge tone={ROLE_TONES[hub.role] ?? "plain"}>{hub.role}</Badge>;
}

/** One row for each hub that tells, one column for each that it hears. */
function Links({ of: hubs }: { readonly of: readonly HubOfCluster[] }) {
  return (
    <Card title="Links">
      <Table caption="Who hears whom" head={["Hub", ...hubs.map(({ id }) => `hears ${id}`)]}>
        {hubs.map((hub) => (
          <tr key={hub.id}>
            <td>
              <strong>{hub.id}</strong>
            </td>
            {hubs.map(({ id }) => (
              <td key={id}>
                <LinkCell state={linkBetween(hub, id)} />
              </td>
            ))}
          </tr>
        ))}
      </Table>
    </Card>
  );
}

function LinkCell({ state }: { readonly state: LinkState }) {
  switch (state.kind) {
    case "self":
      return <span class="faint">itself</span>;
    case "unknown":
      return <span class="faint">not known</span>;
    case "lost":
      return <Badge tone="bad">lost</Badge>;
    case "up":
      return (
        <>
          <Badge tone="good">up</Badge> {state.text}
        </>
      );
  }
}
