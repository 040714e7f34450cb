// Client sessions (shared/contract/sessions.ts): exactly once for a client that numbers its requests.
//
// S1. One reply is kept for each session: that of its last number, refusal or not. A retry gets it.
// S2. Only the next number runs; a smaller one, a gap, a session that is over or of somebody else do not.
// S3. A session that is over stays so: the ledger's time never goes back (apply.ts L5).
// S4. Sessions that are over are dropped at every SWEEP_EVERY-th opening and when the table is full.

import { type ErrorCode, GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf, Reply } from "@gantry/shared/contract/commands.ts";
import type { SessionRow } from "@gantry/shared/contract/rows.ts";
import type { SessionStamp } from "@gantry/shared/contract/sessions.ts";
import { checkNew, type Context, inOrder, rowOf } from "../context.ts";
import { releaseLocksOf } from "./locks.ts";

const SWEEP_EVERY = 256;

export const isSessionOver = (row: SessionRow, nowMs: number): boolean =>
  row.usedAtMs + LIFE.clientSessionMs < nowMs;

export function sessionOpened(context: Context, command: CommandOf<"sessionOpened">): unknown {
  const { rows, nowMs } = context;
  const { clientSession: id, actor } = command;
  checkNew(context, "session", id, "session");
  const opened = rows.get("count", "sessions") ?? 0;
  const { size } = rows.hot("session");
  const isFull = size >= LIMIT.clientSessions.max;
  const over =
    isFull || opened % SWEEP_EVERY === 0
      ? inOrder(context, "session").filter((row) => isSessionOver(row, nowMs))
      : [];
  if (isFull && over.length === 0) {
    throw new GantryError("busy", `${size} sessions are open already`, {
      details: { retryAfterS: 60 },
    });
  }
  for (const row of over) dropSession(context, row.id); // S4
  rows.put("session", id, { id, actor, openedAtMs: nowMs, usedAtMs: nowMs, seq: 0 });
  rows.put("count", "sessions", opened + 1);
  return { session: id };
}

export function sessionClosed(context: Context, command: CommandOf<"sessionClosed">): unknown {
  const row = rowOf(context, "session", command.clientSession, "session");
  if (row.actor !== command.actor) {
    throw new GantryError("forbidden", "Only who opened a session may close it");
  }
  dropSession(context, row.id);
  return { session: row.id };
}

function dropSession(context: Context, id: string): void {
  releaseLocksOf(context, "session", id);
  context.rows.remove("session", id);
}

/** What is answered without running the command (S1, S2); undefined if it is this number's turn. */
export function sessionReplyOf(
  { rows, command, position, nowMs }: Context,
  { id, seq, requestSha256 }: SessionStamp,
): Reply | undefined {
  const refuse = (code: ErrorCode, message: string, details = {}): Reply => ({
    ok: false,
    position,
    error: { code, message, details: { session: id, ...details } },
  });
  const row = rows.get("session", id);
  if (row === undefined || isSessionOver(row, nowMs)) {
    return refuse("session_expired", "This session is not known, or over"); // S3
  }
  if (row.actor !== command.actor) return refuse("forbidden", "This session is somebody else's");
  const next = row.seq + 1;
  if (seq > next) return refuse("sequence_gap", `The next number is ${next}`, { next });
  if (seq < row.seq) return refuse("stale_sequence", `The next number is ${next}`, { next });
  if (seq > row.seq) return undefined;
  if (requestSha256 !== row.requestSha256) {
    return refuse("idempotency_mismatch", `Number ${seq} was another request`);
  }
  return row.reply as Reply; // keepSessionReply wrote it
}

/** S1. The command may have closed its own session: then nothing is kept. */
export function keepSessionReply(
  { rows, nowMs }: Context,
  { id, seq, requestSha256 }: SessionStamp,
  reply: Reply,
): void {
  const row = rows.get("session", id);
  if (row === undefined) return;
  const { requestSha256: _, ...rest } = row;
  rows.put("session", id, {
    ...rest,
    usedAtMs: nowMs,
    seq,
    reply,
    ...(requestSha256 === undefined ? {} : { requestSha256 }),
  });
}
