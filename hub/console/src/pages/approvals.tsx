// Questions of runs to people: what is asked, by which run, until when; and the answers.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { ApprovalView } from "@gantry/shared/contract/schemas/runs.ts";
import { useId, useRef, useState } from "preact/hooks";
import { ago, dateTime, duration } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import type { ApprovalPage, Me } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useHeldList } from "../live/held-list.ts";
import { useNow } from "../live/now.ts";
import { useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { PatchDifference } from "../ui/difference.tsx";
import { FreshLine } from "../ui/fresh.tsx";
import { OPEN_APPROVALS } from "../ui/navigation.tsx";
import { Pager, paged } from "../ui/pager.tsx";
import { Badge, Button, Card, Empty, Facts, PageHead, StateBadge, Table } from "../ui/parts.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { Waiting } from "../ui/waiting.tsx";

export interface ApprovalsPageProps {
  readonly tab: string | undefined;
  readonly after: string | undefined;
}

export function ApprovalsPage({ tab, after }: ApprovalsPageProps) {
  const isAll = tab === "all";
  const cursor = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
  const path = isAll ? `/api/approvals?state=all${cursor}` : paged(OPEN_APPROVALS, after);
  const page = useResource<ApprovalPage>(path);
  return (
    <div class="page">
      <PageHead title="Approvals" />
      <Tabs
        label="Which approvals"
        page="approvals"
        tabs={[
          [undefined, "Open"],
          ["all", "All, with their answers"],
        ]}
        current={isAll ? "all" : undefined}
      />
      <Waiting of={page}>
        {({ approvals, next }) => (
          <>
            {isAll ? <Answers approvals={approvals} /> : <Inbox key={path} approvals={approvals} />}
            <Pager page="approvals" query={{ tab }} after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}

/** Held still, so that no question moves under a finger that is about to answer another one. */
function Inbox({ approvals }: { readonly approvals: readonly ApprovalView[] }) {
  const list = useHeldList(approvals);
  if (list.rows.length === 0) {
    return <Empty>Nobody waits for your word: no run has an open question.</Empty>;
  }
  return (
    <>
      <FreshLine of={list} noun="question" />
      <div class="grid wide">
        {list.rows.map(({ item, isGone }) => (
          <ApprovalCard key={item.id} approval={item} isGone={isGone} />
        ))}
      </div>
    </>
  );
}

function ApprovalCard(props: { readonly approval: ApprovalView; readonly isGone: boolean }) {
  const { approval, isGone } = props;
  const { question, workflow, run, place, dueAt, createdAt, roles, people, votes } = approval;
  const nowMs = useNow();
  const leftS = (Date.parse(dueAt) - nowMs) / 1_000;
  const missing = approval.approvals - votes.filter(({ approve }) => approve).length;
  return (
    <Card
      title={question}
      tone={isGone ? "plain" : "warn"}
      aside={
        isGone ? (
          <Badge>answered or over</Badge>
        ) : (
          <span class={leftS < 300 ? "clock late" : "clock"}>
            {leftS > 0 ? `${duration(leftS)} left` : "time is over"}
          </span>
        )
      }
    >
      <Facts
        rows={[
          ["Asked by", `${place || "a patch"} of ${workflow ?? "a run without a name"}`],
          ["Run", <RunLink key="run" id={run} />],
          ["Asked", ago(Date.parse(createdAt), nowMs)],
          ["For", people.length > 0 ? people.join(", ") : `role ${roles.join(" or ")}`],
          [
            "Needs",
            approval.approvals > 1 ? `${missing} more of ${approval.approvals}` : undefined,
          ],
          ["Passed on", approval.escalated ? "nobody answered in time" : undefined],
        ]}
      />
      {approval.isPatch === true && (
        <PatchDifference
          path={`/api/approvals/${encodeURIComponent(approval.id)}/patch`}
          title="What it would change"
        />
      )}
      <Votes of={approval} />
      {isGone ? (
        <p class="faint">
          This question is closed. <a href={formatPlace("runs", run)}>See what became of it</a>
        </p>
      ) : (
        <Answer approval={approval} />
      )}
    </Card>
  );
}

const RunLink = ({ id }: { readonly id: string }) => (
  <a href={formatPlace("runs", id)}>
    <code>{id}</code>
  </a>
);

function Votes({ of: { votes } }: { readonly of: ApprovalView }) {
  if (votes.length === 0) return null;
  return (
    <ul class="lines">
      {votes.map(({ by, approve, reason, at }) => (
        <li key={by}>
          <span>
            <Badge tone={approve ? "good" : "bad"}>{approve ? "approved" : "rejected"}</Badge> {by}
            {reason !== "" && `: ${reason}`}
          </span>
          <span class="faint">{dateTime(at)}</span>
        </li>
      ))}
    </ul>
  );
}

function Answer({ approval }: { readonly approval: ApprovalView }) {
  const { id, votes } = approval;
  const me = useConsole(({ session }) => (session.kind === "in" ? session.me : undefined));
  const [reason, setReason] = useState("");
  const [isAsked, setAsked] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const fieldId = useId();
  const { isBusy, run } = useAct();
  const refusal = refusalOf(approval, me);
  const say = (verb: "approve" | "reject"): void => {
    const path = `/api/approvals/${encodeURIComponent(id)}/${verb}`;
    run(() => post(path, { reason: reason.trim() }), verb === "approve" ? "Approved" : "Rejected");
  };
  const reject = (): void => {
    if (reason.trim() !== "") return say("reject");
    setAsked(true);
    field.current?.focus();
  };
  if (refusal !== undefined) return <p class="faint">{refusal}</p>;
  if (votes.some(({ by }) => by === me?.person)) {
    return <p class="faint">You have answered. Another person is needed.</p>;
  }
  return (
    <div class="decision">
      <label for={fieldId}>Reason</label>
      <input
        ref={field}
        id={fieldId}
        value={reason}
        maxLength={1_000}
        autocomplete="off"
        aria-invalid={isAsked && reason.trim() === ""}
        aria-describedby={`${fieldId}-hint`}
        onInput={(event) => setReason(event.currentTarget.value)}
      />
      <p id={`${fieldId}-hint`} class={isAsked && reason.trim() === "" ? "needed" : "faint"}>
        A rejection needs one; both are kept with the run.
      </p>
      <div class="row">
        <Button look="primary" disabled={isBusy} onClick={() => say("approve")}>
          Approve
        </Button>
        <Button look="danger" disabled={isBusy} onClick={reject}>
          Reject
        </Button>
      </div>
    </div>
  );
}

/** Why this person may not answer; the hub decides, this only spares a refusal. */
function refusalOf(approval: ApprovalView, me: Me | undefined): string | undefined {
  const { roles, people, escalated } = approval;
  const { person = "", role = "viewer" } = me ?? {};
  if (!roles.some((needed) => mayAct(role, needed)))
    return `Needs the role ${roles.join(" or ")}; you are ${role}.`;
  const [, escalatedTo] = roles;
  const isPassedOn = escalated && escalatedTo !== undefined && mayAct(role, escalatedTo);
  if (people.length === 0 || people.includes(person) || isPassedOn) return undefined;
  return `This is for ${people.join(", ")}.`;
}

const HEAD = ["Question", "State", "Asked by", "Answers", "Asked"];

function Answers({ approvals }: { readonly approvals: readonly ApprovalView[] }) {
  if (approvals.length === 0) return <Empty>No run has asked a person yet.</Empty>;
  return (
    <Table caption="All approvals" head={HEAD}>
      {approvals.map(({ id, question, state, place, run, workflow, votes, createdAt }) => (
        <tr key={id}>
          <td class="clip">{question}</td>
          <td>
            <StateBadge state={state} />
          </td>
          <td>
            {place} of <a href={formatPlace("runs", run)}>{workflow ?? run}</a>
          </td>
          <td class="clip">
            {votes.length === 0
              ? "none"
              : votes
                  .map((vote) => `${vote.by}: ${vote.approve ? "yes" : "no"}, ${vote.reason}`)
                  .join("; ")}
          </td>
          <td>{dateTime(createdAt)}</td>
        </tr>
      ))}
    </Table>
  );
}
