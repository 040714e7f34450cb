// Questions and answers. A question is on record before anything is done about it; the answer, the
// decision how it was found, its cost, its cache entry and what it sets in motion are one command.
//
// A1. A question is closed exactly once, by an answer or by a failure.
// A2. Messages of a conversation are numbered by the order of the log, without a gap.
// A3. A conversation belongs to one person; for all others it does not exist.
// A4. Sums of money and tokens change in the same command as the message that caused them.
// A5. An answer sets at most one thing in motion, so that a refusal refuses all of it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { AnswerEffect, CommandOf } from "@gantry/shared/contract/commands.ts";
import type { ConversationRow, QuestionRow } from "@gantry/shared/contract/rows.ts";
import { appendOrder, checkNew, type Context, rowOf } from "../context.ts";
import { finish, closeQuestion, openQuestion, say } from "./conversation-rows.ts";
import { addPrint, clearBed, wish } from "./prints.ts";
import { openReservation, settle } from "./spend.ts";

const TITLE_CHARS = 60;
export function questionAsked(context: Context, command: CommandOf<"questionAsked">): unknown {
  const { message: id, text, atMs, actor, role, requestId, provider, model } = command;
  checkNew(context, "question", id, "question");
  checkNew(context, "answer", id, "answered question");
  const talk = conversationOf(context, command);
  const said = say(context, talk, { id, role: "user", text, person: actor });
  const row: QuestionRow = {
    id,
    conversation: said.conversation,
    seq: said.seq,
    person: actor,
    role,
    requestId,
    text,
    atMs,
    ...(provider === undefined ? {} : { provider }),
    ...(model === undefined ? {} : { model }),
  };
  context.rows.put("question", id, row);
  context.emit("question.asked", id, { conversation: row.conversation, seq: row.seq }, actor);
  return { conversation: row.conversation, question: id, seq: row.seq };
}

/** A3: an unknown id starts a conversation of that id; somebody else's is not found. */
function conversationOf(context: Context, command: CommandOf<"questionAsked">): ConversationRow {
  const { conversation: id, actor: person, atMs, text } = command;
  const known = context.rows.get("conversation", id);
  if (known !== undefined) {
    if (known.person !== person)
      throw new GantryError("not_found", `There is no conversation ${id}`);
    return known;
  }
  appendOrder(context, `person/${person}`, id);
  const title = text.replaceAll(/\s+/gu, " ").trim().slice(0, TITLE_CHARS);
  return { id, person, title, createdAtMs: atMs, changedAtMs: atMs, messages: 0 };
}

export function answerGiven(context: Context, command: CommandOf<"answerGiven">): unknown {
  const question = openQuestion(context, command.question);
  if (command.effects.length > 1) {
    throw new GantryError("bad_request", "An answer may set one thing in motion"); // A5
  }
  const effects = command.effects.map((effect) => carryOut(context, effect, question));
  const draft = command.effects.find((effect) => effect.type === "print");
  const message = closeQuestion(context, question.id, command.message, {
    text: command.text,
    routing: command.routing,
    usage: command.usage,
    ...(draft?.confirmation === undefined ? {} : { confirmation: draft.confirmation.id }),
  });
  if (command.cache !== undefined) keepAnswer(context, command.cache, command);
  return { message: message.id, seq: message.seq, effects };
}

/** The answer and its price in one entry: neither is on record without the other. */
export function answerBought(context: Context, command: CommandOf<"answerBought">): unknown {
  const reserved = openReservation(context, command.reservation);
  const given = answerGiven(context, { ...command, type: "answerGiven" });
  settle(context, reserved, "reported", command.usage.costMicroUsd);
  return given;
}

function carryOut(context: Context, effect: AnswerEffect, question: QuestionRow): unknown {
  switch (effect.type) {
    case "print":
      return addPrint(context, effect, question.person);
    case "printWish":
      return wish(context, effect.job, effect.wish);
    case "bedCleared":
      return clearBed(context, effect.device, undefined);
  }
}

export function answerFailed(context: Context, command: CommandOf<"answerFailed">): unknown {
  const question = openQuestion(context, command.question);
  const talk = rowOf(context, "conversation", question.conversation, "conversation");
  const { error, message: id } = command;
  const said = say(context, talk, {
    id,
    role: "assistant",
    text: "",
    person: question.person,
    error,
  });
  finish(context, question, said);
  context.audit("question.failed", question.id, { code: error.code });
  context.emit(
    "question.failed",
    question.id,
    { conversation: talk.id, seq: said.seq, error },
    question.person,
  );
  return { message: said.id, seq: said.seq };
}

/** A bounded ring: the slot of the new answer drops the oldest one. */
function keepAnswer(
  { rows }: Context,
  { key, prompt, expiresAtMs }: { key: string; prompt: string; expiresAtMs: number },
  { text, routing, usage, atMs }: CommandOf<"answerGiven">,
): void {
  const made = rows.get("count", "cache") ?? 0;
  const slot = `cache/${made % LIMIT.cacheRows.max}`;
  const dropped = rows.get("order", slot);
  if (dropped !== undefined && dropped !== key) rows.remove("cache", dropped);
  rows.cool("order", slot, key);
  rows.cool("count", "cache", made + 1);
  rows.cool("cache", key, { key, prompt, text, routing, usage, atMs, expiresAtMs });
}

/** With a key: that answer. Without: all of them, by starting a new generation of keys. */
export function cacheCleared(context: Context, command: CommandOf<"cacheCleared">): unknown {
  const { rows } = context;
  if (command.key !== undefined) rows.remove("cache", command.key);
  else rows.put("count", "cacheGeneration", (rows.get("count", "cacheGeneration") ?? 0) + 1);
  context.audit("cache.cleared", command.key ?? "all");
  return { ok: true };
}
