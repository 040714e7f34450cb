// gantry workflow: what is kept under which names.

import type { WorkflowView } from "@gantry/shared/contract/schemas/workflows.ts";
import { badUsage, intOption, isOn, textOption } from "../args.ts";
import { type Command, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { clean, cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";
import { graphIn } from "./run.ts";

export const workflow: Command = async (context) => {
  const client = openClient(context);
  const { options, world } = context;
  const { signal } = world;
  const name = (): string => wordAt(context, 1, "The workflow's name");
  const tagged = textOption(options, "tag");
  const verb = wordAt(context, 0, "What to do");
  switch (verb) {
    case "list": {
      const query = { limit: intOption(options, "limit", { min: 1, max: 500 }) };
      const page = await client.workflows({ query, signal });
      return show(context, page, (look) => table(look, page.workflows));
    }
    case "show": {
      const query = tagged === undefined ? {} : { tag: tagged };
      const view = await client.workflow({ name: name(), query, signal });
      return show(context, view, (look) => describe(look, view));
    }
    case "validate": {
      const graph = graphIn(context, wordAt(context, 1, "The file"));
      const reply = await client.workflowKept({ body: { graph, check: true }, signal });
      return show(context, reply, () => `valid: ${reply.nodes} nodes, sha256:${reply.sha256}`);
    }
    case "keep": {
      const graph = graphIn(context, wordAt(context, 1, "The file"));
      const called = textOption(options, "name");
      if (called === undefined)
        throw badUsage(context.name, context.spec, "--name NAME is missing");
      const body = {
        graph,
        name: called,
        ...(tagged === undefined ? {} : { tag: tagged }),
        ...(isOn(options, "fast") ? { fidelity: "fast" as const } : {}),
      };
      const reply = await client.workflowKept({ body, signal });
      return show(context, reply, () => `${called} has the version ${reply.sha256}`);
    }
    case "tag": {
      const tag = wordAt(context, 2, "The tag");
      const newest = async (): Promise<string> => {
        const view = await client.workflow({ name: name(), signal });
        return view.versions.at(-1)?.sha256 ?? "";
      };
      const sha256 = context.words[3] ?? (await newest());
      const view = await client.workflowTagged({ name: name(), tag, body: { sha256 }, signal });
      return show(context, view, () => `${view.name}@${tag} is ${sha256}`);
    }
    case "untag": {
      const tag = wordAt(context, 2, "The tag");
      const reply = await client.workflowUntagged({ name: name(), tag, signal });
      return show(context, reply, () => `${name()} has no tag ${tag} any more`);
    }
    default:
      throw badUsage(context.name, context.spec, `There is no "workflow ${cleanLine(verb)}"`);
  }
};

const table = (look: Look, rows: readonly WorkflowView[]): string =>
  renderTable(
    look,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "VERSIONS", value: (row) => String(row.versions.length), align: "right" },
      { title: "TAGS", value: (row) => Object.keys(row.tags).join(", ") },
      { title: "CHANGED", value: (row) => formatTime(row.changedAt) },
      { title: "NEWEST", value: (row) => row.versions.at(-1)?.sha256.slice(0, 12) ?? "" },
    ],
    rows,
    "There are no workflows.",
  );

function describe(look: Look, view: WorkflowView): string {
  const tags = Object.entries(view.tags).map(
    ([tag, { sha256 }]) => `${tag}=${sha256.slice(0, 12)}`,
  );
  const facts = renderFacts(look, [
    ["workflow", view.name],
    ["version", view.sha256],
    ["tags", tags.join(", ")],
    ["versions", String(view.versions.length)],
    ["fidelity", view.fidelity],
    ["changed", formatTime(view.changedAt)],
  ]);
  return `${facts}\n${clean(JSON.stringify(view.graph, null, 2))}`;
}
