// gantry memory: what is remembered of you.

import type { MemoryView } from "@gantry/shared/contract/schemas/memory.ts";
import { badUsage, intOption, isOn, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";

export const memory: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [verb = "list"] = context.words;
  switch (verb) {
    case "list": {
      const query = { limit: intOption(context.options, "limit", { min: 1, max: 500 }) };
      const reply = await client.memories({ query, signal });
      return show(context, reply, (look) =>
        table(look, reply.memories, "Nothing is remembered of you."),
      );
    }
    case "search": {
      const q = rest(context, "What to look for");
      const reply = await client.memorySearched({ query: { q }, signal });
      return show(context, reply, (look) => table(look, reply.memories, "Nothing was found."));
    }
    case "add": {
      const text = rest(context, "What to remember");
      const about = textOption(context.options, "about");
      const days = intOption(context.options, "days", { min: 1, max: 3_650 });
      const body = {
        text,
        ...(about === undefined ? {} : { about }),
        ...(days === undefined ? {} : { days }),
      };
      const reply = await client.memoryKept({ body, signal });
      return show(context, reply, (look) => facts(look, reply));
    }
    case "forget":
      return await forget(context);
    case "review": {
      const query = { state: "proposed" as const };
      const reply = await client.memories({ query, signal });
      return show(context, reply, (look) =>
        table(look, reply.memories, "Nothing waits for your word."),
      );
    }
    case "keep":
    case "drop": {
      const id = wordAt(context, 1, "The memory's id");
      const reply = await client.memoryReviewed({ id, body: { verdict: verb }, signal });
      const done = verb === "keep" ? "kept" : "dropped";
      return show(context, reply, () => `${cleanLine(id)} is ${done}`);
    }
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not one of its verbs`);
  }
};

async function forget(context: Context): Promise<void> {
  const client = openClient(context);
  const { signal } = context.world;
  const person = textOption(context.options, "person");
  const query = person === undefined ? {} : { person };
  const reply = isOn(context.options, "all")
    ? await client.memoriesForgotten({ query, signal })
    : await client.memoryForgotten({ id: wordAt(context, 1, "The memory's id"), signal });
  show(context, reply, () => `${reply.count} forgotten`);
}

const rest = (context: Context, what: string): string => {
  wordAt(context, 1, what);
  return context.words.slice(1).join(" ");
};

const table = (look: Look, rows: readonly MemoryView[], empty: string): string =>
  renderTable(
    look,
    [
      { title: "ID", value: (row) => row.id },
      { title: "KIND", value: (row) => row.kind },
      { title: "SAID", value: (row) => String(row.said), align: "right" },
      { title: "CHANGED", value: (row) => formatTime(row.changedAt) },
      { title: "TEXT", value: (row) => row.text },
    ],
    rows,
    empty,
  );

const facts = (look: Look, row: MemoryView): string =>
  renderFacts(look, [
    ["memory", row.id],
    ["text", row.text],
    ["kind", row.kind],
    ...(row.about === undefined ? [] : ([["about", row.about]] as const)),
    ...(row.replaces === undefined ? [] : ([["replaces", row.replaces]] as const)),
    ...(row.said === 1 ? [] : ([["said", `${row.said} times`]] as const)),
  ]);
