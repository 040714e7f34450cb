// Schedules as people write them, made into what the ledger keeps.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { ScheduleAdd } from "@gantry/shared/contract/schemas/schedules.ts";
import type {
  SchedulePolicy,
  ScheduleTarget,
  ScheduleWhen,
} from "@gantry/shared/contract/schedules.ts";
import type { DeskRequest } from "../ports.ts";
import { actorOf, type DeskParts, type ScheduleHands } from "./context.ts";
import { commandFact } from "./making.ts";
import { isoTime } from "./views.ts";

/** Throws bad_schedule. */
export function whenOf(
  { calendar }: ScheduleHands,
  when: ScheduleAdd["when"],
  nowMs: number,
): ScheduleWhen {
  switch (when.kind) {
    case "once":
      return { kind: "once", atMs: Date.parse(when.at) };
    case "every": {
      const everyMs = Math.round(when.everyS * 1_000);
      const anchorMs = when.from === undefined ? nowMs + everyMs : Date.parse(when.from);
      return { kind: "every", everyMs, anchorMs };
    }
    case "cron": {
      const pattern = when.pattern.trim().replaceAll(/\s+/g, " ");
      calendar.checkPattern(pattern);
      calendar.checkZone(when.zone);
      return { kind: "cron", pattern, zone: when.zone };
    }
  }
}

/** Checks now what the person may not start anyway. */
export function targetOf(
  parts: DeskParts,
  request: DeskRequest,
  target: ScheduleAdd["target"],
): ScheduleTarget {
  if (target.type === "event") return { type: "event", name: target.name, data: target.data };
  if (target.type === "question") {
    const { text, conversation } = target;
    return { type: "question", text, ...(conversation === undefined ? {} : { conversation }) };
  }
  if (!mayAct(actorOf(request).role, "maker")) {
    throw new GantryError("forbidden", `A ${target.type} needs the role maker`);
  }
  if (target.type === "run") {
    const { workflow, inputs } = target;
    checkWorkflow(parts, workflow);
    const { budget } = target;
    const bounds = Object.entries(budget ?? {}).filter(([, bound]) => bound !== undefined);
    const own = bounds.length === 0 ? {} : { budget: Object.fromEntries(bounds) };
    return { type: "run", workflow, inputs, ...own };
  }
  const { job } = target;
  const base = { class: job.class, attemptsMax: 3, timeoutMs: TIMEOUT.commandMs };
  if (job.kind === "embed") {
    const work = {
      kind: "embed",
      effect: "pure",
      needs: "embed",
      input: { input: job.input },
    } as const;
    return { type: "job", work: { ...base, ...work, hazard: "none", summary: "an embedding" } };
  }
  const { name, effect, hazard, summary } = commandFact(parts, request, job.command);
  const work = {
    ...base,
    kind: "command" as const,
    effect,
    needs: `command:${name}`,
    input: { command: name, args: job.args },
    hazard,
    summary: `Run ${name}: ${summary}`,
  };
  return { type: "job", work };
}

/** Which version it is, each start finds out: a tag may name another one by then. */
function checkWorkflow({ hub }: DeskParts, workflow: string): void {
  const [name = ""] = workflow.split("@");
  const isKnown = workflow.startsWith("sha256:")
    ? hub.rows.get("definition", workflow.slice("sha256:".length)) !== undefined
    : hub.rows.get("workflow", name) !== undefined;
  if (!isKnown) throw new GantryError("not_found", `There is no workflow ${workflow}`);
}

export type PolicyFields = Omit<ScheduleAdd, "name" | "when" | "target">;

export function policyOf(fields: PolicyFields): SchedulePolicy {
  const { catchUp, catchUpMax, overlap, jitterS, lateS } = fields;
  const { endsAt, runsPerDayMax, costPerDayMaxUsd } = fields;
  return {
    catchUp,
    catchUpMax,
    overlap,
    jitterMs: Math.round(jitterS * 1_000),
    lateMs: Math.round(lateS * 1_000),
    ...(endsAt === null ? {} : { endsAtMs: Date.parse(endsAt) }),
    ...(runsPerDayMax === null ? {} : { runsPerDayMax }),
    ...(fields.workload === "scheduled" ? {} : { workload: fields.workload }),
    ...(costPerDayMaxUsd === null
      ? {}
      : { costPerDayMaxMicroUsd: Math.round(costPerDayMaxUsd * 1_000_000) }),
  };
}

export function fieldsOf(policy: SchedulePolicy): PolicyFields {
  const { catchUp, catchUpMax, overlap, endsAtMs, costPerDayMaxMicroUsd } = policy;
  return {
    catchUp,
    catchUpMax,
    overlap,
    jitterS: policy.jitterMs / 1_000,
    lateS: policy.lateMs / 1_000,
    endsAt: endsAtMs === undefined ? null : isoTime(endsAtMs),
    runsPerDayMax: policy.runsPerDayMax ?? null,
    workload: policy.workload ?? "scheduled",
    costPerDayMaxUsd:
      costPerDayMaxMicroUsd === undefined ? null : costPerDayMaxMicroUsd / 1_000_000,
  };
}
