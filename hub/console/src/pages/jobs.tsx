// Queued work, and the work that failed for good.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import { useState } from "preact/hooks";
import { dateTime } from "../core/format.ts";
import type { JobPage } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { call, post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { ConfirmationCard } from "../ui/confirmation.tsx";
import { AskFirst } from "../ui/dialog.tsx";
import { Pager, paged } from "../ui/pager.tsx";
import { Button, Empty, PageHead, StateBadge, Table } from "../ui/parts.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { Waiting } from "../ui/waiting.tsx";

const HEAD = ["Job", "State", "Class", "Machine", "Tries", "By", "Changed", ""];

export interface JobsPageProps {
  readonly tab: string | undefined;
  readonly after: string | undefined;
}

export function JobsPage({ tab, after }: JobsPageProps) {
  const isDead = tab === "dead";
  const page = useResource<JobPage>(paged(isDead ? "/api/jobs/dead" : "/api/jobs", after));
  return (
    <div class="page">
      <PageHead title="Jobs" />
      <Tabs
        label="Which jobs"
        page="jobs"
        tabs={[
          [undefined, "All jobs"],
          ["dead", "Dead letters"],
        ]}
        current={isDead ? "dead" : undefined}
      />
      <Waiting of={page}>
        {({ jobs, next }) => (
          <>
            <div class="grid">
              {jobs.flatMap((job) =>
                job.confirmation?.state === "pending"
                  ? [<ConfirmationCard key={job.id} confirmation={job.confirmation} />]
                  : [],
              )}
            </div>
            {jobs.length === 0 ? (
              <Empty command="npx gantry jobs">
                {isDead ? "No work has failed for good." : "No work was queued yet."}
              </Empty>
            ) : (
              <Table caption="Jobs" head={HEAD} numbers={[4]}>
                {jobs.map((job) => (
                  <JobLine key={job.id} job={job} />
                ))}
              </Table>
            )}
            <Pager page="jobs" query={{ tab }} after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}

function JobLine({ job }: { readonly job: JobView }) {
  return (
    <tr>
      <td>
        {job.needs}
        <br />
        <code class="faint">{job.id}</code>
        {job.error !== undefined && <p class="faint">{job.error.message}</p>}
      </td>
      <td>
        <StateBadge state={job.state} />
      </td>
      <td>{job.class}</td>
      <td>{job.node ?? ""}</td>
      <td class="number">{job.attempts}</td>
      <td>{job.by}</td>
      <td>{dateTime(job.changedAt)}</td>
      <td>
        <JobActs job={job} />
      </td>
    </tr>
  );
}

function JobActs({ job }: { readonly job: JobView }) {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const { isBusy, run } = useAct();
  const [isAsking, setAsking] = useState(false);
  if (!mayAct(role, "maker")) return null;
  const path = `/api/jobs/${encodeURIComponent(job.id)}`;
  if (job.dead) {
    return (
      <div class="row">
        <Button
          disabled={isBusy}
          onClick={() => run(() => post(`${path}/requeue`), "Queued again")}
        >
          Requeue
        </Button>
        <Button look="danger" disabled={isBusy} onClick={() => setAsking(true)}>
          Drop
        </Button>
        {isAsking && (
          <AskFirst
            title="Drop this job?"
            text={`${job.needs} will not be tried again. The audit keeps that it was dropped.`}
            verb="Drop the job"
            onYes={() => run(() => call(path, { method: "DELETE" }), "Dropped")}
            onClose={() => setAsking(false)}
          />
        )}
      </div>
    );
  }
  if (!["awaiting", "ready", "leased"].includes(job.state)) return null;
  return (
    <Button disabled={isBusy} onClick={() => run(() => post(`${path}/cancel`), "Cancelled")}>
      Cancel job
    </Button>
  );
}
