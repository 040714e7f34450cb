// gantry schedule: what runs by the clock.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import { CATCH_UPS, OVERLAPS } from "@gantry/shared/contract/schedules.ts";
import type { ScheduleView } from "@gantry/shared/contract/schemas/schedules.ts";
import type { BodyOf } from "@gantry/shared/contract/schemas/table.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";
import { argsOf, valueOf } from "./jobs.ts";

type Wanted = BodyOf<"scheduleMade">;

export const schedule: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const id = (): string => wordAt(context, 1, "The schedule's id");
  const [verb = "list"] = context.words;
  const one = (view: ScheduleView): void => show(context, view, (look) => facts(look, view));
  switch (verb) {
    case "list":
      return await list(context, client);
    case "add":
      return one(await client.scheduleMade({ body: wanted(context), signal }));
    case "show":
      return one(await client.schedule({ id: id(), signal }));
    case "pause":
      return one(await client.schedulePaused({ id: id(), signal }));
    case "resume":
      return one(await client.scheduleResumed({ id: id(), signal }));
    case "run": {
      const reply = await client.scheduleRun({ id: id(), signal });
      const what = reply.started === undefined ? "" : `: ${reply.started.type} ${reply.started.id}`;
      return show(context, reply, () => cleanLine(`${reply.outcome}${what}`));
    }
    case "rm": {
      const reply = await client.scheduleDeleted({ id: id(), signal });
      return show(context, reply, () => `${cleanLine(id())} is deleted`);
    }
    case "next":
      return await next(context, client, id());
    case "history":
      return await history(context, client, id());
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not one of its verbs`);
  }
};

const limitOf = (context: Context, max: number, name = "limit"): number | undefined =>
  intOption(context.options, name, { min: 1, max });

async function list(context: Context, client: Client): Promise<void> {
  const query = { limit: limitOf(context, 500) };
  const page = await client.schedules({ query, signal: context.world.signal });
  show(context, page, (look) => {
    const table = renderTable(
      look,
      [
        { title: "ID", value: (row) => row.id },
        { title: "NAME", value: (row) => row.name },
        { title: "STATE", value: (row) => row.state },
        { title: "WHEN", value: whenText },
        { title: "STARTS", value: targetText },
        { title: "NEXT", value: (row) => (row.nextAt === undefined ? "" : formatTime(row.nextAt)) },
        { title: "RUNS", value: (row) => String(row.counts.started), align: "right" },
        { title: "MISSED", value: (row) => String(row.counts.missed), align: "right" },
      ],
      page.schedules,
      "Nothing runs by the clock.",
    );
    return page.enabled ? table : `${table}\nAll schedules are switched off.`;
  });
}

async function next(context: Context, client: Client, id: string): Promise<void> {
  const query = { count: limitOf(context, 100, "count") };
  const reply = await client.scheduleNext({ id, query, signal: context.world.signal });
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: reply.zone.toUpperCase(), value: (row) => row.local },
        { title: "HERE", value: (row) => formatTime(row.at) },
        { title: "UTC", value: (row) => row.at },
      ],
      reply.next,
      "It has no time to come.",
    ),
  );
}

async function history(context: Context, client: Client, id: string): Promise<void> {
  const query = { limit: limitOf(context, 500) };
  const page = await client.scheduleHistory({ id, query, signal: context.world.signal });
  show(context, page, (look) =>
    renderTable(
      look,
      [
        { title: "PLANNED", value: (row) => formatTime(row.plannedAt) },
        { title: "LATE MS", value: (row) => String(row.lateMs), align: "right" },
        { title: "WHY", value: (row) => row.why },
        { title: "OUTCOME", value: (row) => row.outcome },
        { title: "STARTED", value: (row) => row.started?.id ?? "" },
        { title: "BECAME", value: (row) => row.started?.state ?? row.error?.message ?? "" },
      ],
      page.firings,
      "It was never fired.",
    ),
  );
}

function wanted(context: Context): Wanted {
  const { options } = context;
  const among = <T extends string>(name: string, words: readonly T[]): T | undefined => {
    const text = textOption(options, name);
    const word = words.find((each) => each === text);
    if (text === undefined || word !== undefined) return word;
    throw badUsage(context.name, context.spec, `--${name} takes ${words.join(", ")}`);
  };
  const catchUp = among("catch-up", CATCH_UPS);
  const overlap = among("overlap", OVERLAPS);
  const jitterS = intOption(options, "jitter", { min: 0, max: 86_400 });
  const runsPerDayMax = intOption(options, "runs-per-day", { min: 1, max: 100_000 });
  const costPerDayMaxUsd = numberOption(context, "cost-per-day");
  const workload = among("workload", ["scheduled", "exploration"] as const);
  const endsAt = textOption(options, "until");
  return {
    name: wordAt(context, 1, "The name"),
    when: whenOf(context),
    target: targetOf(context),
    ...(catchUp === undefined ? {} : { catchUp }),
    ...(overlap === undefined ? {} : { overlap }),
    ...(jitterS === undefined ? {} : { jitterS }),
    ...(runsPerDayMax === undefined ? {} : { runsPerDayMax }),
    ...(costPerDayMaxUsd === undefined ? {} : { costPerDayMaxUsd }),
    ...(workload === undefined ? {} : { workload }),
    ...(endsAt === undefined ? {} : { endsAt }),
  };
}

function numberOption(context: Context, name: string): number | undefined {
  const text = textOption(context.options, name);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  throw badUsage(context.name, context.spec, `--${name} takes an amount above 0`);
}

/** The one of these options that is given. */
function oneOption<T extends string>(
  { name, spec, options }: Context,
  names: readonly T[],
): readonly [name: T, text: string] {
  const given = names.flatMap((each) => {
    const text = textOption(options, each);
    return text === undefined ? [] : [[each, text] as const];
  });
  const [first] = given;
  if (first !== undefined && given.length === 1) return first;
  throw badUsage(name, spec, `give one of ${names.map((each) => `--${each}`).join(", ")}`);
}

function whenOf(context: Context): Wanted["when"] {
  const [kind, text] = oneOption(context, ["cron", "every", "at"]);
  switch (kind) {
    case "cron": {
      const zone = textOption(context.options, "zone") ?? localZone();
      return { kind: "cron", pattern: text, zone };
    }
    case "every":
      return {
        kind: "every",
        everyS: intOption(context.options, "every", { min: 1, max: 31_622_400 }) ?? 1,
      };
    case "at":
      return { kind: "once", at: text };
  }
}

/** Where the person is: `0 4 * * *` means 4 o'clock there. */
const localZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

function targetOf(context: Context): Wanted["target"] {
  const [kind, text] = oneOption(context, ["ask", "exec", "workflow", "event"]);
  switch (kind) {
    case "ask":
      return { type: "question", text };
    case "exec": {
      const args = argsOf(context);
      return { type: "job", job: { kind: "command", command: text, args } };
    }
    case "workflow": {
      const inputs = textOption(context.options, "inputs");
      return {
        type: "run",
        workflow: text,
        ...(inputs === undefined ? {} : { inputs: inputsOf(inputs) }),
      };
    }
    case "event": {
      const data = textOption(context.options, "data");
      return { type: "event", name: text, ...(data === undefined ? {} : { data: valueOf(data) }) };
    }
  }
}

function inputsOf(text: string): Record<string, unknown> {
  const value = valueOf(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new GantryError("bad_request", "--inputs takes a JSON object");
}

function whenText({ when }: ScheduleView): string {
  if (when.kind === "cron") return `${String(when["pattern"])} ${String(when["zone"])}`;
  return when.kind === "every" ? `every ${String(when["everyS"])} s` : String(when["at"]);
}

function targetText({ target }: ScheduleView): string {
  const what = [target["text"], target["name"], target["workflow"], needsOf(target["job"])];
  return `${target.type}: ${what.find((each) => typeof each === "string") ?? ""}`;
}

function needsOf(job: unknown): string {
  return typeof job === "object" && job !== null && "needs" in job ? String(job.needs) : "";
}

function facts(look: Look, view: ScheduleView): string {
  const { counts } = view;
  return renderFacts(look, [
    ["schedule", view.id],
    ["name", view.name],
    ["state", view.state],
    ["when", whenText(view)],
    ["starts", targetText(view)],
    ["next", view.nextAt === undefined ? undefined : formatTime(view.nextAt)],
    ["there", view.nextLocal],
    ["last", view.lastAt === undefined ? undefined : formatTime(view.lastAt)],
    ["became", view.last?.state],
    ["if missed", view.catchUp],
    ["if still on", view.overlap],
    ["by", view.by],
    [
      "runs",
      `${counts.started}, skipped ${counts.skipped}, refused ${counts.refused}, missed ${counts.missed}`,
    ],
  ]);
}
