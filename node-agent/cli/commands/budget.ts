// gantry budget: how much may be spent on cloud providers, and what is spent of it.

import { badUsage, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";

export const budget: Command = async (context) => {
  const client = openClient(context);
  const { signal } = context.world;
  const [verb] = context.words;
  const id = (): string =>
    wordAt(context, 1, "The budget: appliance, person:NAME or workload:NAME");
  switch (verb) {
    case undefined:
    case "list": {
      const reply = await client.budgets({ signal });
      const rows = reply.budgets.flatMap(({ id: name, use, perDayUsd, perMonthUsd }) =>
        use.length > 0
          ? use.map((each) => ({ name, ...each }))
          : [
              {
                name,
                period: "each",
                spentUsd: 0,
                reservedUsd: 0,
                calls: 0,
                maxUsd: perDayUsd ?? perMonthUsd ?? 0,
              },
            ],
      );
      return show(context, reply, (look) =>
        renderTable(
          look,
          [
            { title: "BUDGET", value: (row) => row.name },
            { title: "PERIOD", value: (row) => row.period },
            { title: "SPENT $", value: (row) => row.spentUsd.toFixed(6), align: "right" },
            { title: "RESERVED $", value: (row) => row.reservedUsd.toFixed(6), align: "right" },
            { title: "OF $", value: (row) => row.maxUsd.toFixed(2), align: "right" },
            { title: "CALLS", value: (row) => String(row.calls), align: "right" },
          ],
          rows,
          "No budget is set, so no provider is asked: gantry budget set appliance --day 5",
        ),
      );
    }
    case "set": {
      const perDayUsd = amount(context, "day");
      const perMonthUsd = amount(context, "month");
      if (perDayUsd === undefined && perMonthUsd === undefined)
        throw badUsage(context.name, context.spec, "--day or --month says how many dollars");
      const body = {
        ...(perDayUsd === undefined ? {} : { perDayUsd }),
        ...(perMonthUsd === undefined ? {} : { perMonthUsd }),
      };
      const reply = await client.budgetSet({ budget: id(), body, signal });
      return show(context, reply, () => cleanLine(`The budget ${reply.id} is set`));
    }
    case "drop": {
      const reply = await client.budgetDropped({ budget: id(), signal });
      return show(context, reply, () => cleanLine(`The budget ${id()} is dropped`));
    }
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not list, set or drop`);
  }
};

function amount(context: Context, option: "day" | "month"): number | undefined {
  const text = textOption(context.options, option);
  if (text === undefined) return undefined;
  const usd = Number(text);
  if (text.trim() !== "" && Number.isFinite(usd) && usd >= 0) return usd;
  throw badUsage(context.name, context.spec, `--${option} takes dollars, such as 5 or 0.50`);
}
