// What an MCP server offers, apart from how it is carried: the hub's own offer is desk-offer.ts, that of the
// conformance suite testing/fixtures.ts.

import type {
  CallToolResult,
  ElicitRequestFormParams,
  ElicitResult,
  GetPromptResult,
  LoggingLevel,
  Prompt,
  ReadResourceResult,
  Resource,
  ResourceTemplate,
  Tool,
} from "@modelcontextprotocol/sdk/types.js";

export interface CallContext {
  /** Aborts when the client cancels the call or its session ends. */
  readonly signal: AbortSignal;
  /** Does nothing for a caller who did not ask for it. */
  readonly progress: (done: number, total: number, message?: string) => Promise<void>;
  readonly log: (level: LoggingLevel, data: unknown) => Promise<void>;
  readonly canElicit: boolean;
  /** Asks the person at the client. Rejects where the client cannot. */
  readonly elicit: (
    message: string,
    schema: ElicitRequestFormParams["requestedSchema"],
  ) => Promise<ElicitResult>;
  /** Asks the client's model. Rejects where the client has none. */
  readonly sample: (prompt: string, maxTokens: number) => Promise<string>;
  /** Ends this call's stream; the client comes back for the answer. */
  readonly endStream: () => void;
}

export interface McpOffer {
  readonly instructions?: string;
  tools(): Promise<readonly Tool[]>;
  /** What it throws becomes a result with `isError`, told to the client's model. */
  call(
    name: string,
    given: Readonly<Record<string, unknown>>,
    context: CallContext,
  ): Promise<CallToolResult>;
  resources(): Promise<readonly Resource[]>;
  templates(): readonly ResourceTemplate[];
  /** Throws not_found. */
  read(uri: string, signal: AbortSignal): Promise<ReadResourceResult>;
  /** Tells of resources that changed, until the signal aborts. */
  watch(onChanged: (uri: string) => void, signal: AbortSignal): void;
  prompts(): readonly Prompt[];
  /** Throws not_found or bad_request. */
  prompt(
    name: string,
    given: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<GetPromptResult>;
  /** Values that begin with `value`, of an argument of a prompt or a resource template. */
  complete(
    of: { readonly kind: "prompt" | "resource"; readonly name: string },
    argument: string,
    value: string,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
}
