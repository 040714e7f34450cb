// gantry knowledge: folders of the hub's machine whose documents are known.

import { resolve } from "node:path";
import { badUsage, intOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { KnowledgeHitView, KnowledgeView } from "@gantry/shared/contract/schemas/memory.ts";
import type { Look } from "../render/look.ts";
import { renderTable } from "../render/table.ts";
import { clean, cleanLine } from "../render/text.ts";
import { formatBytes, formatTime } from "../render/units.ts";

export const knowledge: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const id = (): string => wordAt(context, 1, "The name or id");
  const [verb = "list"] = context.words;
  switch (verb) {
    case "list": {
      const reply = await client.knowledge({ signal });
      return show(context, reply, (look) => table(look, reply.knowledge));
    }
    case "show": {
      const query = { limit: intOption(context.options, "limit", { min: 1, max: 500 }) };
      const reply = await client.knowledgeDocuments({ id: id(), query, signal });
      return show(context, reply, (look) =>
        renderTable(
          look,
          [
            { title: "DOCUMENT", value: (row) => row.path },
            { title: "VERSION", value: (row) => String(row.version), align: "right" },
            { title: "SIZE", value: (row) => formatBytes(row.sizeBytes), align: "right" },
            { title: "READ", value: (row) => formatTime(row.at) },
          ],
          reply.list,
          "It holds no documents.",
        ),
      );
    }
    case "add": {
      const body = { name: id(), folder: resolve(wordAt(context, 2, "The folder")) };
      const reply = await client.knowledgeAdded({ body, signal });
      return show(context, reply, () => told(reply));
    }
    case "refresh": {
      const reply = await client.knowledgeRefreshed({ id: id(), signal });
      const { version, read, gone, faults } = reply;
      return show(
        context,
        reply,
        () => `version ${version}: ${read} read, ${gone} gone, ${faults} could not be read`,
      );
    }
    case "search":
      return await search(context);
    case "rm": {
      const reply = await client.knowledgeRemoved({ id: id(), signal });
      return show(context, reply, () => `${cleanLine(id())} is not known any more`);
    }
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not one of its verbs`);
  }
};

async function search(context: Context): Promise<void> {
  wordAt(context, 1, "What to look for");
  const q = context.words.slice(1).join(" ");
  const limit = intOption(context.options, "limit", { min: 1, max: 50 });
  const query = limit === undefined ? { q } : { q, limit };
  const reply = await openClient(context).knowledgeSearched({
    query,
    signal: context.world.signal,
  });
  show(context, reply, (look) =>
    reply.hits.length === 0
      ? "Nothing was found."
      : reply.hits.map((hit) => piece(look, hit)).join("\n\n"),
  );
}

const piece = (_: Look, { path, line, headings, text }: KnowledgeHitView): string =>
  `${cleanLine(path)}:${line}  ${cleanLine(headings.slice(1).join(" > "))}\n${clean(text)}`;

const told = ({ id, name, documents, version, faults }: KnowledgeView): string =>
  [
    `${cleanLine(name)} (${id}): ${documents} documents, version ${version}`,
    ...faults.map(({ path, error }) => `not read: ${cleanLine(path)}: ${cleanLine(error.message)}`),
  ].join("\n");

const table = (look: Look, rows: readonly KnowledgeView[]): string =>
  renderTable(
    look,
    [
      { title: "NAME", value: (row) => row.name },
      { title: "VERSION", value: (row) => String(row.version), align: "right" },
      { title: "DOCUMENTS", value: (row) => String(row.documents), align: "right" },
      { title: "FAULTS", value: (row) => String(row.faults.length), align: "right" },
      {
        title: "REFRESHED",
        value: (row) => (row.refreshedAt === undefined ? "" : formatTime(row.refreshedAt)),
      },
      { title: "FOLDER", value: (row) => row.folder },
    ],
    rows,
    "No folder is known.",
  );
