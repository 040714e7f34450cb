// Queues: how much is in each, how far behind it is, and whether it goes.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { QueueView } from "@gantry/shared/contract/schemas/queues.ts";
import { useEffect } from "preact/hooks";
import { dateTime, latency } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import type { QueueList } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { refresh, useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { Badge, Button, Empty, Facts, PageHead, Table } from "../ui/parts.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { Waiting } from "../ui/waiting.tsx";
import { DeadLetters } from "../ui/dead-letters.tsx";
import { QueueJobs } from "../ui/queue-jobs.tsx";

const PATH = "/api/queues";
/** What is leased and how old the oldest is changes without an event. */
const LOOK_MS = 5_000;
const HEAD = ["Queue", "State", "Ready", "Running", "Waiting", "Dead", "Oldest ready", "Actions"];

export interface QueuesPageProps {
  readonly id: string | undefined;
  readonly tab: string | undefined;
  readonly after: string | undefined;
}

export function QueuesPage({ id, tab, after }: QueuesPageProps) {
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") refresh([PATH]);
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  if (id !== undefined) return <OneQueue key={id} name={id} tab={tab} after={after} />;
  const isDead = tab === "dead";
  return (
    <div class="page">
      <PageHead title="Queues" />
      <Tabs
        label="What to show"
        page="queues"
        tabs={[
          [undefined, "Queues"],
          ["dead", "Dead letters"],
        ]}
        current={isDead ? "dead" : undefined}
      />
      {isDead ? <DeadLetters queue={undefined} after={after} /> : <AllQueues />}
    </div>
  );
}

function AllQueues() {
  const list = useResource<QueueList>(PATH);
  return (
    <Waiting of={list}>
      {({ queues }) =>
        queues.length === 0 ? (
          <Empty>There is no queue yet. The first job that is put into one makes it.</Empty>
        ) : (
          <Table caption="Queues" head={HEAD} numbers={[2, 3, 4, 5, 6]}>
            {queues.map((queue) => (
              <tr key={queue.name}>
                <td>
                  <a href={formatPlace("queues", queue.name)}>{queue.name}</a>
                </td>
                <td class="state-cell">
                  <QueueState queue={queue} />
                </td>
                <td class="number">{queue.ready}</td>
                <td class="number">{queue.leased}</td>
                <td class="number">{waitingOf(queue)}</td>
                <td class="number">{queue.dead === 0 ? 0 : <DeadLink queue={queue} />}</td>
                <td class="number">{queue.ready === 0 ? "–" : latency(queue.lagMs)}</td>
                <td class="act-cell">
                  <PauseButton queue={queue} />
                </td>
              </tr>
            ))}
          </Table>
        )
      }
    </Waiting>
  );
}

const waitingOf = ({ parked, delayed, waiting }: QueueView): number => parked + delayed + waiting;

const DeadLink = ({ queue: { name, dead } }: { readonly queue: QueueView }) => (
  <a
    href={formatPlace("queues", name, { tab: "dead" })}
    aria-label={`${dead} dead letters of ${name}`}
  >
    {dead}
  </a>
);

function QueueState({ queue }: { readonly queue: QueueView }) {
  const { isPaused, pausedUntil, pausedKeys = {} } = queue;
  const keys = Object.keys(pausedKeys).length;
  if (isPaused) return <Badge tone="warn">paused</Badge>;
  if (pausedUntil !== undefined && Date.parse(pausedUntil) > Date.now())
    return <Badge tone="warn">paused until {dateTime(pausedUntil)}</Badge>;
  return <Badge tone="good">{keys === 0 ? "open" : `open, ${keys} keys paused`}</Badge>;
}

function PauseButton({ queue }: { readonly queue: QueueView }) {
  const { name, isPaused, pausedUntil } = queue;
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const { isBusy, run } = useAct();
  if (!mayAct(role, "operator")) return null;
  const path = `${PATH}/${encodeURIComponent(name)}`;
  const isStill = isPaused || (pausedUntil !== undefined && Date.parse(pausedUntil) > Date.now());
  const verb = isStill ? "resume" : "pause";
  const said = isStill ? `${name} goes on` : `${name} starts nothing more; what runs goes on`;
  return (
    <Button
      disabled={isBusy}
      aria-label={`${isStill ? "Resume" : "Pause"} ${name}`}
      onClick={() => run(() => post(`${path}/${verb}`), said)}
    >
      {isStill ? "Resume" : "Pause"}
    </Button>
  );
}

const TABS = [
  ["open", "Not ended"],
  ["leased", "Running"],
  ["waiting", "Waiting for children"],
  ["ended", "Ended"],
  ["dead", "Dead letters"],
] as const;

function OneQueue(props: {
  readonly name: string;
  readonly tab: string | undefined;
  readonly after: string | undefined;
}) {
  const { name, after } = props;
  const queue = useResource<QueueView>(`${PATH}/${encodeURIComponent(name)}`);
  const tab = TABS.find(([key]) => key === props.tab)?.[0] ?? "open";
  return (
    <div class="page">
      <PageHead title={name}>
        <a href={formatPlace("queues")}>All queues</a>
      </PageHead>
      <Waiting of={queue}>
        {(view) => (
          <div class="card">
            <div class="card-head">
              <QueueState queue={view} />
              <PauseButton queue={view} />
            </div>
            <Facts rows={factsOf(view)} />
          </div>
        )}
      </Waiting>
      <Tabs label="Which jobs" page="queues" id={name} tabs={TABS} current={tab} />
      {tab === "dead" ? (
        <DeadLetters queue={name} after={after} />
      ) : (
        <QueueJobs key={tab} queue={name} state={tab} />
      )}
    </div>
  );
}

function factsOf(view: QueueView): readonly (readonly [string, string | number | undefined])[] {
  const { policy } = view;
  return [
    ["Ready", view.ready],
    ["Running", view.leased],
    ["Kept back by a limit", view.parked],
    ["For a later time", view.delayed],
    ["For children", view.waiting],
    ["Dead", view.dead],
    ["Oldest ready", view.ready === 0 ? "–" : latency(view.lagMs)],
    ["At once", policy.concurrency],
    ["Rate", policy.rate && `${policy.rate.max} in ${latency(policy.rate.perMs)}`],
    ["Tries", policy.attemptsMax],
  ];
}
