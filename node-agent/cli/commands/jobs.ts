// gantry jobs, exec: queued work.

import { ERRORS, isErrorCode } from "@gantry/shared/base/errors.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import { badUsage, intOption } from "../args.ts";
import { settleConfirmation } from "../confirming.ts";
import { type Command, type Context, outLook, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderConfirmation } from "../render/box.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { clean, cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";

export const jobs: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [first] = context.words;
  const id = (): string => wordAt(context, 1, "The job's id");
  switch (first) {
    case undefined:
    case "dead": {
      const query = { limit: intOption(context.options, "limit", { min: 1, max: 500 }) };
      const route = first === "dead" ? client.deadJobs : client.jobs;
      const page = await route({ query, signal });
      return show(context, page, (look) => table(look, page.jobs));
    }
    case "requeue":
      return showJob(context, await client.jobRequeued({ id: id(), signal }));
    case "cancel":
      return showJob(context, await client.jobCancelled({ id: id(), signal }));
    case "drop": {
      const reply = await client.jobDropped({ id: id(), signal });
      return show(context, reply, () => `${cleanLine(id())} is dropped`);
    }
    default:
      return showJob(context, await client.job({ id: first, signal }));
  }
};

/** Exit code by the outcome: 0 when the command was done. */
export const exec: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const body = { command: wordAt(context, 0, "The command"), args: argsOf(context) };
  let job = await client.exec({ body, signal });
  const { confirmation } = job;
  if (job.state === "awaiting" && confirmation !== undefined) {
    if (!context.isJson) {
      context.world.stdout.write(`${renderConfirmation(outLook(context), confirmation)}\n`);
    }
    const isConfirmed = await settleConfirmation(context, client, confirmation);
    if (!isConfirmed) {
      if (context.isJson) showJob(context, job);
      return 0;
    }
    job = await untilOver(context, job.id);
  }
  showJob(context, job);
  return exitOf(job);
};

const OVER = new Set(["done", "failed", "cancelled", "unknown"]);
const LOOK_EVERY_MS = 300;

async function untilOver(context: Context, id: string): Promise<JobView> {
  const client = openClient(context);
  const { clock, signal } = context.world;
  for (;;) {
    const job = await client.job({ id, signal });
    if (OVER.has(job.state)) return job;
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

function exitOf({ state, error }: JobView): number {
  if (state === "done") return 0;
  return isErrorCode(error?.code) ? ERRORS[error.code].exit : ERRORS.command_failed.exit;
}

/** `--arg size=3 --arg name=box`: values are JSON where they are JSON, else text. */
export function argsOf(context: Context): Record<string, unknown> {
  const given = context.options["arg"];
  const pairs = Array.isArray(given) ? given.map(String) : [];
  return Object.fromEntries(
    pairs.map((pair) => {
      const cut = pair.indexOf("=");
      if (cut < 1) throw badUsage(context.name, context.spec, `--arg ${pair} is not NAME=VALUE`);
      return [pair.slice(0, cut), valueOf(pair.slice(cut + 1))];
    }),
  );
}

export function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const showJob = (context: Context, job: JobView): void =>
  show(context, job, (look) => facts(look, job));

function facts(look: Look, job: JobView): string {
  const lines = renderFacts(look, [
    ["job", job.id],
    ["needs", job.needs],
    ["state", job.dead ? `${job.state} (dead)` : job.state],
    ["machine", job.node],
    ["by", job.by],
    ["tries", String(job.attempts)],
    ["made", formatTime(job.createdAt)],
    ["error", job.error === undefined ? undefined : `${job.error.message} (${job.error.code})`],
  ]);
  if (job.result === undefined || job.result === null) return lines;
  const result = typeof job.result === "string" ? job.result : JSON.stringify(job.result, null, 2);
  return `${lines}\n${clean(result)}`;
}

const table = (look: Look, rows: readonly JobView[]): string =>
  renderTable(
    look,
    [
      { title: "ID", value: (row) => row.id },
      { title: "STATE", value: (row) => (row.dead ? "dead" : row.state) },
      { title: "CLASS", value: (row) => row.class },
      { title: "TRIES", value: (row) => String(row.attempts), align: "right" },
      { title: "MADE", value: (row) => formatTime(row.createdAt) },
      { title: "BY", value: (row) => row.by },
      { title: "NEEDS", value: (row) => row.needs },
      { title: "ERROR", value: (row) => row.error?.message ?? "" },
    ],
    rows,
    "There is no such work.",
  );
