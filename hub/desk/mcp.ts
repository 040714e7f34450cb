// Use cases: other MCP servers, and what was agreed to of them.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { HazardClass } from "@gantry/shared/contract/roles.ts";
import { act } from "../hub.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import type { ForeignServers } from "../mcp/foreign-servers.ts";
import { byOf, type DeskParts, paramOf } from "./context.ts";

function serversOf({ foreign }: DeskParts): ForeignServers {
  if (foreign === undefined)
    throw new GantryError("capability_missing", "This hub uses no other MCP servers");
  return foreign;
}

function mcpServers(parts: DeskParts): unknown {
  const approvals = parts.hub.rows.hot("toolApproval");
  const servers = serversOf(parts)
    .states()
    .map(({ tools, ...server }) => ({
      ...server,
      tools: tools.map(({ name, description, sha256 }) => {
        const row = approvals.get(`${server.name}.${name}`);
        const state = row === undefined ? "new" : row.sha256 === sha256 ? "approved" : "changed";
        const agreed = row === undefined ? {} : { hazardClass: row.hazardClass, by: row.by };
        return { name, description, sha256, state, ...agreed };
      }),
    }));
  return { servers };
}

async function mcpToolApproved(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const server = paramOf(request, "server");
  const { tool, sha256, hazardClass } = request.body as {
    tool: string;
    sha256: string;
    hazardClass: HazardClass;
  };
  const found = serversOf(parts)
    .states()
    .find(({ name }) => name === server)
    ?.tools.find(({ name }) => name === tool);
  if (found === undefined)
    throw new GantryError("not_found", `${server} offers no tool ${tool} now`);
  if (found.sha256 !== sha256)
    throw new GantryError(
      "conflict",
      `${tool} is described otherwise since you read it: read it again`,
    );
  await act(
    parts.hub,
    { type: "toolApproved", server, tool, sha256, hazardClass },
    byOf(request),
    signal,
  );
  return { ok: true };
}

async function mcpToolRemoved(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const server = paramOf(request, "server");
  const { tool } = request.query as { tool?: string };
  const body = { type: "toolForgotten" as const, server, ...(tool === undefined ? {} : { tool }) };
  await act(parts.hub, body, byOf(request), signal);
  return { ok: true };
}

export const MCP_USE_CASES = { mcpServers, mcpToolApproved, mcpToolRemoved } as const;
