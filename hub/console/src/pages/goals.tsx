// Goals: what was found or proposed, who says yes, what works on it, and what came of it.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { GOAL_SCHEMAS, GoalView } from "@gantry/shared/contract/schemas/goals.ts";
import { useId, useState } from "preact/hooks";
import type { infer as Infer } from "zod";
import { dateTime } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { Pager, paged } from "../ui/pager.tsx";
import { Button, Card, Empty, Facts, PageHead, StateBadge } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

type List = Infer<typeof GOAL_SCHEMAS.goals.reply>;

export function GoalsPage({ after }: { readonly after: string | undefined }) {
  const list = useResource<List>(paged("/api/goals", after));
  return (
    <div class="page">
      <PageHead title="Goals" />
      <Waiting of={list}>
        {({ goals, next }) => (
          <>
            {goals.length === 0 ? (
              <Empty command="npx gantry goals propose 'No spool runs out unseen'">
                Nothing is to become better yet. Each Monday the failures of thirty days are looked
                at; or propose something:
              </Empty>
            ) : (
              <div class="grid wide">
                {goals.map((goal) => (
                  <GoalCard key={goal.id} goal={goal} />
                ))}
              </div>
            )}
            <Pager page="goals" after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}

function GoalCard({ goal }: { readonly goal: GoalView }) {
  const { outcome, project } = goal;
  return (
    <Card title={goal.title} aside={<StateBadge state={goal.state} />}>
      {goal.description !== "" && <p>{goal.description}</p>}
      <Facts
        rows={[
          ["Impact", `${goal.impact} of 100`],
          ["Answer until", goal.dueAt === undefined ? undefined : dateTime(goal.dueAt)],
          [
            "Decided by",
            goal.decidedBy === undefined ? undefined : `${goal.decidedBy} ${goal.reason ?? ""}`,
          ],
          [
            "Worked out by",
            project?.run === undefined ? undefined : (
              <a key="run" href={formatPlace("runs", project.run)}>
                {project.run}
              </a>
            ),
          ],
          [
            "Failures in 100 runs",
            outcome === undefined
              ? undefined
              : `${outcome.before} before, ${outcome.since} since (${outcome.runsSince} runs)`,
          ],
        ]}
      />
      {project !== undefined && project.tasks.length > 0 && (
        <Tasks goal={goal} tasks={project.tasks} />
      )}
      {goal.state === "identified" && <Answer goal={goal} />}
    </Card>
  );
}

function Tasks({
  goal,
  tasks,
}: {
  readonly goal: GoalView;
  readonly tasks: NonNullable<GoalView["project"]>["tasks"];
}) {
  const { isBusy, run } = useAct();
  return (
    <ul>
      {tasks.map(({ title, isDone }, at) => (
        <li key={title}>
          {isDone ? <s>{title}</s> : title}{" "}
          {!isDone && goal.state === "active" && (
            <Button
              look="quiet"
              disabled={isBusy}
              aria-label={`Done: ${title}`}
              onClick={() => run(() => post(`/api/goals/${goal.id}/tasks/${at}/done`), "Done")}
            >
              Done
            </Button>
          )}
        </li>
      ))}
    </ul>
  );
}

function Answer({ goal }: { readonly goal: GoalView }) {
  const { isBusy, run } = useAct();
  const [reason, setReason] = useState("");
  const field = useId();
  const me = useConsole(({ session }) => (session.kind === "in" ? session.me : undefined));
  if (!mayAct(me?.role ?? "viewer", "operator")) return null;
  const path = `/api/goals/${encodeURIComponent(goal.id)}`;
  return (
    <>
      <label for={field}>Reason</label>
      <input id={field} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      <div class="row">
        <Button
          look="primary"
          disabled={isBusy}
          aria-label={`Approve: ${goal.title}`}
          onClick={() => run(() => post(`${path}/approve`, { reason }), "Approved")}
        >
          Approve
        </Button>
        <Button
          disabled={isBusy || reason.trim() === ""}
          aria-label={`Reject: ${goal.title}`}
          onClick={() => run(() => post(`${path}/reject`, { reason }), "Rejected")}
        >
          Reject
        </Button>
      </div>
    </>
  );
}
