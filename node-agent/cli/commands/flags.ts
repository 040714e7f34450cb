// gantry flags: small values that programs and people share, with revisions.

import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";

const LEVELS = ["linearizable", "leader", "local"] as const;

export const flags: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [verb] = context.words;
  const key = (): string => wordAt(context, 1, "The key");
  switch (verb) {
    case undefined: {
      const reply = await client.flags({ signal });
      return show(context, reply, (look) =>
        renderTable(
          look,
          [
            { title: "KEY", value: (row) => row.key },
            { title: "REVISION", value: (row) => String(row.revision), align: "right" },
            { title: "VALUE", value: (row) => JSON.stringify(row.value) },
          ],
          reply.flags,
          "There are no flags.",
        ),
      );
    }
    case "get": {
      const flag = await client.flag({
        key: key(),
        query: { consistency: level(context) },
        signal,
      });
      return show(context, flag, () => cleanLine(JSON.stringify(flag.value)));
    }
    case "set": {
      const value = valueOf(wordAt(context, 2, "The value"));
      const flag = await client.flagSet({
        key: key(),
        body: { value },
        signal,
        ...ifRevision(context),
      });
      return show(context, flag, () => cleanLine(`${flag.key} is set, revision ${flag.revision}`));
    }
    case "delete": {
      const reply = await client.flagDeleted({ key: key(), signal, ...ifRevision(context) });
      return show(context, reply, () => `${cleanLine(key())} is deleted`);
    }
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not get, set or delete`);
  }
};

function level(context: Context): (typeof LEVELS)[number] | undefined {
  const text = textOption(context.options, "consistency");
  const known = LEVELS.find((one) => one === text);
  if (text === undefined || known !== undefined) return known;
  throw badUsage(context.name, context.spec, `--consistency takes ${LEVELS.join(", ")}`);
}

function ifRevision(context: Context): { readonly ifRevision?: number } {
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const revision = intOption(context.options, "if-revision", range);
  return revision === undefined ? {} : { ifRevision: revision };
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** JSON where it is JSON, else the text itself: `on` needs no quotes. */
function valueOf(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
