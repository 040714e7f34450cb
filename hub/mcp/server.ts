// The protocol of one session over the SDK's server: an offer in, requests answered. It knows nothing of
// the hub.
//
// MC1. What a tool throws is told to the client's model as an error of the tool, never as a fault of the
//      protocol; a text of ours that is no GantryError is not told at all.
// MC2. Updates go out only for resources that this session subscribed to; at most LIMIT.mcpSubscriptions.

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  ElicitResultSchema,
  CreateMessageResultSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  type LoggingLevel,
  LoggingLevelSchema,
  McpError,
  ReadResourceRequestSchema,
  type ServerNotification,
  type ServerRequest,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CallContext, McpOffer } from "./offer.ts";

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

const COMPLETIONS_MAX = 100;
const LEVELS: readonly LoggingLevel[] = LoggingLevelSchema.options;

export interface McpSession {
  readonly server: Server;
  close(): Promise<void>;
}

export function makeMcpSession(offer: McpOffer, version: string): McpSession {
  const subscribed = new Set<string>();
  const ended = new AbortController();
  let level: LoggingLevel = "info";
  let isWatching = false;
  const server = new Server(
    { name: "gantry", title: "Gantry", version },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: {},
        completions: {},
        logging: {},
      },
      ...(offer.instructions === undefined ? {} : { instructions: offer.instructions }),
    },
  );

  function contextOf(extra: Extra): CallContext {
    const progressToken = extra._meta?.progressToken;
    return {
      signal: AbortSignal.any([extra.signal, ended.signal]),
      async progress(progress, total, message) {
        if (progressToken === undefined) return;
        const params = {
          progressToken,
          progress,
          total,
          ...(message === undefined ? {} : { message }),
        };
        await extra.sendNotification({ method: "notifications/progress", params });
      },
      async log(at, data) {
        if (LEVELS.indexOf(at) < LEVELS.indexOf(level)) return;
        const params = { level: at, logger: "gantry", data };
        await extra.sendNotification({ method: "notifications/message", params });
      },
      canElicit: server.getClientCapabilities()?.elicitation !== undefined,
      async elicit(message, requestedSchema) {
        if (server.getClientCapabilities()?.elicitation === undefined)
          throw new GantryError("capability_missing", "The client cannot ask its person");
        const request = {
          method: "elicitation/create" as const,
          params: { message, requestedSchema },
        };
        return extra.sendRequest(request, ElicitResultSchema, { timeout: LIFE.confirmationMs });
      },
      async sample(prompt, maxTokens) {
        if (server.getClientCapabilities()?.sampling === undefined)
          throw new GantryError("capability_missing", "The client has no model to ask");
        const params = {
          messages: [{ role: "user" as const, content: { type: "text" as const, text: prompt } }],
          maxTokens,
        };
        const request = { method: "sampling/createMessage" as const, params };
        const { content } = await extra.sendRequest(request, CreateMessageResultSchema);
        return content.type === "text" ? content.text : "";
      },
      endStream: () => extra.closeSSEStream?.(),
    };
  }

  server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
    level = params.level;
    return {};
  });
  server.setRequestHandler(ListToolsRequestSchema, async () => ({
    tools: [...(await told(() => offer.tools()))],
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    try {
      return await offer.call(params.name, params.arguments ?? {}, contextOf(extra));
    } catch (error) {
      if (extra.signal.aborted) throw error;
      return { isError: true, content: [{ type: "text", text: textOf(error) }] }; // MC1
    }
  });
  server.setRequestHandler(ListResourcesRequestSchema, async () => ({
    resources: [...(await told(() => offer.resources()))],
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [...offer.templates()],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params }, extra) =>
    told(() => offer.read(params.uri, extra.signal)),
  );
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    if (subscribed.size >= LIMIT.mcpSubscriptions.max && !subscribed.has(params.uri))
      throw new McpError(ErrorCode.InvalidRequest, "Too many resources are subscribed to"); // MC2
    subscribed.add(params.uri);
    if (!isWatching) {
      isWatching = true;
      offer.watch((uri) => {
        if (!subscribed.has(uri)) return; // MC2
        void server.sendResourceUpdated({ uri }).catch(() => {}); // its stream is gone
      }, ended.signal);
    }
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: [...offer.prompts()] }));
  server.setRequestHandler(GetPromptRequestSchema, async ({ params }, extra) =>
    told(() => offer.prompt(params.name, params.arguments ?? {}, extra.signal)),
  );
  server.setRequestHandler(CompleteRequestSchema, async ({ params }, extra) => {
    const { ref, argument } = params;
    const of =
      ref.type === "ref/prompt"
        ? { kind: "prompt" as const, name: ref.name }
        : { kind: "resource" as const, name: ref.uri };
    const values = await told(() =>
      offer.complete(of, argument.name, argument.value, extra.signal),
    );
    return {
      completion: {
        values: values.slice(0, COMPLETIONS_MAX),
        total: values.length,
        hasMore: values.length > COMPLETIONS_MAX,
      },
    };
  });

  return {
    server,
    async close() {
      ended.abort(new GantryError("cancelled", "The session has ended"));
      await server.close();
    },
  };
}

/** What the offer throws, as an error of the protocol. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof McpError) throw error;
    const code =
      error instanceof GantryError && error.code === "not_found"
        ? -32_002
        : ErrorCode.InternalError;
    throw new McpError(code, textOf(error));
  }
}

const textOf = (error: unknown): string =>
  error instanceof GantryError || error instanceof McpError
    ? error.message
    : "It failed for a reason that is in the hub's log";
