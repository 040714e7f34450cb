// gantry registry, cluster: machines and hubs.

import { badUsage, textOption } from "../args.ts";
import { type Command, show } from "../context.ts";
import { openClient } from "../opening.ts";
import { renderTable } from "../render/table.ts";
import { formatSeconds } from "../render/units.ts";

export const registry: Command = async (context) => {
  const selector = textOption(context.options, "selector");
  const reply = await openClient(context).registry({
    query: { selector },
    signal: context.world.signal,
  });
  show(context, reply, (look) =>
    renderTable(
      look,
      [
        { title: "ID", value: (row) => row.id },
        { title: "NAME", value: (row) => row.name },
        { title: "STATE", value: (row) => row.state },
        { title: "HEARD", value: (row) => `${formatSeconds(row.lastSeenMs / 1_000)} ago` },
        {
          title: "LABELS",
          value: ({ labels }) =>
            Object.entries(labels)
              .map(([name, value]) => `${name}=${value}`)
              .join(","),
        },
      ],
      reply.nodes,
      selector === undefined
        ? "No machine has joined. Make a code: gantry join-code NAME"
        : "No machine is like that.",
    ),
  );
};

export const cluster: Command = async (context) => {
  const [verb = "status"] = context.words;
  if (verb !== "status") throw badUsage(context.name, context.spec, `"${verb}" is not status`);
  const reply = await openClient(context).cluster({ signal: context.world.signal });
  show(context, reply, (look) => {
    const table = renderTable(
      look,
      [
        { title: "HUB", value: (row) => row.id },
        { title: "ROLE", value: (row) => row.role },
        { title: "COMMITTED", value: (row) => String(row.commitIndex), align: "right" },
        { title: "APPLIED", value: (row) => String(row.appliedIndex), align: "right" },
        { title: "REACHABLE", value: (row) => (row.reachable ? "yes" : "no") },
      ],
      reply.hubs,
      "There are no hubs.",
    );
    return `${table}\nleader ${reply.leader ?? "none"}, term ${reply.term}`;
  });
};
