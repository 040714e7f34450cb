// Use cases: asking, conversations, confirmations, OpenAI completions.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type {
  CompletionReply,
  CompletionRequest,
  EmbeddingsReply,
  EmbeddingsRequest,
  ModelView,
  TokenLogprob,
} from "@gantry/shared/contract/completions.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { ConfirmationRow, ConversationRow, MessageRow } from "@gantry/shared/contract/rows.ts";
import type {
  ConversationView,
  QueryReply,
  QueryRequest,
} from "@gantry/shared/contract/schemas/asking.ts";
import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import type { BodyOf, ReplyOf } from "@gantry/shared/contract/schemas/table.ts";
import { VERBOSITY_DEFAULT, verbosityInstruction } from "../asking/instructions.ts";
import { act, newId } from "../hub.ts";
import { messageId } from "../ledger/domains/conversation-rows.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { actorOf, byOf, type DeskParts, pageOf, paramOf, seesAll } from "./context.ts";
import { confirmationView, conversationView, messageView } from "./views.ts";

export const RULES_MODEL = "gantry";
const nothing = (): void => {};

export async function query(
  parts: DeskParts,
  request: DeskRequest,
  { signal, onText = nothing, onPlace, pace }: DeskCallOptions,
): Promise<QueryReply> {
  const { hub, ask } = parts;
  const body = request.body as QueryRequest;
  const { dataClass, confidence, verbosity, deadlineMs, pictures } = body;
  const hint = verbosityInstruction(verbosity);
  const message = await ask.ask(
    {
      actor: actorOf(request),
      by: byOf(request),
      conversation: body.conversationId ?? newId(hub, "cnv"),
      text: body.prompt,
      ...(body.provider === undefined ? {} : { provider: body.provider }),
      ...(body.model === undefined ? {} : { model: body.model }),
      isFresh: body.freshnessRequired ?? false,
      mayAct: body.toolMode !== "off",
      ...(body.useAgent === true ? { useAgent: true } : {}),
      sampling: {},
      onText,
      ...(onPlace === undefined ? {} : { onPlace }),
      ...(pace === undefined ? {} : { pace }),
      ...(dataClass === undefined ? {} : { dataClass }),
      ...(confidence === undefined ? {} : { confidence }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(pictures === undefined ? {} : { pictures }),
      ...(hint === undefined ? {} : { hint }),
    },
    signal,
  );
  return queryReply(parts, message, verbosity);
}

/** By a machine of the house or by a provider, as any question. */
export async function translated(
  { hub, ask }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<ReplyOf<"translated">> {
  const { text, to, from, provider, model, dataClass } = request.body as BodyOf<"translated">;
  const message = await ask.ask(
    {
      actor: actorOf(request),
      by: byOf(request),
      conversation: newId(hub, "cnv"),
      text: `translate ${from === undefined ? "" : `from ${from} `}to ${to}: ${text}`,
      ...(provider === undefined ? {} : { provider }),
      ...(model === undefined ? {} : { model }),
      ...(dataClass === undefined ? {} : { dataClass }),
      isFresh: false,
      mayAct: false,
      sampling: {},
      onText: nothing,
    },
    signal,
  );
  const { routing, usage, requestId } = message;
  if (routing === undefined || usage === undefined)
    throw new GantryError("internal", "An answer has no routing");
  return { requestId, text: message.text.trim(), routing, usage };
}

function queryReply(
  { hub }: DeskParts,
  message: MessageRow,
  verbosity = VERBOSITY_DEFAULT,
): QueryReply {
  const { routing, usage, conversation, requestId, id, text } = message;
  if (routing === undefined || usage === undefined)
    throw new GantryError("internal", "An answer has no routing");
  const asked =
    message.confirmation === undefined
      ? undefined
      : hub.rows.get("confirmation", message.confirmation);
  const print =
    asked?.action.type === "print" ? hub.rows.get("print", asked.action.job) : undefined;
  const waits = asked?.state === "pending";
  return {
    requestId,
    conversationId: conversation,
    messageId: id,
    result: { output: text, verbosity },
    routing,
    usage,
    requiresConfirmation: waits,
    ...(asked === undefined
      ? {}
      : {
          pendingTool: asked.action.type,
          hazardClass: asked.hazardClass,
          confirmation: confirmationView(asked, hub.stampMs()),
        }),
    ...(print === undefined ? {} : { job: { id: print.id, state: print.state } }),
  };
}

export function conversations(parts: DeskParts, request: DeskRequest): unknown {
  const { rows, clock } = parts.hub;
  const name = `person/${actorOf(request).person}`;
  const { items, next } = pageOf(request, rows.get("count", name) ?? 0, (place) => {
    const id = rows.get("order", `${name}/${place}`);
    const row = id === undefined ? undefined : rows.get("conversation", id);
    return row === undefined ? undefined : conversationView(rows, row, clock.now());
  });
  return { conversations: items, ...(next === undefined ? {} : { next }) };
}

export function conversation(parts: DeskParts, request: DeskRequest): unknown {
  const { rows, clock } = parts.hub;
  const row = ownConversation(parts, request, paramOf(request, "id"));
  const { messages: total, ...view }: ConversationView = conversationView(rows, row, clock.now());
  const { items, next } = pageOf(request, row.messages, (place) =>
    rows.get("message", messageId(row.id, place)),
  );
  const messages = items.toReversed().map(messageView);
  return { ...view, total, messages, ...(next === undefined ? {} : { next }) };
}

/** Somebody else's conversation is not there. */
function ownConversation({ hub }: DeskParts, request: DeskRequest, id: string): ConversationRow {
  const row = hub.rows.get("conversation", id);
  const { person, role } = actorOf(request);
  if (row === undefined || (row.person !== person && !mayAct(role, "admin"))) {
    throw new GantryError("not_found", `There is no conversation ${id}`);
  }
  return row;
}

// ── confirmations ───────────────────────────────────────────────────────────────────────────────

export function confirmations({ hub }: DeskParts, request: DeskRequest): unknown {
  const { person, role } = actorOf(request);
  const rows = [...hub.rows.hot("confirmation").values()].filter(
    (row) => row.person === person || seesAll(role),
  );
  return { confirmations: rows.map((row) => confirmationView(row, hub.stampMs())) };
}

export function confirmation(parts: DeskParts, request: DeskRequest): ConfirmationView {
  return confirmationView(findConfirmation(parts, request), parts.hub.stampMs());
}

/** By its own id, by the conversation that waits for it, or by the job it lets go. */
function findConfirmation({ hub }: DeskParts, request: DeskRequest): ConfirmationRow {
  const id = paramOf(request, "id");
  const { rows } = hub;
  const byOther =
    rows.get("conversation", id)?.pending ??
    rows.get("print", id)?.confirmation ??
    rows.get("job", id)?.confirmation;
  const row =
    rows.get("confirmation", id) ??
    (byOther === undefined ? undefined : rows.get("confirmation", byOther));
  const { person, role } = actorOf(request);
  const isVisible = row !== undefined && (row.person === person || seesAll(role));
  if (!isVisible)
    throw new GantryError("not_found", `Nothing waits for a confirmation under ${id}`);
  return row;
}

export async function confirm(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const row = findConfirmation(parts, request);
  const { phrase } = request.body as { phrase: string | null };
  const body = {
    type: "confirmationConsumed" as const,
    confirmation: row.id,
    phrase,
    role: actorOf(request).role,
  };
  const value = await act(parts.hub, body, byOf(request), signal);
  return { job: (value as { job: unknown }).job }; // domains/confirmations.ts
}

export async function confirmationCancelled(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const row = findConfirmation(parts, request);
  const { person, role } = actorOf(request);
  if (row.person !== person && !mayAct(role, "safety")) {
    throw new GantryError("wrong_person", `${row.person} asked for this`);
  }
  await act(
    parts.hub,
    { type: "confirmationCancelled", confirmation: row.id },
    byOf(request),
    signal,
  );
  return { ok: true };
}

// ── OpenAI ──────────────────────────────────────────────────────────────────────────────────────

export async function chatCompletions(
  parts: DeskParts,
  request: DeskRequest,
  { signal, onText = nothing, onPlace, pace }: DeskCallOptions,
): Promise<CompletionReply> {
  const { ask } = parts;
  const actor = actorOf(request);
  const body = request.body as CompletionRequest;
  const last = body.messages.findLast(({ role }) => role === "user") ?? body.messages.at(-1);
  if (last === undefined) throw new GantryError("bad_request", "There is no message");
  const { messages, model, pictures, ...sampling } = body;
  let logprobs: readonly TokenLogprob[] | undefined;
  const message = await ask.ask(
    {
      actor,
      by: byOf(request),
      conversation: `api_${actor.token}`,
      text: last.content,
      ...(model === undefined || model === RULES_MODEL ? {} : { model }),
      isFresh: false,
      mayAct: true,
      workload: "api",
      ...(pictures === undefined ? {} : { pictures }),
      messages,
      sampling,
      onText,
      ...(onPlace === undefined ? {} : { onPlace }),
      ...(pace === undefined ? {} : { pace }),
      onLogprobs: (told) => {
        logprobs = told;
      },
    },
    signal,
  );
  const { routing, usage } = queryReply(parts, message);
  const finishReason = routing.metadata["finishReason"] === "length" ? "length" : "stop";
  return {
    id: message.id,
    createdAtMs: message.atMs,
    text: message.text,
    finishReason,
    routing,
    usage,
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}

export async function embeddings(
  { models }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<EmbeddingsReply> {
  const { input } = request.body as EmbeddingsRequest;
  const { tag, vectors, tokens } = await models.embed(input, signal);
  return { model: tag, vectors, promptTokens: tokens };
}

export function models({ hub, models: offered, cloud }: DeskParts): readonly ModelView[] {
  const chat = offered.offers().map(({ node, model, live }) => ({
    id: model.name,
    createdAtMs: node.changedAtMs,
    node: node.name,
    contextTokens: model.contextTokens,
    kind: "chat" as const,
    sizeBytes: model.sizeBytes,
    slots: model.slots,
    ...(live?.isLoaded === undefined ? {} : { isLoaded: live.isLoaded }),
  }));
  const embedders = [...hub.rows.hot("node").values()].flatMap((node) => {
    const { embedder } = node.capabilities;
    if (node.state !== "alive" || embedder === undefined) return [];
    return [
      {
        id: embedder.tag,
        createdAtMs: node.changedAtMs,
        node: node.name,
        contextTokens: 256,
        kind: "embedding" as const,
      },
    ];
  });
  const rules = {
    id: RULES_MODEL,
    createdAtMs: 0,
    node: hub.id,
    contextTokens: 0,
    kind: "rule" as const,
  };
  const bought = (cloud?.views() ?? [])
    .filter(({ hasKey }) => hasKey)
    .flatMap(({ name: node, models: each }) =>
      each.map(({ name: id, contextTokens }) => ({
        id,
        createdAtMs: 0,
        node,
        contextTokens,
        kind: "chat" as const,
      })),
    );
  return [rules, ...chat, ...embedders, ...bought];
}
