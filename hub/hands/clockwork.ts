// Starts what schedules owe, while this hub leads. Everything is read off the rows: after a restart or an
// election the same reading finds the same instants (hub/schedules/plan.ts), and the fold fires each once.
//
// CW1. It sleeps until the nearest instant; changes of the rows wake it. Only a jump of the wall clock
//      tells nobody: it looks again after LOOK_MS at the latest.
// CW2. What is due is judged by the time that is written into commands (registry/replicated-time.ts).
// CW3. A schedule whose step was refused, or could not be written, waits, longer each time: none is in
//      the way of the others.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { type ErrorRecord, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { CommandBody, Reply } from "@gantry/shared/contract/commands.ts";
import { HAZARD_POLICY } from "@gantry/shared/contract/roles.ts";
import type { CommandFact } from "@gantry/shared/contract/rows.ts";
import type {
  FiringRow,
  ScheduleRow,
  ScheduleStart,
  WorkTemplate,
} from "@gantry/shared/contract/schedules.ts";
import { act, type By, byHub, type Hub, newId, propose } from "../hub.ts";
import { isSwitchedOff, SWITCH } from "../ledger/domains/schedule-budget.ts";
import { isOpen } from "../ledger/domains/schedule-targets.ts";
import type { FeedItem } from "../ports.ts";
import type { Calendar } from "../schedules/calendar.ts";
import { type DueHeap, makeDueHeap } from "../schedules/due-heap.ts";
import { dueAtMs, nextStep, type Step } from "../schedules/plan.ts";

const LOOK_MS = 30_000;
/** CW3. */
const AGAIN = { firstMs: 1_000, factor: 2, maxMs: 15_000, jitter: 0.2 } as const;
const AT_ONCE = 64;
/** Of one schedule in one turn; then the others have theirs. */
const STEPS_MAX = 16;

export interface Clockwork {
  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** A person starts it now. Throws what the fold refuses with. */
  runNow(row: ScheduleRow, by: By, signal: AbortSignal): Promise<Fired>;
}

/** What `scheduleFired` answers. */
export type Fired = { readonly firing: string } & Pick<
  FiringRow,
  "outcome" | "started" | "cancelled"
>;

export interface ClockworkParts {
  readonly hub: Hub;
  readonly calendar: Calendar;
  /** The question is on record: somebody must answer it. */
  readonly answer: (question: string) => void;
  /** The job was cancelled: its node must hear of it. */
  readonly cancelled: (job: string) => void;
}

export function makeClockwork(parts: ClockworkParts): Clockwork {
  const { hub, calendar } = parts;
  const { rows, clock } = hub;
  const failures = new Map<string, number>(); // in a row, by schedule

  /** What the row says is to be done now, as a command. */
  function owed(row: ScheduleRow): CommandBody | undefined {
    if (row.queuedMs !== undefined && (row.last === undefined || !isOpen(rows, row.last))) {
      return fireBody(row, { plannedMs: row.queuedMs, why: "queued" });
    }
    const step = nextStep(row, hub.stampMs(), calendar); // CW2
    return step === undefined ? undefined : stepBody(row, step);
  }

  function stepBody(row: ScheduleRow, step: Step): CommandBody {
    const next = step.nextMs === undefined ? {} : { nextMs: step.nextMs };
    if (step.kind === "fire") {
      const { plannedMs, why } = step;
      return { ...fireBody(row, { plannedMs, why }), ...next };
    }
    const { fromMs, toMs, count } = step;
    return { type: "schedulePassed", schedule: row.id, fromMs, toMs, count, ...next };
  }

  const fireBody = (
    row: ScheduleRow,
    facts: Pick<FiringRow, "plannedMs" | "why">,
  ): Extract<CommandBody, { type: "scheduleFired" }> => ({
    type: "scheduleFired",
    schedule: row.id,
    start: startOf(hub, row),
    ...facts,
  });

  /** What a firing has set in motion beyond the ledger. */
  function follow({ started, cancelled }: Pick<Fired, "started" | "cancelled">): void {
    if (started?.type === "question") parts.answer(started.id);
    if (cancelled?.type === "job") parts.cancelled(cancelled.id);
  }

  function done(body: CommandBody, reply: Reply): void {
    if (body.type !== "scheduleFired" || !reply.ok) return;
    follow(reply.value as Fired); // domains/schedules.ts
  }

  /** All that this schedule owes now; true if it is to be looked at again only after a pause (CW3). */
  async function serve(id: string, signal: AbortSignal): Promise<boolean> {
    for (let steps = 0; steps < STEPS_MAX; steps += 1) {
      const row = rows.hot("schedule").get(id);
      const body = row === undefined ? undefined : owed(row);
      if (body === undefined) return false;
      const reply = await propose(hub, body, byHub(hub), signal);
      done(body, reply);
      if (!reply.ok) return isOdd(id, reply.error);
    }
    return false;
  }

  function isOdd(schedule: string, error: ErrorRecord): boolean {
    hub.log.warn({ schedule, error }, "a schedule's step was refused");
    return true;
  }

  /** CW3. */
  function pauseOf(id: string): number {
    const count = (failures.get(id) ?? 0) + 1;
    failures.set(id, count);
    return backoffMs(AGAIN, count, hub.random);
  }

  /** Everything that is due, AT_ONCE at a time; false if there was nothing. */
  async function turn(heap: DueHeap, signal: AbortSignal): Promise<boolean> {
    if (isSwitchedOff(rows)) return false;
    const due = heap.takeDue(hub.stampMs(), AT_ONCE);
    await Promise.all(
      due.map(async (id) => {
        let mustWait = true;
        try {
          mustWait = await serve(id, signal);
        } catch (error) {
          if (signal.aborted) return;
          hub.log.warn({ schedule: id, error: toErrorRecord(error) }, "a schedule waits");
        }
        const atMs = placeOf(id);
        const laterMs = mustWait && atMs !== undefined ? hub.stampMs() + pauseOf(id) : 0;
        if (laterMs === 0) failures.delete(id);
        heap.set(id, atMs === undefined ? undefined : Math.max(atMs, laterMs));
      }),
    );
    return due.length > 0;
  }

  /** When the schedule owes something next; what is queued waits for an event, and is at the latest looked at with the next instant. */
  function placeOf(id: string): number | undefined {
    const row = rows.hot("schedule").get(id);
    if (row === undefined) return undefined;
    const canStart =
      row.queuedMs !== undefined && (row.last === undefined || !isOpen(rows, row.last));
    return canStart ? 0 : dueAtMs(row);
  }

  return {
    async run(signal) {
      const heap = makeDueHeap();
      let wakeUp = new AbortController();
      /** Schedules with an instant that waits for the end of a run. */
      const queued = new Set<string>();
      const note = (id: string): void => {
        heap.set(id, placeOf(id));
        if (rows.hot("schedule").get(id)?.queuedMs === undefined) queued.delete(id);
        else queued.add(id);
      };
      const noteAll = (): void => {
        for (const id of rows.hot("schedule").keys()) note(id);
      };
      const heard = (item: FeedItem): boolean => {
        if (item.kind === "lapse") noteAll();
        if (item.kind !== "ledger") return item.kind === "lapse";
        let isNews = false;
        for (const { type, subject } of item.events) {
          if (type === "schedule.changed") note(subject);
          else if (queued.size > 0 && ENDS.has(type)) [...queued].forEach(note);
          else if (type !== "flag.changed" || subject !== SWITCH) continue;
          isNews = true;
        }
        return isNews;
      };
      noteAll();
      hub.feed.watch((items) => {
        // `some` would leave the rest unheard.
        if (items.map(heard).includes(true)) wakeUp.abort();
      }, signal);
      while (!signal.aborted) {
        if (await turn(heap, signal)) continue;
        const firstMs = isSwitchedOff(rows) ? Infinity : (heap.firstMs() ?? Infinity);
        const restMs = Math.min(LOOK_MS, Math.max(1, firstMs - hub.stampMs())); // CW1
        await clock.sleep(restMs, AbortSignal.any([signal, wakeUp.signal])).catch(() => {}); // woken
        if (wakeUp.signal.aborted) wakeUp = new AbortController();
      }
    },
    async runNow(row, by, signal) {
      const facts = { plannedMs: hub.stampMs(), why: "person" as const };
      const fired = (await act(hub, fireBody(row, facts), by, signal)) as Fired; // domains/schedules.ts
      follow(fired);
      return fired;
    },
  };
}

const ENDS: ReadonlySet<string> = new Set([
  "job.changed",
  "question.answered",
  "question.failed",
  "run.changed",
]);

/** Ids for what is to be started, and the hazard of its command as it is now. */
function startOf(hub: Hub, { target }: ScheduleRow): ScheduleStart {
  switch (target.type) {
    case "event":
      return { type: "event" };
    case "run":
      return { type: "run", run: newId(hub, "run") };
    case "question": {
      const conversation = target.conversation ?? newId(hub, "cnv");
      return { type: "question", conversation, message: newId(hub, "msg") };
    }
    case "job": {
      const { hazard: before, summary, ...work } = target.work;
      const fact = factNow(hub, target.work);
      const hazard = fact?.hazard ?? before;
      const job = newId(hub, "job");
      const draft = { ...work, job, effect: fact?.effect ?? work.effect };
      if (!HAZARD_POLICY[hazard].confirms) return { type: "job", draft };
      const confirmation = {
        id: newId(hub, "cfm"),
        phrase: `confirm run ${work.needs.slice("command:".length)}`,
        summary: `Scheduled: ${summary}`,
        hazardClass: hazard,
        hazards: [`the command's hazard class is ${hazard}`],
        expiresAtMs: hub.stampMs() + LIFE.confirmationMs,
      };
      return { type: "job", draft: { ...draft, confirmation } };
    }
  }
}

/** The command as a machine lists it that is alive; it may have become more dangerous. */
function factNow({ rows }: Hub, { needs }: WorkTemplate): CommandFact | undefined {
  for (const node of rows.hot("node").values()) {
    if (node.state !== "alive") continue;
    const fact = node.capabilities.commands.find(({ name }) => `command:${name}` === needs);
    if (fact !== undefined) return fact;
  }
  return undefined;
}
