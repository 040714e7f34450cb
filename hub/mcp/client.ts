// One connection to another MCP server: open, list tools, call, close. It asks nothing of our people and has
// no model to lend.
//
// CM1. What the server sends is bounded: tools, characters of each, characters of a result.
// CM2. A call that was sent and not answered is `outcome_unknown`: it is not sent again from here.
// CM3. Secrets of the configuration are taken out of whatever the server says.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  CallToolResultSchema,
  McpError,
  type Tool,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { PinnedFetch } from "../adapters/pinned-fetch.ts";
import { secretsOf, type ServerConfig } from "./servers-config.ts";

const PAGES_MAX = 16;
// JSON-RPC 2.0, section 5.1.
const METHOD_NOT_FOUND = -32_601;
const INVALID_PARAMS = -32_602;

/** A tool as its server describes it now. */
export interface ForeignTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly isDestructive: boolean;
  readonly isIdempotent: boolean;
  /** Of everything that a person or a model reads of it. */
  readonly sha256: string;
}

export interface ServerConnection {
  tools(signal: AbortSignal): Promise<readonly ForeignTool[]>;
  /** Text of what it gave. Throws command_failed (it said so), outcome_unknown, cancelled. */
  call(
    tool: string,
    given: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<string>;
  onToolsChanged(handler: () => void): void;
  onClose(handler: () => void): void;
  /** For tests of the protocol. */
  readonly client: Client;
  close(): Promise<void>;
}

export interface ConnectOptions {
  readonly fetch: PinnedFetch;
  readonly version: string;
  readonly signal: AbortSignal;
  /** Left out: the plain client. */
  readonly client?: Client;
}

/** Throws unreachable, egress_denied or timeout, without a secret in it. */
export async function connectServer(
  config: ServerConfig,
  options: ConnectOptions,
): Promise<ServerConnection> {
  const secrets = secretsOf(config);
  const clean = (text: string): string =>
    secrets.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text); // CM3
  const client = options.client ?? new Client({ name: "gantry", version: options.version });
  const transport = transportOf(config, options);
  try {
    await client.connect(transport, { signal: options.signal, timeout: TIMEOUT.mcpConnectMs });
  } catch (cause) {
    await client.close().catch(() => {});
    const denied = deniedIn(cause);
    if (denied !== undefined) throw denied;
    throw new GantryError(
      "unreachable",
      clean(`${config.name} did not answer: ${messageOf(cause)}`),
    );
  }

  return {
    client,
    async tools(signal) {
      const tools: Tool[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const params = cursor === undefined ? {} : { cursor };
        const reply = await client.listTools(params, { signal, timeout: TIMEOUT.mcpConnectMs });
        tools.push(...reply.tools);
        cursor = reply.nextCursor;
        if (cursor === undefined || tools.length >= LIMIT.mcpTools.max) break;
      }
      return tools.slice(0, LIMIT.mcpTools.max).map(toolOf).filter(isSmall); // CM1
    },
    async call(tool, given, signal) {
      try {
        const request = { name: tool, arguments: given };
        const timeout = { timeout: TIMEOUT.mcpCallMs, maxTotalTimeout: TIMEOUT.mcpCallMs };
        const result = await client.callTool(request, CallToolResultSchema, { signal, ...timeout });
        const text = clean(textOf(Array.isArray(result.content) ? result.content : [])).slice(
          0,
          LIMIT.bodyBytes.max,
        ); // CM1
        if (result.isError === true) throw new GantryError("command_failed", text.slice(0, 1_000));
        return text;
      } catch (cause) {
        if (cause instanceof GantryError) throw cause;
        if (signal.aborted)
          throw new GantryError("cancelled", "The call was given up", { cause: signal.reason });
        const said = clean(messageOf(cause)).slice(0, 500);
        const code = cause instanceof McpError ? cause.code : undefined;
        if (code === INVALID_PARAMS) throw new GantryError("bad_request", said);
        if (code === METHOD_NOT_FOUND) throw new GantryError("not_found", said);
        throw new GantryError("outcome_unknown", `${config.name} gave no answer: ${said}`); // CM2
      }
    },
    onToolsChanged(handler) {
      client.setNotificationHandler(ToolListChangedNotificationSchema, handler);
    },
    onClose(handler) {
      client.onclose = handler; // eslint-disable-line unicorn/prefer-add-event-listener -- it is no EventTarget
    },
    close: () => client.close(),
  };
}

function transportOf(config: ServerConfig, { fetch }: ConnectOptions): Transport {
  if ("command" in config) {
    const { command, args, env } = config;
    // What it writes for people may hold what it was given: it is not ours to keep.
    return new StdioClientTransport({ command, args: [...args], env, stderr: "ignore" });
  }
  return new StreamableHTTPClientTransport(new URL(config.url), {
    fetch,
    requestInit: { headers: config.headers },
  });
}

function toolOf(tool: Tool): ForeignTool {
  const { name, title, description = "", inputSchema, outputSchema, annotations = {} } = tool;
  return {
    name,
    title: title ?? annotations.title ?? name,
    description,
    inputSchema,
    isDestructive: annotations.destructiveHint !== false,
    isIdempotent: annotations.idempotentHint === true,
    sha256: digestOf({ name, title, description, inputSchema, outputSchema, annotations }),
  };
}

const NAME = /^[A-Za-z0-9_.-]{1,90}$/;
const isSmall = ({ name, description, inputSchema }: ForeignTool): boolean =>
  NAME.test(name) &&
  description.length + JSON.stringify(inputSchema).length <= LIMIT.mcpToolChars.max;

function textOf(content: readonly unknown[]): string {
  const parts = content.map((part) => {
    const { type, text, mimeType } = part as { type?: unknown; text?: unknown; mimeType?: unknown };
    if (typeof text === "string") return text;
    return `[${String(type)}${typeof mimeType === "string" ? ` ${mimeType}` : ""}]`;
  });
  return parts.join("\n");
}

const messageOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : "no reason";

/** The policy's refusal, however deep a library has put it. */
function deniedIn(cause: unknown): GantryError | undefined {
  for (
    let at: unknown = cause, depth = 0;
    at instanceof Error && depth < 5;
    at = at.cause, depth += 1
  )
    if (at instanceof GantryError && at.code === "egress_denied") return at;
  return undefined;
}
