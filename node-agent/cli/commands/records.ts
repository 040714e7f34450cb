// gantry audit, costs: what was done, and what it cost.

import { intOption, textOption } from "../args.ts";
import { type Command, show } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderTable } from "../render/table.ts";
import { formatTime } from "../render/units.ts";

export const audit: Command = async (context) => {
  const limit = intOption(context.options, "limit", { min: 1, max: 500 });
  const after = textOption(context.options, "after");
  const query = after === undefined ? { limit } : { limit, after };
  const page = await openClient(context).audit({ query, signal: context.world.signal });
  show(context, page, (look) => {
    const table = renderTable(
      look,
      [
        { title: "SEQ", value: (row) => String(row.seq), align: "right" },
        { title: "AT", value: (row) => formatTime(row.at) },
        { title: "WHO", value: (row) => row.actor },
        { title: "DID", value: (row) => row.action },
        { title: "TO", value: (row) => row.object },
        { title: "REQUEST", value: (row) => row.requestId },
      ],
      page.entries,
      "Nothing was done yet.",
    );
    return page.next === undefined ? table : `${table}\nmore: gantry audit --after ${page.next}`;
  });
};

export const costs: Command = async (context) => {
  const reply = await openClient(context).costs({ signal: context.world.signal });
  show(context, reply, (look) => {
    const table = renderTable(
      look,
      [
        { title: "DAY", value: (row) => row.day },
        { title: "WHO", value: (row) => row.person },
        { title: "MODEL", value: (row) => `${row.tier} ${row.model}` },
        { title: "ANSWERS", value: (row) => String(row.answers), align: "right" },
        { title: "CACHED", value: (row) => String(row.cached_answers), align: "right" },
        {
          title: "TOKENS",
          value: (row) => String(row.prompt_tokens + row.completion_tokens),
          align: "right",
        },
        { title: "USD", value: (row) => row.cost_usd.toFixed(4), align: "right" },
      ],
      reply.by,
      "No question was answered yet.",
    );
    return `${table}\n${reply.answers} answers, ${reply.total_cost_usd.toFixed(4)} USD in all`;
  });
};
