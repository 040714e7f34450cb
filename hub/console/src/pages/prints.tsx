import { dateTime, duration } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import type { PrintPage } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { Pager, paged } from "../ui/pager.tsx";
import { Empty, PageHead, Progress, StateBadge, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

const HEAD = ["Print", "State", "Progress", "Printer", "Estimated", "By", "Queued"];

/** All prints, the newest first. */
export function PrintsPage({ after }: { readonly after: string | undefined }) {
  const page = useResource<PrintPage>(paged("/api/fabrication/jobs", after));
  return (
    <div class="page">
      <PageHead title="Prints">
        <a class="button primary" href="#/ask">
          Print a file
        </a>
      </PageHead>
      <Waiting of={page}>
        {({ jobs, next }) => (
          <>
            {jobs.length === 0 ? (
              <Empty command="npx gantry print part.gcode --on PRINTER">
                Nothing was printed yet.
              </Empty>
            ) : (
              <Table caption="Prints" head={HEAD} numbers={[4]}>
                {jobs.map((print) => (
                  <tr key={print.id}>
                    <td>
                      <a href={formatPlace("prints", print.id)}>{print.name}</a>
                    </td>
                    <td>
                      <StateBadge state={print.kept === true ? "kept" : print.state} />
                    </td>
                    <td>
                      <Progress value={print.progress} label={`Progress of ${print.name}`} />
                    </td>
                    <td>{print.printer}</td>
                    <td class="number">{duration(print.estimatedS)}</td>
                    <td>{print.by}</td>
                    <td>{dateTime(print.createdAt)}</td>
                  </tr>
                ))}
              </Table>
            )}
            <Pager page="prints" after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}
