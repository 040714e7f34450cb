// Tools where they are done: those of the house by the desk, with the rights of the person, those of other
// MCP servers by their client. Who may use what was judged before (hub/agents/policy.ts); the desk checks
// the role of its route once more.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { mayAct, type Role } from "@gantry/shared/contract/roles.ts";
import { ROUTES } from "@gantry/shared/contract/routes.ts";
import { SCHEMAS } from "@gantry/shared/contract/schemas/table.ts";
import { HOUSE_TOOLS, type HouseTool } from "../agents/catalogue.ts";
import type { LoopTool } from "../agents/tool.ts";
import type { Desk, DeskRequest } from "../ports.ts";

type Args = Readonly<Record<string, unknown>>;

/** Tools of other MCP servers that a person has agreed to and that are as they were then. */
export interface ForeignTools {
  offered(): readonly LoopTool[];
  /** Gives what it said. Throws GantryError. */
  call(name: string, given: Args, signal: AbortSignal): Promise<unknown>;
}

export interface ToolCaller {
  readonly person: string;
  readonly role: Role;
  readonly requestId: string;
  /** Under which an effect is done once. */
  readonly key?: string;
}

export interface AgentTools {
  /** By name, those that this role may use. */
  offered(role: Role): readonly LoopTool[];
  /** Throws not_found. */
  find(name: string): LoopTool;
  /** What it acts on; throws bad_request for arguments that it does not take. */
  check(name: string, given: Args): string | undefined;
  call(name: string, given: Args, caller: ToolCaller, signal: AbortSignal): Promise<unknown>;
}

export function makeAgentTools(desk: () => Desk, foreign: ForeignTools): AgentTools {
  const house = new Map(HOUSE_TOOLS.map((tool) => [tool.name, tool]));
  const all = (): readonly LoopTool[] => [...house.values(), ...foreign.offered()];

  async function callHouse(
    tool: HouseTool,
    given: Args,
    caller: ToolCaller,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { route, params, query, body } = tool.request(given);
    const { person, role, requestId, key } = caller;
    const needed = ROUTES[route].access;
    if (needed !== "public" && !mayAct(role, needed))
      throw new GantryError("forbidden", `${tool.name} needs the role ${needed}`);
    const request: DeskRequest = {
      actor: { person, role, token: "agent" },
      requestId,
      params,
      query: parsed(SCHEMAS[route].query, query),
      body: SCHEMAS[route].body === undefined ? undefined : parsed(SCHEMAS[route].body, body),
      ...(key === undefined || tool.effect === "read"
        ? {}
        : { replay: { key, requestSha256: digestOf({ route, params, query, body }) } }),
    };
    return desk().call(route, request, { signal });
  }

  return {
    offered: (role) => all().filter((tool) => mayAct(role, tool.role)),
    find(name) {
      const tool = all().find((one) => one.name === name);
      if (tool === undefined)
        throw new GantryError("not_found", `There is no tool ${name.slice(0, 128)}`);
      return tool;
    },
    check(name, given) {
      const tool = house.get(name);
      if (tool === undefined) return undefined; // its server checks them
      tool.request(given);
      return tool.deviceOf(given);
    },
    async call(name, given, caller, signal) {
      const tool = house.get(name);
      if (tool === undefined) return foreign.call(name, given, signal);
      return callHouse(tool, given, caller, signal);
    },
  };
}

function parsed(schema: (typeof SCHEMAS)["query"]["query"], value: Args): Record<string, unknown> {
  if (schema === undefined) return {};
  const result = schema.safeParse(value);
  if (result.success) return result.data as Record<string, unknown>; // all are objects
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join(".") || "arguments";
  throw new GantryError("bad_request", `${where}: ${issue?.message}`);
}
