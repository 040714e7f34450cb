// gantry webhook: who is told of events by HTTP.

import type { WebhookView } from "@gantry/shared/contract/schemas/webhooks.ts";
import { badUsage, intOption, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import type { Look } from "../render/look.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";
import { formatTime } from "../render/units.ts";

export const webhook: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const id = (): string => wordAt(context, 1, "The webhook's id");
  const [verb = "list"] = context.words;
  switch (verb) {
    case "list": {
      const reply = await client.webhooks({ signal });
      return show(context, reply, (look) => table(look, reply.webhooks));
    }
    case "add": {
      const reply = await client.webhookMade({ body: wanted(context), signal });
      return show(context, reply, (look) =>
        renderFacts(look, [
          ["webhook", reply.id],
          ["url", reply.url],
          ["events", reply.types.join(" ")],
          ["secret", `${reply.secret}  (shown once)`],
        ]),
      );
    }
    case "rm": {
      const reply = await client.webhookDeleted({ id: id(), signal });
      return show(context, reply, () => `${cleanLine(id())} is deleted`);
    }
    case "dead":
      return await dead(context);
    case "redeliver": {
      const deliveries = context.words.slice(2);
      const body = deliveries.length === 0 ? {} : { deliveries };
      const reply = await client.webhookRedelivered({ id: id(), body, signal });
      return show(context, reply, () => `${reply.count} dead letters are tried again`);
    }
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not one of its verbs`);
  }
};

function wanted(context: Context): { url: string; types?: string[]; subject?: string } {
  const types = textOption(context.options, "events")?.split(",");
  const subject = textOption(context.options, "subject");
  return {
    url: wordAt(context, 1, "The address"),
    ...(types === undefined ? {} : { types }),
    ...(subject === undefined ? {} : { subject }),
  };
}

async function dead(context: Context): Promise<void> {
  const query = { limit: intOption(context.options, "limit", { min: 1, max: 500 }) };
  const id = wordAt(context, 1, "The webhook's id");
  const page = await openClient(context).webhookDead({ id, query, signal: context.world.signal });
  show(context, page, (look) =>
    renderTable(
      look,
      [
        { title: "ID", value: (row) => row.id },
        { title: "EVENT", value: (row) => row.type },
        { title: "ABOUT", value: (row) => row.subject },
        { title: "AT", value: (row) => formatTime(row.at) },
        { title: "TRIES", value: (row) => String(row.attempts), align: "right" },
        { title: "ERROR", value: (row) => row.error.message },
      ],
      page.deadLetters,
      "It took everything.",
    ),
  );
}

const table = (look: Look, rows: readonly WebhookView[]): string =>
  renderTable(
    look,
    [
      { title: "ID", value: (row) => row.id },
      { title: "EVENTS", value: (row) => row.types.join(" ") },
      { title: "ABOUT", value: (row) => row.subject ?? "" },
      { title: "DELIVERED", value: (row) => String(row.delivery_count), align: "right" },
      { title: "FAILED", value: (row) => String(row.failure_count), align: "right" },
      { title: "DEAD", value: (row) => String(row.dead), align: "right" },
      { title: "URL", value: (row) => row.url },
    ],
    rows,
    "Nobody is told.",
  );
