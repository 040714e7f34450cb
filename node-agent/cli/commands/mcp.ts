// gantry mcp: without a verb, an MCP server on standard input and output for editors and desktop clients. It
// is a thin proxy: each message goes to the hub's /mcp, and what the hub says comes out. With a verb: the
// other MCP servers that the hub uses, and what was agreed to.
//
// MP1. Standard output carries the protocol and nothing else.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { proxyMcp } from "@gantry/shared/client/mcp-proxy.ts";
import { HAZARD_CLASSES } from "@gantry/shared/contract/roles.ts";
import { badUsage, textOption } from "../args.ts";
import { type Command, type Context, show, wordAt } from "../context.ts";
import { hubAccess, openClient } from "../opening.ts";
import { renderTable } from "../render/table.ts";
import { cleanLine } from "../render/text.ts";

export const mcp: Command = async (context) => {
  const { signal } = context.world;
  const [verb] = context.words;
  if (verb === undefined) return await serve(context);
  const client = openClient(context);
  const server = (): string => wordAt(context, 1, "The server's name");
  switch (verb) {
    case "servers": {
      const reply = await client.mcpServers({ signal });
      const rows = reply.servers.flatMap(({ tools, ...of }) =>
        (tools.length === 0 ? [undefined] : tools).map((tool) => ({ of, tool })),
      );
      return show(context, reply, (look) =>
        renderTable(
          look,
          [
            { title: "SERVER", value: ({ of }) => of.name },
            { title: "STATE", value: ({ of }) => of.state },
            { title: "TOOL", value: ({ tool }) => cleanLine(tool?.name ?? "") },
            { title: "AGREED", value: ({ tool }) => tool?.state ?? "" },
            { title: "HAZARD", value: ({ tool }) => tool?.hazardClass ?? "" },
            {
              title: "WHAT IT SAYS",
              value: ({ of, tool }) => cleanLine(tool?.description ?? of.error ?? ""),
            },
          ],
          rows,
          "No other MCP server is configured (GANTRY_MCP_SERVERS).",
        ),
      );
    }
    case "approve": {
      const name = server();
      const tool = wordAt(context, 2, "The tool's name");
      const hazardClass = hazardOf(context);
      const { servers } = await client.mcpServers({ signal });
      const found = servers
        .find((one) => one.name === name)
        ?.tools.find((one) => one.name === tool);
      if (found === undefined)
        throw new GantryError("not_found", `${name} offers no tool ${tool} now`);
      const body = { tool, sha256: found.sha256, hazardClass };
      const reply = await client.mcpToolApproved({ server: name, body, signal });
      return show(
        context,
        reply,
        () => `${cleanLine(tool)} of ${cleanLine(name)} may be used: ${hazardClass}`,
      );
    }
    case "remove": {
      const name = server();
      const tool = context.words[2];
      const query = tool === undefined ? {} : { tool };
      const reply = await client.mcpToolRemoved({ server: name, query, signal });
      return show(
        context,
        reply,
        () => `${cleanLine(tool ?? "Every tool")} of ${cleanLine(name)} is not used any more`,
      );
    }
    default:
      throw badUsage(context.name, context.spec, `"${verb}" is not one of its verbs`);
  }
};

/** MP1. */
function serve(context: Context): Promise<void> {
  const { stdin, stdout, stderr, clock, signal } = context.world;
  const { baseUrl, token } = hubAccess(context);
  return proxyMcp({
    baseUrl,
    token,
    input: stdin,
    write: (line) => stdout.write(`${line}\n`),
    warn: (line) => stderr.write(`${line}\n`),
    clock,
    signal,
  });
}

function hazardOf(context: Context): (typeof HAZARD_CLASSES)[number] {
  const wanted = textOption(context.options, "hazard");
  const known = HAZARD_CLASSES.find((name) => name === wanted);
  if (known === undefined)
    throw badUsage(context.name, context.spec, `--hazard is one of ${HAZARD_CLASSES.join(", ")}`);
  return known;
}
