// What runs by the clock: all of them, and one with its next times and what became of its last runs.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type {
  FiringView,
  ScheduleView,
  SCHEDULE_SCHEMAS,
} from "@gantry/shared/contract/schemas/schedules.ts";
import { useState } from "preact/hooks";
import type { infer as Infer } from "zod";
import { dateTime, duration } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { useAct } from "../live/act.ts";
import { call, post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { AskFirst } from "../ui/dialog.tsx";
import { Pager, paged } from "../ui/pager.tsx";
import { Badge, Button, Card, Empty, Facts, PageHead, StateBadge, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

type Page = Infer<typeof SCHEDULE_SCHEMAS.schedules.reply>;
type Next = Infer<typeof SCHEDULE_SCHEMAS.scheduleNext.reply>;
type History = Infer<typeof SCHEDULE_SCHEMAS.scheduleHistory.reply>;

const HEAD = ["Schedule", "State", "When", "Starts", "Next", "Runs", "Missed", ""];

export function SchedulesPage({ after }: { readonly after: string | undefined }) {
  const page = useResource<Page>(paged("/api/schedules", after));
  return (
    <div class="page">
      <PageHead title="Schedules" />
      <Waiting of={page}>
        {({ schedules, enabled, next }) => (
          <>
            {!enabled && (
              <p role="status">
                <Badge tone="warn">switched off</Badge> The flag <code>schedules.enabled</code> is
                false: nothing starts by itself.
              </p>
            )}
            {schedules.length === 0 ? (
              <Empty command={`npx gantry schedule add morning --cron "0 7 * * 1-5" --ask status`}>
                Nothing runs by the clock. Add something:
              </Empty>
            ) : (
              <Table caption="Schedules" head={HEAD} numbers={[5, 6]}>
                {schedules.map((row) => (
                  <Line key={row.id} row={row} />
                ))}
              </Table>
            )}
            <Pager page="schedules" query={{}} after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}

function Line({ row }: { readonly row: ScheduleView }) {
  return (
    <tr>
      <td>
        <a href={formatPlace("schedules", row.id)}>{row.name}</a>
        <br />
        <span class="faint">{row.by}</span>
      </td>
      <td>
        <StateBadge state={row.state} />
      </td>
      <td>{whenWords(row)}</td>
      <td>{targetWords(row)}</td>
      <td>{row.nextAt === undefined ? "" : dateTime(row.nextAt)}</td>
      <td class="number">{row.counts.started}</td>
      <td class="number">{row.counts.missed}</td>
      <td>
        <Acts row={row} />
      </td>
    </tr>
  );
}

function whenWords({ when }: ScheduleView): string {
  if (when.kind === "cron") return `${String(when["pattern"])} · ${String(when["zone"])}`;
  if (when.kind === "every") return `every ${duration(Number(when["everyS"]))}`;
  return `once, ${dateTime(String(when["at"]))}`;
}

function targetWords({ target }: ScheduleView): string {
  const { job } = target;
  const needs = typeof job === "object" && job !== null && "needs" in job ? job.needs : undefined;
  const words = [target["text"], target["workflow"], target["name"], needs];
  return `${target.type}: ${words.find((each) => typeof each === "string") ?? ""}`;
}

/** Of one's own schedules, or any for an admin; the hub decides. */
function Acts({ row }: { readonly row: ScheduleView }) {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const person = useConsole(({ session }) => (session.kind === "in" ? session.me.person : ""));
  const [isAsking, setAsking] = useState(false);
  const { isBusy, run } = useAct();
  const isMine = row.by === person && mayAct(role, "operator");
  if (!isMine && !mayAct(role, "admin")) return null;
  const path = `/api/schedules/${encodeURIComponent(row.id)}`;
  const press = (verb: string, done: string) => () => run(() => post(`${path}/${verb}`), done);
  return (
    <div class="row">
      <Button
        disabled={isBusy}
        aria-label={`Run now: ${row.name}`}
        onClick={press("run", `${row.name} was started`)}
      >
        Run now
      </Button>
      {row.state === "active" && (
        <Button
          disabled={isBusy}
          aria-label={`Pause: ${row.name}`}
          onClick={press("pause", `${row.name} is paused`)}
        >
          Pause
        </Button>
      )}
      {row.state === "paused" && (
        <Button
          disabled={isBusy}
          aria-label={`Resume: ${row.name}`}
          onClick={press("resume", `${row.name} goes on`)}
        >
          Resume
        </Button>
      )}
      <Button
        look="quiet"
        disabled={isBusy}
        aria-label={`Delete: ${row.name}`}
        onClick={() => setAsking(true)}
      >
        Delete
      </Button>
      {isAsking && (
        <AskFirst
          title={`Delete ${row.name}?`}
          text="It will not run again, and its history goes with it. What it has started goes on."
          verb="Delete it"
          onClose={() => setAsking(false)}
          onYes={() => run(() => call(path, { method: "DELETE" }), `${row.name} is deleted`)}
        />
      )}
    </div>
  );
}

export function SchedulePage({ id }: { readonly id: string }) {
  const path = `/api/schedules/${encodeURIComponent(id)}`;
  const schedule = useResource<ScheduleView>(path);
  const next = useResource<Next>(`${path}/next?count=10`);
  const history = useResource<History>(`${path}/history`);
  return (
    <div class="page">
      <PageHead title="Schedule" />
      <Waiting of={schedule}>{(row) => <About row={row} />}</Waiting>
      <Card title="Next times">
        <Waiting of={next}>{(times) => <NextTimes of={times} />}</Waiting>
      </Card>
      <Card title="History">
        <Waiting of={history}>
          {({ firings }) =>
            firings.length === 0 ? <Empty>It was never fired.</Empty> : <Firings of={firings} />
          }
        </Waiting>
      </Card>
    </div>
  );
}

function About({ row }: { readonly row: ScheduleView }) {
  const { counts } = row;
  return (
    <Card title={row.name} aside={<StateBadge state={row.state} />}>
      <Facts
        rows={[
          ["When", whenWords(row)],
          ["Starts", targetWords(row)],
          ["If missed", CATCH_UP_WORDS[row.catchUp] ?? row.catchUp],
          ["If the run before is still on", OVERLAP_WORDS[row.overlap] ?? row.overlap],
          ["Runs a day, at most", row.runsPerDayMax],
          ["Not after", row.endsAt === undefined ? undefined : dateTime(row.endsAt)],
          [
            "So far",
            `${counts.started} started, ${counts.skipped} skipped, ${counts.refused} refused, ${counts.missed} missed`,
          ],
          ["By", row.by],
        ]}
      />
      <Acts row={row} />
    </Card>
  );
}

const CATCH_UP_WORDS: Readonly<Record<string, string>> = {
  skip: "nothing is made up for",
  once: "one run for all that were missed",
  all: "each missed run",
};
const OVERLAP_WORDS: Readonly<Record<string, string>> = {
  allow: "both run",
  skip: "the new one is left out",
  "queue-one": "one waits for its end",
  "cancel-previous": "it is cancelled",
};

function NextTimes({ of: { zone, next } }: { readonly of: Next }) {
  if (next.length === 0) return <Empty>It has no time to come.</Empty>;
  return (
    <Table caption="Next times" head={[zone, "Here", "UTC"]}>
      {next.map(({ at, local }) => (
        <tr key={at}>
          <td>{local.replace("T", " ")}</td>
          <td>{dateTime(at)}</td>
          <td class="faint">{at}</td>
        </tr>
      ))}
    </Table>
  );
}

function Firings({ of: firings }: { readonly of: readonly FiringView[] }) {
  return (
    <Table
      caption="History"
      head={["Planned", "Late", "Why", "Outcome", "What it became"]}
      numbers={[1]}
    >
      {firings.map((firing) => (
        <tr key={firing.id}>
          <td>{dateTime(firing.plannedAt)}</td>
          <td class="number">{firing.lateMs < 1_000 ? "" : duration(firing.lateMs / 1_000)}</td>
          <td>{firing.why}</td>
          <td>{firing.outcome}</td>
          <td>
            {firing.started === undefined ? (
              <span class="faint">{firing.error?.message ?? ""}</span>
            ) : (
              <>
                {firing.started.type} <code class="faint">{firing.started.id}</code>{" "}
                <StateBadge state={firing.started.state} />
              </>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}
