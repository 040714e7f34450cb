// The other MCP servers of the configuration, kept connected by the leader, and which of their tools may be
// used.
//
// FS1. A tool is offered only as a person has agreed to it: the hash of what was read then must be the hash
//      of what the server says now. A changed description or schema takes the tool away at once.
// FS2. Before a call the server is asked again what the tool is, unless that is known for FRESH_MS.
// FS3. A server that does not answer is left alone for a while (BREAKER), and nobody waits for it.
// FS4. What they give is data for the loop like any other: nothing here acts on it.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Role } from "@gantry/shared/contract/roles.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { makeTargets } from "@gantry/shared/flow/targets.ts";
import type { PinnedFetch } from "../adapters/pinned-fetch.ts";
import type { LoopTool } from "../agents/tool.ts";
import type { ForeignTools } from "../hands/agent-tools.ts";
import type { Hub } from "../hub.ts";
import type { ForeignTool, ServerConnection } from "./client.ts";
import type { ServerConfig } from "./servers-config.ts";

const FRESH_MS = 5_000;
const AGAIN_FIRST_MS = 1_000;
const AGAIN_MAX_MS = 60_000;
/** A thing outside of this house is an operator's to use, whatever its class. */
const ROLE: Role = "operator";

export interface ServerState {
  readonly name: string;
  readonly kind: "stdio" | "http";
  readonly state: "online" | "offline" | "resting";
  readonly error?: string;
  readonly tools: readonly ForeignTool[];
}

export interface ForeignServers extends ForeignTools {
  /** Keeps them connected until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  states(): readonly ServerState[];
}

export interface ForeignServersParts {
  readonly hub: Hub;
  readonly servers: readonly ServerConfig[];
  readonly fetch: PinnedFetch;
  readonly version: string;
}

interface Held {
  readonly config: ServerConfig;
  connection: ServerConnection | undefined;
  tools: readonly ForeignTool[];
  listedAtMs: number;
  error: string | undefined;
}

export function makeForeignServers(parts: ForeignServersParts): ForeignServers {
  const { hub, fetch, version } = parts;
  const { clock, rows, log } = hub;
  const targets = makeTargets(clock);
  const held = new Map<string, Held>(
    parts.servers.map((config) => [
      config.name,
      {
        config,
        connection: undefined,
        tools: [],
        listedAtMs: -Infinity,
        error: "not connected yet",
      },
    ]),
  );

  /** FS1. */
  const approvalOf = (server: string, tool: ForeignTool) => {
    const row = rows.hot("toolApproval").get(`${server}.${tool.name}`);
    return row?.sha256 === tool.sha256 ? row : undefined;
  };

  async function list(one: Held, signal: AbortSignal, connection = one.connection): Promise<void> {
    if (connection === undefined)
      throw new GantryError("unreachable", `${one.config.name} is not connected`);
    one.tools = await connection.tools(signal);
    one.listedAtMs = clock.monotonic();
  }

  /** Resolves when the connection is gone. */
  async function hold(one: Held, signal: AbortSignal): Promise<void> {
    const { connectServer } = await import("./client.ts"); // the library is loaded for those who use it
    const connection = await connectServer(one.config, { fetch, version, signal });
    try {
      const gone = new Promise<void>((resolve) => {
        connection.onClose(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      connection.onToolsChanged(() => void list(one, signal).catch(() => {})); // FS2 asks again
      await list(one, signal, connection);
      one.connection = connection;
      one.error = undefined;
      targets.returned(one.config.name);
      log.info({ server: one.config.name, tools: one.tools.length }, "an MCP server is connected");
      await gone;
    } finally {
      one.connection = undefined;
      one.tools = [];
      await connection.close().catch(() => {}); // it is gone already
    }
  }

  async function keep(one: Held, signal: AbortSignal): Promise<void> {
    let waitMs = AGAIN_FIRST_MS;
    while (!signal.aborted) {
      const beganMs = clock.monotonic();
      try {
        await hold(one, signal);
        one.error = "it closed the connection";
      } catch (error) {
        const { code, message } = toErrorRecord(error);
        one.error = message;
        if (!signal.aborted)
          log.warn({ server: one.config.name, code }, "an MCP server is not there");
      }
      waitMs =
        clock.monotonic() - beganMs > AGAIN_MAX_MS
          ? AGAIN_FIRST_MS
          : Math.min(2 * waitMs, AGAIN_MAX_MS);
      await clock.sleep(waitMs, signal).catch(() => {}); // the loop ends
    }
  }

  function offered(): readonly LoopTool[] {
    return [...held.values()].flatMap(({ config: { name: server }, tools }) =>
      targets.isLeftAlone(server)
        ? []
        : tools.flatMap((tool) => {
            const approval = approvalOf(server, tool);
            if (approval === undefined) return [];
            const { title, description, inputSchema, isDestructive, isIdempotent } = tool;
            return [
              {
                name: `${server}.${tool.name}`,
                title,
                description,
                inputSchema,
                hazardClass: approval.hazardClass,
                effect: "once" as const, // whether it only reads is its server's word alone
                role: ROLE,
                isDestructive,
                isIdempotent,
                isOpenWorld: true,
                server,
              },
            ];
          }),
    );
  }

  async function call(
    name: string,
    given: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<unknown> {
    const server = name.slice(0, name.indexOf("."));
    const one = held.get(server);
    if (one === undefined) throw new GantryError("not_found", `There is no tool ${name}`);
    targets.admit(server); // FS3
    try {
      if (clock.monotonic() - one.listedAtMs > FRESH_MS) await list(one, signal); // FS2
    } catch (error) {
      if (signal.aborted) {
        targets.givenUp(server);
        throw new GantryError("cancelled", "The call was given up");
      }
      targets.failed(server);
      if (error instanceof GantryError) throw error;
      throw new GantryError("unreachable", `${server} did not answer`);
    }
    const tool = one.tools.find((of) => `${server}.${of.name}` === name);
    if (
      tool === undefined ||
      one.connection === undefined ||
      approvalOf(server, tool) === undefined
    ) {
      targets.answered(server);
      const message = `${name} is not what was agreed to: a person must look at it again`;
      throw new GantryError("forbidden", message); // FS1
    }
    try {
      const limit = clock.timeout(TIMEOUT.mcpCallMs, signal);
      const text = await one.connection.call(tool.name, given, limit);
      targets.answered(server);
      return text;
    } catch (error) {
      if (error instanceof GantryError && error.code === "outcome_unknown") targets.failed(server);
      else if (signal.aborted) targets.givenUp(server);
      else targets.answered(server);
      throw error;
    }
  }

  return {
    offered,
    call,
    async run(signal) {
      await Promise.all([...held.values()].map((one) => keep(one, signal)));
    },
    states: () =>
      [...held.values()].map(({ config, connection, tools, error }) => {
        const isResting = targets.isLeftAlone(config.name);
        return {
          name: config.name,
          kind: "url" in config ? "http" : "stdio",
          state: isResting ? "resting" : connection === undefined ? "offline" : "online",
          ...(error === undefined ? {} : { error }),
          tools,
        };
      }),
  };
}
