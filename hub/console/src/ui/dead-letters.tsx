// Work that failed for good: look into it, try it again, or give it up.

import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import { useState } from "preact/hooks";
import { count, dateTime } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import type { JobPage } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { call, post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { AskFirst, Dialog } from "./dialog.tsx";
import { Json } from "./json.tsx";
import { Button, Empty, Facts, Table } from "./parts.tsx";
import { useMayMake } from "./run-acts.tsx";
import { Waiting } from "./waiting.tsx";

export interface DeadLettersProps {
  /** Undefined: of all queues. */
  readonly queue: string | undefined;
  readonly after: string | undefined;
}

const HEAD = ["Job", "Error", "Tries", "Failed", "Actions"];

export function DeadLetters({ queue, after }: DeadLettersProps) {
  const query = new URLSearchParams({ limit: "50" });
  if (queue !== undefined) query.set("queue", queue);
  if (after !== undefined) query.set("after", after);
  const page = useResource<JobPage>(`/api/jobs/dead?${query.toString()}`);
  const of = { tab: "dead" };
  return (
    <Waiting of={page}>
      {({ jobs, next }) =>
        jobs.length === 0 ? (
          <Empty>
            {queue === undefined
              ? "No work has failed for good."
              : `No work of ${queue} has failed for good.`}
          </Empty>
        ) : (
          <>
            <AllOfThem queue={queue} />
            <div class="dead-letters">
              <Table caption="Dead letters" head={HEAD} numbers={[2]}>
                {jobs.map((job) => (
                  <DeadLine key={job.id} job={job} />
                ))}
              </Table>
            </div>
            {(after !== undefined || next !== undefined) && (
              <nav class="row" aria-label="Pages">
                {after !== undefined && (
                  <a class="button" href={formatPlace("queues", queue, of)}>
                    Newest
                  </a>
                )}
                {next !== undefined && (
                  <a class="button" href={formatPlace("queues", queue, { ...of, after: next })}>
                    Older
                  </a>
                )}
              </nav>
            )}
          </>
        )
      }
    </Waiting>
  );
}

function DeadLine({ job }: { readonly job: JobView }) {
  const { id, needs, queue, error, attempts, changedAt } = job;
  const { isBusy, run } = useAct();
  const [asks, setAsks] = useState<"look" | "drop">();
  const mayMake = useMayMake();
  const path = `/api/jobs/${encodeURIComponent(id)}`;
  const close = (): void => setAsks(undefined);
  const drop = (): void => run(() => call(path, { method: "DELETE" }), "Dropped");
  return (
    <tr>
      <td>
        {queue ?? needs}
        <br />
        <code class="faint">{id}</code>
      </td>
      <td class="clip">
        {error === undefined ? "" : error.message}
        <p class="faint">{error?.code}</p>
      </td>
      <td class="number">{attempts}</td>
      <td>{dateTime(changedAt)}</td>
      <td class="act-cell">
        <div class="row tight">
          <Button aria-label={`Inspect ${id}`} onClick={() => setAsks("look")}>
            Inspect
          </Button>
          {mayMake && (
            <>
              <Button
                disabled={isBusy}
                aria-label={`Requeue ${id}`}
                onClick={() => run(() => post(`${path}/requeue`), "Queued again")}
              >
                Requeue
              </Button>
              <Button
                look="danger"
                disabled={isBusy}
                aria-label={`Drop ${id}`}
                onClick={() => setAsks("drop")}
              >
                Drop
              </Button>
            </>
          )}
        </div>
        {asks === "look" && <Inspection job={job} onClose={close} />}
        {asks === "drop" && (
          <AskFirst
            title="Drop this job?"
            text={`${id} will not be tried again. The audit keeps that it was dropped.`}
            verb="Drop the job"
            onYes={drop}
            onClose={close}
          />
        )}
      </td>
    </tr>
  );
}

function Inspection({ job, onClose }: { readonly job: JobView; readonly onClose: () => void }) {
  const { id, needs, by, attempts, createdAt, changedAt, error, data, workspace, parent } = job;
  return (
    <Dialog title={`Job ${id}`} onClose={onClose}>
      <Facts
        rows={[
          ["Needs", needs],
          ["Class", job.class],
          ["Queued by", by],
          ["Workspace", workspace],
          ["Parent", parent],
          ["Tries", attempts],
          ["Queued", dateTime(createdAt)],
          ["Failed", dateTime(changedAt)],
        ]}
      />
      {error !== undefined && (
        <div class="problem">
          <strong>{error.message}</strong>
          <p class="faint">{error.code}</p>
        </div>
      )}
      {error?.details !== undefined && <Json value={error.details} label="Details of the error" />}
      {data !== undefined && (
        <div>
          <h3>What was to be done</h3>
          <Json value={data} label="Data of the job" />
        </div>
      )}
      <div class="row end">
        <Button data-safe onClick={onClose}>
          Close
        </Button>
      </div>
    </Dialog>
  );
}

type Wish = "requeue" | "drop";

/** Asks the hub how many they are before it asks the person. */
function AllOfThem({ queue }: { readonly queue: string | undefined }) {
  const { isBusy, run } = useAct();
  const [asks, setAsks] = useState<{ readonly wish: Wish; readonly total: number }>();
  if (!useMayMake()) return null;
  const of = queue === undefined ? {} : { queue };
  const ask = (wish: Wish): void =>
    run(async () => {
      const body = { wish, ...of, preview: true };
      const { count: total } = await post<{ count: number }>("/api/jobs/dead", body);
      setAsks({ wish, total });
    });
  const dead = count(asks?.total ?? 0, "dead letter");
  const where = queue === undefined ? "all queues" : queue;
  return (
    <div class="row">
      <Button disabled={isBusy} onClick={() => ask("requeue")}>
        Requeue all
      </Button>
      <Button look="danger" disabled={isBusy} onClick={() => ask("drop")}>
        Drop all
      </Button>
      {asks !== undefined && (
        <AskFirst
          title={asks.wish === "requeue" ? `Requeue ${dead}?` : `Drop ${dead}?`}
          text={
            asks.wish === "requeue"
              ? `All of ${where} are tried again, with as many tries as new work has.`
              : `None of ${where} will be tried again. The audit keeps that they were dropped.`
          }
          verb={asks.wish === "requeue" ? "Requeue them" : "Drop them"}
          onClose={() => setAsks(undefined)}
          onYes={() =>
            run(
              () => post("/api/jobs/dead", { wish: asks.wish, ...of }),
              asks.wish === "requeue" ? "Queued again" : "Dropped",
            )
          }
        />
      )}
    </div>
  );
}
