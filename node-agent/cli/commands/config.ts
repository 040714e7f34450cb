// gantry config: every variable with its value and where that comes from. Works without a hub.

import { ERRORS } from "@gantry/shared/base/errors.ts";
import { describeConfig } from "@gantry/shared/contract/config.ts";
import { type Command, readText, show } from "../context.ts";
import { paint } from "../render/look.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";

/** Exit code 78 when something is wrong, after all of it has been shown. */
export const config: Command = async (context) => {
  const { env } = context.world;
  const description = describeConfig(["hub", "agent", "bridge", "client"], env, readText);
  const { rows, faults } = description;
  show(context, description, (look) => {
    const table = renderTable(
      look,
      [
        { title: "VARIABLE", value: (row) => row.name },
        { title: "VALUE", value: (row) => row.value },
        { title: "FROM", value: (row) => row.source },
        { title: "MEANING", value: (row) => row.meaning },
      ],
      rows,
      "",
    );
    const lines = faults.map(({ variable, message }) =>
      paint(look, "red", cleanLine(`${variable} ${message}`)),
    );
    return [table, ...lines].join("\n");
  });
  return faults.length === 0 ? 0 : ERRORS.bad_config.exit;
};
