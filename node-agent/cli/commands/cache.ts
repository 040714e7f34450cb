// gantry cache: answers that are given again, and how often that was wrong.

import type { CacheStatusView } from "@gantry/shared/contract/schemas/memory.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatShare, formatTime } from "../render/units.ts";

export const cache: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const key = (): string => wordAt(context, 1, "The key");
  const [verb = "status"] = context.words;
  switch (verb) {
    case "status": {
      const reply = await client.cacheList({ signal });
      return show(context, reply, (look) => status(look, reply));
    }
    case "list":
      return await list(context);
    case "wrong": {
      const question = context.words.slice(2).join(" ");
      const body = question === "" ? {} : { question };
      const reply = await client.cacheWrong({ key: key(), body, signal });
      return show(context, reply, () => "Nobody gets that answer again");
    }
    case "rm": {
      const reply = await client.cacheDropped({ key: key(), signal });
      return show(context, reply, () => `${reply.count} dropped`);
    }
    case "clear": {
      const prefix = textOption(context.options, "prefix");
      const tag = textOption(context.options, "tag");
      const query = {
        ...(prefix === undefined ? {} : { prefix }),
        ...(tag === undefined ? {} : { tag }),
      };
      const reply = await client.cacheCleared({ query, signal });
      return show(context, reply, () =>
        reply.count === undefined ? "All kept answers are dropped" : `${reply.count} dropped`,
      );
    }
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not one of its verbs`);
  }
};

async function list(context: Context): Promise<void> {
  const limit = intOption(context.options, "limit", { min: 1, max: 500 });
  const q = context.words.slice(1).join(" ");
  const query = { limit, ...(q === "" ? {} : { q }) };
  const reply = await openClient(context).cacheEntries({ query, signal: context.world.signal });
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: "KEY", value: (row) => row.key.slice(0, 12) },
        { title: "HITS", value: (row) => String(row.hits), align: "right" },
        { title: "MADE", value: (row) => formatTime(row.at) },
        { title: "QUESTION", value: (row) => cleanLine(row.prompt) },
      ],
      reply.entries,
      "No answer is kept.",
    ),
  );
}

const status = (look: Look, of: CacheStatusView): string =>
  renderFacts(look, [
    ["kept answers", String(of.size)],
    ["found by likeness", `${of.vectors} can be`],
    ["hits", `${of.exactHits} exact, ${of.semanticHits} by likeness`],
    ["saved", `${Math.round(of.savedMs / 1_000)} s`],
    ["embedder", of.embedder ?? "none"],
    ["threshold", String(of.threshold)],
    [
      "audits",
      of.audits.falseHitRate === undefined
        ? "none yet"
        : `${of.audits.agree + of.audits.differ}, wrong ${formatShare(of.audits.falseHitRate)}`,
    ],
  ]);
