// gantry goals: what is to become better.

import { GOAL_STATES } from "@gantry/shared/contract/goals.ts";
import type { GoalView } from "@gantry/shared/contract/schemas/goals.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";

export const goals: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const id = (): string => wordAt(context, 1, "The goal's id");
  const reason = (): string => textOption(context.options, "reason") ?? "";
  const says = (reply: { goal: string; state: string }): void =>
    show(context, reply, () => `${reply.goal} is ${reply.state}`);
  const [verb = "list"] = context.words;
  switch (verb) {
    case "list":
      return await list(context);
    case "show": {
      const view = await client.goal({ id: id(), signal });
      return show(context, view, (look) => describe(look, view));
    }
    case "propose": {
      const description = textOption(context.options, "description");
      const impact = intOption(context.options, "impact", { min: 0, max: 100 });
      const title = wordAt(context, 1, "The title");
      const view = await client.goalProposed({
        body: {
          title,
          ...(description === undefined ? {} : { description }),
          ...(impact === undefined ? {} : { impact }),
        },
        signal,
      });
      return show(context, view, (look) => describe(look, view));
    }
    case "approve":
      return says(await client.goalApproved({ id: id(), body: { reason: reason() }, signal }));
    case "reject": {
      if (reason() === "") throw badUsage(context.name, context.spec, "--reason TEXT is missing");
      return says(await client.goalRejected({ id: id(), body: { reason: reason() }, signal }));
    }
    case "done": {
      const number = wordAt(context, 2, "The task's number");
      return says(await client.goalTaskDone({ id: id(), number, signal }));
    }
    case "jobs": {
      const reply = await client.standing({ signal });
      return show(context, reply, (look) =>
        renderTable(
          look,
          [
            { title: "JOB", value: (row) => row.name },
            { title: "AT (UTC)", value: (row) => (row.weekday === 1 ? `Mon ${row.at}` : row.at) },
            { title: "LAST FOR", value: (row) => row.lastDay ?? "" },
            {
              title: "RAN",
              value: (row) => (row.lastAt === undefined ? "" : formatTime(row.lastAt)),
            },
          ],
          reply.jobs,
          "There are none.",
        ),
      );
    }
    default:
      throw badUsage(context.name, context.spec, `"${cleanLine(verb)}" is not one of its verbs`);
  }
};

async function list(context: Context): Promise<void> {
  const { options, world } = context;
  const state = textOption(options, "state");
  const wanted = GOAL_STATES.find((each) => each === state);
  if (state !== undefined && wanted === undefined)
    throw badUsage(context.name, context.spec, `--state is one of ${GOAL_STATES.join(", ")}`);
  const after = textOption(options, "after");
  const page = await openClient(context).goals({
    query: {
      limit: intOption(options, "limit", { min: 1, max: 500 }),
      ...(wanted === undefined ? {} : { state: wanted }),
      ...(after === undefined ? {} : { after }),
    },
    signal: world.signal,
  });
  show(context, page, (look) =>
    renderTable(
      look,
      [
        { title: "GOAL", value: (row) => row.id },
        { title: "STATE", value: (row) => row.state },
        { title: "IMPACT", value: (row) => String(row.impact), align: "right" },
        { title: "TITLE", value: (row) => cleanLine(row.title) },
        { title: "DUE", value: (row) => (row.dueAt === undefined ? "" : formatTime(row.dueAt)) },
      ],
      page.goals,
      "There are no such goals.",
    ),
  );
}

function describe(look: Look, view: GoalView): string {
  const { outcome, project } = view;
  const facts = renderFacts(look, [
    ["goal", view.id],
    ["title", cleanLine(view.title)],
    ["about", cleanLine(view.description)],
    ["state", view.state],
    ["impact", String(view.impact)],
    ["by", view.by],
    ["decided by", view.decidedBy],
    ["reason", view.reason],
    ["run", project?.run],
    [
      "outcome",
      outcome === undefined
        ? undefined
        : `${outcome.before} -> ${outcome.since} failures in 100 runs (${outcome.runsSince} runs)`,
    ],
  ]);
  const tasks = (project?.tasks ?? []).map(
    ({ title, isDone }, at) => `${isDone ? "[x]" : "[ ]"} ${at} ${cleanLine(title)}`,
  );
  return [facts, ...tasks].join("\n");
}
