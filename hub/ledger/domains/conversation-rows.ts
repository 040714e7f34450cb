// Rows of conversations: how a message is added, how a question is closed, what it cost.
// The letters are those of asking.ts.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type {
  ConversationRow,
  MessageRow,
  QuestionRow,
  Routing,
  SpendRow,
  Usage,
} from "@gantry/shared/contract/rows.ts";
import { type Context, rowOf } from "../context.ts";

const FREE: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, costMicroUsd: 0 };

export const messageId = (conversation: string, seq: number): string => `${conversation}/${seq}`;

type Said = Pick<MessageRow, "id" | "role" | "text" | "person"> &
  Partial<Pick<MessageRow, "routing" | "usage" | "confirmation" | "error">>;

/** A2. */
export function say(context: Context, talk: ConversationRow, said: Said): MessageRow {
  const { rows, command } = context;
  const message: MessageRow = {
    ...said,
    conversation: talk.id,
    seq: talk.messages,
    atMs: command.atMs,
    requestId: command.requestId,
  };
  rows.cool("message", messageId(talk.id, message.seq), message);
  const after = { ...talk, messages: talk.messages + 1, changedAtMs: command.atMs };
  rows.cool("conversation", talk.id, after);
  const last = { role: message.role, text: message.text, atMs: message.atMs };
  context.emit("conversation.changed", talk.id, { ...after, last }, talk.person);
  return message;
}

/** A1. */
export function openQuestion(context: Context, id: string): QuestionRow {
  const question = context.rows.hot("question").get(id);
  if (question === undefined) throw new GantryError("conflict", `Question ${id} is closed already`);
  return question;
}

export interface Answer {
  readonly text: string;
  readonly routing: Routing;
  readonly usage?: Usage;
  readonly confirmation?: string;
}

/** Records the answer, the decision and the cost, and closes the question. */
export function closeQuestion(
  context: Context,
  id: string,
  message: string,
  answer: Answer,
): MessageRow {
  const question = openQuestion(context, id);
  const usage = answer.usage ?? FREE;
  const talk = rowOf(context, "conversation", question.conversation, "conversation");
  const said = say(context, talk, {
    id: message,
    role: "assistant",
    person: question.person,
    ...answer,
    usage,
  });
  finish(context, question, said);
  spend(context, question.person, answer.routing, usage);
  const { tier, model, cached, reason } = answer.routing;
  context.audit("question.answered", id, {
    tier,
    model,
    cached,
    reason,
    costMicroUsd: usage.costMicroUsd,
  });
  context.emit(
    "question.answered",
    id,
    { conversation: talk.id, seq: said.seq, tier, model },
    question.person,
  );
  return said;
}

export function finish({ rows }: Context, question: QuestionRow, said: MessageRow): void {
  rows.remove("question", question.id);
  rows.cool("answer", question.id, messageId(question.conversation, said.seq));
}

/** A4. Days are UTC. */
function spend({ rows, command }: Context, person: string, routing: Routing, usage: Usage): void {
  const day = new Date(command.atMs).toISOString().slice(0, 10);
  const { tier, model } = routing;
  const id = `${day}|${person}|${tier}|${model}`;
  const before: SpendRow = rows.get("spend", id) ?? {
    day,
    person,
    tier,
    model,
    answers: 0,
    cachedAnswers: 0,
    promptTokens: 0,
    completionTokens: 0,
    costMicroUsd: 0,
  };
  rows.put("spend", id, {
    ...before,
    answers: before.answers + 1,
    cachedAnswers: before.cachedAnswers + (routing.cached ? 1 : 0),
    promptTokens: before.promptTokens + usage.promptTokens,
    completionTokens: before.completionTokens + usage.completionTokens,
    costMicroUsd: before.costMicroUsd + usage.costMicroUsd,
  });
}
