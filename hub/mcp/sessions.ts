// MCP over Streamable HTTP: which session a request belongs to.
//
// MS1. A session belongs to the token that opened it: for any other it is not there.
// MS2. At LIMIT.mcpSessions the one used longest ago is closed; its client gets 404 and begins anew.
// MS3. A session ends with its token.

import { randomUUID } from "node:crypto";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { makeEventStore } from "./event-store.ts";
import type { McpOffer } from "./offer.ts";
import { makeMcpSession, type McpSession } from "./server.ts";

/** How soon a client whose stream ended may come back, ms. */
const RETRY_MS = 500;

export interface McpSessions {
  /** `owner`: who sends it, e.g. the hash of a token. */
  handle(request: Request, owner: string): Promise<Response>;
  /** MS3. */
  endOf(owner: string): Promise<void>;
  owners(): readonly string[];
  readonly count: () => number;
  close(): Promise<void>;
}

export interface McpSessionsParts {
  readonly offerFor: (owner: string) => McpOffer;
  readonly version: string;
  readonly sessionsMax?: number;
}

interface Open extends McpSession {
  readonly owner: string;
  readonly transport: WebStandardStreamableHTTPServerTransport;
}

export function makeMcpSessions(parts: McpSessionsParts): McpSessions {
  const { offerFor, version, sessionsMax = LIMIT.mcpSessions.max } = parts;
  const open = new Map<string, Open>();

  async function begin(request: Request, owner: string): Promise<Response> {
    const session = makeMcpSession(offerFor(owner), version);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: makeEventStore(),
      retryInterval: RETRY_MS,
      keepAliveMs: TIMEOUT.sseHeartbeatMs,
      maxRequestBodySize: LIMIT.bodyBytes.max,
      onsessioninitialized(id) {
        open.set(id, { ...session, owner, transport });
        const oldest = open.entries().next();
        if (open.size > sessionsMax && oldest.done !== true) void end(...oldest.value); // MS2
      },
      onsessionclosed(id) {
        open.delete(id);
        void session.close();
      },
    });
    await session.server.connect(transport);
    const response = await transport.handleRequest(request);
    if (transport.sessionId === undefined) await session.close(); // it was no greeting
    return response;
  }

  async function end(id: string, session: Open): Promise<void> {
    open.delete(id);
    await session.close();
  }

  return {
    async handle(request, owner) {
      const id = request.headers.get("mcp-session-id");
      if (id === null) return begin(request, owner);
      const found = open.get(id);
      if (found?.owner !== owner) return noSession(); // MS1
      open.delete(id); // MS2: it was used last now
      open.set(id, found);
      return found.transport.handleRequest(request);
    },
    async endOf(owner) {
      const theirs = [...open].filter(([, session]) => session.owner === owner);
      await Promise.all(theirs.map(([id, session]) => end(id, session)));
    },
    owners: () => [...new Set([...open.values()].map(({ owner }) => owner))],
    count: () => open.size,
    async close() {
      await Promise.all([...open].map(([id, session]) => end(id, session)));
    },
  };
}

function noSession(): Response {
  const error = { code: -32_001, message: "Session not found" };
  return Response.json({ jsonrpc: "2.0", error, id: null }, { status: 404 });
}
