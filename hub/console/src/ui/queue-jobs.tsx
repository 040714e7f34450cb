import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import { dateTime } from "../core/format.ts";
import type { JobPage } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { Empty, StateBadge, Table } from "./parts.tsx";
import { Waiting } from "./waiting.tsx";

const SHOWN = 50;
const HEAD = ["Job", "State", "Class", "Worker", "Tries", "By", "Changed"];

export interface QueueJobsProps {
  readonly queue: string;
  readonly state: "open" | "leased" | "waiting" | "ended";
}

/** The first of them; the hub gives no pages of these. */
export function QueueJobs({ queue, state }: QueueJobsProps) {
  const path = `/api/queues/${encodeURIComponent(queue)}/jobs?state=${state}&limit=${SHOWN}`;
  const page = useResource<JobPage>(path);
  return (
    <Waiting of={page}>
      {({ jobs }) =>
        jobs.length === 0 ? (
          <Empty>No job of {queue} is in this state.</Empty>
        ) : (
          <>
            <Table caption={`Jobs of ${queue}`} head={HEAD} numbers={[4]}>
              {jobs.map((job) => (
                <JobLine key={job.id} job={job} />
              ))}
            </Table>
            {jobs.length === SHOWN && <p class="faint">The first {SHOWN}; there may be more.</p>}
          </>
        )
      }
    </Waiting>
  );
}

function JobLine({ job }: { readonly job: JobView }) {
  const { id, state, node, attempts, by, changedAt, error } = job;
  return (
    <tr>
      <td>
        <code>{id}</code>
        {error !== undefined && <p class="faint">{error.message}</p>}
      </td>
      <td>
        <StateBadge state={state} />
      </td>
      <td>{job.class}</td>
      <td>{node ?? ""}</td>
      <td class="number">{attempts}</td>
      <td>{by}</td>
      <td>{dateTime(changedAt)}</td>
    </tr>
  );
}
