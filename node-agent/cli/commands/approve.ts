// gantry approve: the questions of runs to people.

import type { ApprovalView } from "@gantry/shared/contract/schemas/runs.ts";
import { badUsage, textOption } from "../args.ts";
import { type Command, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";

export const approve: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [id, verb] = context.words;
  if (id === undefined) {
    const page = await client.approvals({ signal });
    return show(context, page, (look) => table(look, page.approvals));
  }
  if (verb !== "approve" && verb !== "reject")
    throw badUsage(context.name, context.spec, "Say approve or reject");
  const reason = textOption(context.options, "reason");
  if (reason === undefined || reason.trim() === "")
    throw badUsage(context.name, context.spec, "--reason TEXT is missing");
  const decide = verb === "approve" ? client.approvalGiven : client.approvalDenied;
  const view = await decide({ id: wordAt(context, 0, "The ticket"), body: { reason }, signal });
  return show(context, view, () => describe(view));
};

function describe(view: ApprovalView): string {
  const still = view.approvals - view.votes.filter((vote) => vote.approve).length;
  return view.state === "open"
    ? `${view.id} is open: ${still} more must say yes`
    : `${view.id} is ${view.state}`;
}

const table = (look: Look, rows: readonly ApprovalView[]): string =>
  renderTable(
    look,
    [
      { title: "TICKET", value: (row) => row.id },
      { title: "RUN", value: (row) => row.run },
      { title: "FOR", value: (row) => [...row.people, ...row.roles].join(", ") },
      {
        title: "YES",
        value: (row) => `${row.votes.filter((vote) => vote.approve).length}/${row.approvals}`,
      },
      { title: "UNTIL", value: (row) => formatTime(row.dueAt) },
      { title: "QUESTION", value: (row) => cleanLine(row.question) },
    ],
    rows,
    "Nothing waits for an approval.",
  );
