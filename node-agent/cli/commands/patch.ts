// gantry patch: changes of runs and of workflows themselves. What it is about is told by the word: a
// run's id, an approval's id, or else the name of a workflow.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { ReplyOf } from "@gantry/shared/contract/schemas/table.ts";
import { badUsage, intOption, isOn, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { readJsonFile } from "../json-file.ts";
import { openClient } from "../opening.ts";
import { renderDifference } from "../render/difference.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";

const isRun = (word: string): boolean => word.startsWith("run_");
const isTicket = (word: string): boolean => word.startsWith("apr_");

export const patch: Command = async (context) => {
  const client = openClient(context);
  const verb = wordAt(context, 0, "What to do");
  switch (verb) {
    case "list":
      return await list(context, client);
    case "show":
      return await showOne(context, client);
    case "add":
      return await add(context, client);
    case "propose":
      return await propose(context, client);
    case "revert":
      return await revert(context, client);
    case "lag":
      return await lag(context, client);
    case "approve":
    case "reject": {
      const decide = verb === "approve" ? client.approvalGiven : client.approvalDenied;
      const id = wordAt(context, 1, "The ticket");
      const { signal } = context.world;
      const view = await decide({ id, body: { reason: reasonOf(context) }, signal });
      return show(context, view, () => `${view.id} is ${view.state}`);
    }
    default:
      throw badUsage(context.name, context.spec, `There is no "patch ${cleanLine(verb)}"`);
  }
};

async function list(context: Context, client: Client): Promise<void> {
  const { signal } = context.world;
  const of = wordAt(context, 1, "The run or the workflow");
  if (isRun(of)) {
    const reply = await client.runPatches({ id: of, signal });
    return show(context, reply, (look) =>
      renderTable(
        look,
        [
          { title: "N", value: (row) => String(row.number), align: "right" },
          { title: "BY", value: (row) => row.by },
          { title: "AT", value: (row) => formatTime(row.at) },
          { title: "OPERATIONS", value: (row) => String(row.operations.length), align: "right" },
          { title: "NOTE", value: noteOf },
          { title: "REASON", value: (row) => row.reason },
        ],
        reply.patches,
        "It has no patches.",
      ),
    );
  }
  const query = { limit: intOption(context.options, "limit", { min: 1, max: 500 }) };
  const reply = await client.workflowPatches({ name: of, query, signal });
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: "N", value: (row) => String(row.number), align: "right" },
        { title: "STATE", value: (row) => row.state },
        { title: "BY", value: (row) => row.by },
        { title: "AT", value: (row) => formatTime(row.at) },
        { title: "VERSION", value: (row) => row.version?.slice(0, 12) ?? "" },
        { title: "NOTE", value: noteOf },
        { title: "REASON", value: (row) => row.reason },
      ],
      reply.patches,
      "It has no patches.",
    ),
  );
}

function noteOf(row: {
  readonly reverts?: number | undefined;
  readonly revertedBy?: number | undefined;
  readonly faults?: readonly { readonly message: string }[] | undefined;
}): string {
  if (row.faults?.[0] !== undefined) return cleanLine(row.faults[0].message);
  if (row.reverts !== undefined) return `takes back ${row.reverts}`;
  return row.revertedBy === undefined ? "" : `taken back by ${row.revertedBy}`;
}

async function showOne(context: Context, client: Client): Promise<void> {
  const { signal } = context.world;
  const of = wordAt(context, 1, "The run, the workflow or the ticket");
  if (isTicket(of)) {
    const view = await client.approvalPatch({ id: of, signal });
    return show(context, view, (look) => {
      const facts = renderFacts(look, [
        ["approval", view.approval],
        ["run", view.run],
        ["by", view.by],
        ["reason", view.reason],
      ]);
      return `${facts}\n\n${differenceOrFaults(look, view)}`;
    });
  }
  const number = wordAt(context, 2, "The patch's number");
  if (isRun(of)) {
    const view = await client.runPatch({ id: of, number, signal });
    return show(context, view, (look) => {
      const facts = renderFacts(look, [
        ["run", of],
        ["patch", String(view.number)],
        ["by", view.by],
        ["at", formatTime(view.at)],
        ["approved by", view.approvedBy],
        ["reason", view.reason],
        ["note", noteOf(view) || undefined],
      ]);
      return `${facts}\n\n${renderDifference(look, view.difference)}`;
    });
  }
  const view = await client.workflowPatch({ name: of, number, signal });
  show(context, view, (look) => {
    const facts = renderFacts(look, [
      ["workflow", view.workflow],
      ["patch", String(view.number)],
      ["state", view.state],
      ["version", view.version],
      ["tag", view.tag],
      ["by", view.by],
      ["at", formatTime(view.at)],
      ["reason", view.reason],
      ["note", noteOf(view) || undefined],
    ]);
    return `${facts}\n\n${differenceOrFaults(look, view)}`;
  });
}

function differenceOrFaults(
  look: Look,
  { difference, faults = [] }: Pick<ReplyOf<"approvalPatch">, "difference" | "faults">,
): string {
  if (difference !== undefined) return renderDifference(look, difference);
  if (faults.length === 0) return "What it changes is not known any more.";
  return faults
    .map(({ code, pointer, message, hint }) =>
      [`It does not fit: ${message} (${code})`, `  at ${pointer || "/"}`, `  ${hint}`]
        .map(cleanLine)
        .join("\n"),
    )
    .join("\n");
}

async function add(context: Context, client: Client): Promise<void> {
  const { signal } = context.world;
  const of = wordAt(context, 1, "The run or the workflow");
  const operations = readJsonFile(context, wordAt(context, 2, "The file with the operations"));
  if (!Array.isArray(operations))
    throw new GantryError("bad_request", "The file has no list of operations");
  const reason = reasonOf(context);
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const ifRevision = intOption(context.options, "if-revision", range);
  const asked = { signal, ...(ifRevision === undefined ? {} : { ifRevision }) };
  if (isRun(of)) {
    const reply = await client.runPatched({ id: of, body: { operations, reason }, ...asked });
    return show(context, reply, () => saysPatched(reply));
  }
  const tag = textOption(context.options, "tag");
  const body = { operations, reason, ...(tag === undefined ? {} : { tag }) };
  const reply = await client.workflowPatched({ name: of, body, ...asked });
  show(context, reply, () => saysTaken(reply));
}

/** A question is asked back with exit 65: nothing was done, and the sentence needs to be another. */
async function propose(context: Context, client: Client): Promise<number | undefined> {
  const id = wordAt(context, 1, "The run");
  const sentence = context.words.slice(2).join(" ");
  if (sentence.trim() === "") throw badUsage(context.name, context.spec, "The sentence is missing");
  const body = { sentence, apply: !isOn(context.options, "dry-run") };
  const reply = await client.runPatchProposed({ id, body, signal: context.world.signal });
  if (reply.kind === "question") {
    show(context, reply, () =>
      [reply.question, ...reply.choices.map((choice) => `  ${choice}`)].map(cleanLine).join("\n"),
    );
    return ASKS_BACK;
  }
  show(context, reply, (look) => {
    const { difference, approval, revision } = reply;
    const lines = difference === undefined ? "" : `${renderDifference(look, difference)}\n\n`;
    if (reply.applied) return `${lines}${id} has revision ${revision}`;
    return approval === undefined
      ? `${lines}Nothing was changed${reply.needsApproval ? "; a person must approve it" : ""}.`
      : `${lines}${saysWaiting(approval)}`;
  });
  return undefined;
}

const ASKS_BACK = 65;

async function revert(context: Context, client: Client): Promise<void> {
  const { signal } = context.world;
  const of = wordAt(context, 1, "The run or the workflow");
  const number = Number(wordAt(context, 2, "The patch's number"));
  const body = { patch: number, reason: reasonOf(context) };
  if (isRun(of)) {
    const reply = await client.runPatchReverted({ id: of, body, signal });
    return show(context, reply, () => saysPatched(reply));
  }
  const reply = await client.workflowPatchReverted({ name: of, body, signal });
  show(context, reply, () => saysTaken(reply));
}

async function lag(context: Context, client: Client): Promise<void> {
  const view = await client.library({ signal: context.world.signal });
  show(context, view, (look) =>
    renderFacts(look, [
      ["waiting", String(view.waiting)],
      ["behind", `${view.lagMs} ms`],
      ["batches", String(view.batches)],
      ["made", String(view.made)],
      ["refused", String(view.refused)],
      [
        "last batch",
        view.last === undefined
          ? undefined
          : `${view.last.patches} of ${view.last.workflow} after ${view.last.waitedMs} ms`,
      ],
    ]),
  );
}

export const saysPatched = (reply: ReplyOf<"runPatched">): string =>
  reply.approval === undefined
    ? `${reply.run.id} has revision ${reply.revision}`
    : saysWaiting(reply.approval);

const saysWaiting = (ticket: string): string =>
  `It waits for a person: gantry patch show ${ticket}, then gantry patch approve ${ticket} --reason TEXT`;

const saysTaken = (reply: ReplyOf<"workflowPatched">): string =>
  `${reply.workflow} takes patch ${reply.patch}; a version has it by ${formatTime(reply.dueAt)}: gantry patch show ${reply.workflow} ${reply.patch}`;

function reasonOf(context: Context): string {
  const reason = textOption(context.options, "reason");
  if (reason === undefined || reason.trim() === "")
    throw badUsage(context.name, context.spec, "--reason TEXT is missing");
  return reason;
}
