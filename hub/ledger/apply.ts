// The fold: one log entry onto the ledger. Pure and synchronous; the same entries give the same rows
// on every hub, for ever.
//
// L1. A refused command writes no row (asserted) but the ledger's time and, for a command of a client
//     session, the session's own; its reply is an error record.
// L2. Positions are log positions of commands: 1, 2, 3 ... over all entries, without a gap.
// L3. A command with a `replay` key runs at most once; the same request gets the first answer again,
//     another request under the same key is refused.
// L4. One journal row per entry: its audit rows and events (journal.ts).
// L5. The ledger's time is the greatest time of all commands, refused ones too: it never goes back.
//     Every expiry is judged by it, so a hub whose clock is behind revives nothing.
// L6. A command of a client session runs only when it is its number's turn (domains/sessions.ts).
// L7. An entry with a command that this release does not know changes nothing, not even by the other
//     commands in it, and is never passed over: it ends the fold with release_too_old.

import { assert } from "@gantry/shared/base/assert.ts";
import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { Command, CommandOf, CommandType, Reply } from "@gantry/shared/contract/commands.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { AuditRow } from "@gantry/shared/contract/rows.ts";
import { type Context, ledgerTimeMs, TIME_ID } from "./context.ts";
import * as agents from "./domains/agents.ts";
import * as goals from "./domains/goals.ts";
import * as artifacts from "./domains/artifacts.ts";
import * as asking from "./domains/asking.ts";
import * as budgets from "./domains/budgets.ts";
import * as cache from "./domains/cache.ts";
import * as cluster from "./domains/cluster.ts";
import * as confirmations from "./domains/confirmations.ts";
import * as farm from "./domains/farm.ts";
import * as flags from "./domains/flags.ts";
import * as jobs from "./domains/jobs.ts";
import * as knowledge from "./domains/knowledge.ts";
import * as library from "./domains/library.ts";
import * as lockQueue from "./domains/lock-queue.ts";
import * as locks from "./domains/locks.ts";
import * as memory from "./domains/memory.ts";
import * as nodes from "./domains/nodes.ts";
import * as people from "./domains/people.ts";
import * as prints from "./domains/prints.ts";
import * as queues from "./domains/queues.ts";
import * as firing from "./domains/schedule-firing.ts";
import * as schedules from "./domains/schedules.ts";
import * as runHistory from "./domains/run-history.ts";
import * as runPatches from "./domains/run-patches.ts";
import * as runs from "./domains/runs.ts";
import * as responses from "./domains/responses.ts";
import * as sessions from "./domains/sessions.ts";
import * as spend from "./domains/spend.ts";
import * as work from "./domains/work.ts";
import * as workshop from "./domains/workshop.ts";
import * as workflows from "./domains/workflows.ts";
import * as webhooks from "./domains/webhooks.ts";
import { chainAudit, EMPTY_META, journalId, type LedgerMeta, META_ID } from "./journal.ts";
import type { Rows } from "./rows.ts";

type Handlers = {
  readonly [T in CommandType]: (context: Context, command: CommandOf<T>) => unknown;
};

const HANDLERS: Handlers = {
  tokenMade: people.tokenMade,
  tokenRevoked: people.tokenRevoked,
  joinCodeMade: nodes.joinCodeMade,
  nodeEnrolled: nodes.nodeEnrolled,
  nodeRegistered: nodes.nodeRegistered,
  nodeStateChanged: nodes.nodeStateChanged,
  printersChanged: nodes.printersChanged,
  questionAsked: asking.questionAsked,
  answerGiven: asking.answerGiven,
  answerBought: asking.answerBought,
  answerFailed: asking.answerFailed,
  budgetSet: budgets.budgetSet,
  budgetDropped: budgets.budgetDropped,
  spendReserved: spend.spendReserved,
  spendSettled: spend.spendSettled,
  responseKept: responses.responseKept,
  responseDropped: responses.responseDropped,
  cacheCleared: asking.cacheCleared,
  answerLearnt: cache.answerLearnt,
  cacheDropped: cache.cacheDropped,
  cacheAudited: cache.cacheAudited,
  memoryKept: memory.memoryKept,
  memoryReviewed: memory.memoryReviewed,
  memoryForgotten: memory.memoryForgotten,
  memoriesExpired: memory.memoriesExpired,
  knowledgeAdded: knowledge.knowledgeAdded,
  knowledgeRemoved: knowledge.knowledgeRemoved,
  knowledgeRefreshed: knowledge.knowledgeRefreshed,
  confirmationConsumed: confirmations.confirmationConsumed,
  confirmationCancelled: confirmations.confirmationCancelled,
  confirmationsTicked: confirmations.confirmationsTicked,
  printSubmitted: prints.printSubmitted,
  printKept: prints.printKept,
  printLeased: prints.printLeased,
  printReported: prints.printReported,
  printRefused: prints.printRefused,
  printWished: prints.printWished,
  printResolved: prints.printResolved,
  bedCleared: prints.bedCleared,
  emergencyStopped: prints.emergencyStopped,
  farmPrintSubmitted: farm.farmPrintSubmitted,
  printAssigned: farm.printAssigned,
  printRanked: farm.printRanked,
  printerProfiled: farm.printerProfiled,
  printerUnprofiled: farm.printerUnprofiled,
  printerMaintained: farm.printerMaintained,
  spoolKept: farm.spoolKept,
  spoolDropped: farm.spoolDropped,
  spoolLoaded: farm.spoolLoaded,
  bedJudged: farm.bedJudged,
  foundDecided: workshop.foundDecided,
  fleetChecked: workshop.fleetChecked,
  jobAdded: jobs.jobAdded,
  jobLeased: jobs.jobLeased,
  jobFinished: jobs.jobFinished,
  jobFailed: jobs.jobFailed,
  jobLeaseLost: jobs.jobLeaseLost,
  jobCancelled: jobs.jobCancelled,
  jobRequeued: jobs.jobRequeued,
  jobDropped: jobs.jobDropped,
  jobsAdded: work.jobsAdded,
  jobsLeased: work.jobsLeased,
  jobsEnded: work.jobsEnded,
  jobsDirected: work.jobsDirected,
  queueSet: queues.queueSet,
  queuePaused: queues.queuePaused,
  reignBegan: cluster.reignBegan,
  hubJoined: cluster.hubJoined,
  hubChanged: cluster.hubChanged,
  hubLeft: cluster.hubLeft,
  sessionOpened: sessions.sessionOpened,
  sessionClosed: sessions.sessionClosed,
  lockAcquired: locks.lockAcquired,
  lockRenewed: locks.lockRenewed,
  lockReleased: locks.lockReleased,
  lockExpired: locks.lockExpired,
  locksCheckpointed: locks.locksCheckpointed,
  lockWaitCancelled: lockQueue.lockWaitCancelled,
  lockWaitsExpired: lockQueue.lockWaitsExpired,
  flagSet: flags.flagSet,
  flagDeleted: flags.flagDeleted,
  workflowKept: workflows.workflowKept,
  workflowTagged: workflows.workflowTagged,
  libraryPatched: library.libraryPatched,
  libraryReverted: library.libraryReverted,
  libraryMade: library.libraryMade,
  runStarted: runs.runStarted,
  runsStarted: runs.runsStarted,
  runsAdvanced: runs.runsAdvanced,
  runCancelled: runs.runCancelled,
  runPaused: runs.runPaused,
  runResumed: runs.runResumed,
  runRetried: runs.runRetried,
  runResolved: runs.runResolved,
  runPatched: runPatches.runPatched,
  runPatchReverted: runPatches.runPatchReverted,
  ticketDecided: runs.ticketDecided,
  runBlobKept: runs.runBlobKept,
  goalProposed: goals.goalProposed,
  goalDecided: goals.goalDecided,
  goalTaskDone: goals.goalTaskDone,
  standingRan: goals.standingRan,
  goalsTicked: goals.goalsTicked,
  documentKept: artifacts.documentKept,
  artifactDropped: artifacts.artifactDropped,
  runsPacked: runHistory.runsPacked,
  runRestored: runHistory.runRestored,
  runPacksDropped: runHistory.runPacksDropped,
  scheduleMade: schedules.scheduleMade,
  scheduleChanged: schedules.scheduleChanged,
  schedulePaused: schedules.schedulePaused,
  scheduleResumed: schedules.scheduleResumed,
  scheduleDeleted: schedules.scheduleDeleted,
  scheduleFired: firing.scheduleFired,
  schedulePassed: firing.schedulePassed,
  agentTurnBegan: agents.agentTurnBegan,
  agentStepPlanned: agents.agentStepPlanned,
  agentSaid: agents.agentSaid,
  agentStepEnded: agents.agentStepEnded,
  agentTurnEnded: agents.agentTurnEnded,
  agentTurnCancelled: agents.agentTurnCancelled,
  toolApproved: agents.toolApproved,
  toolForgotten: agents.toolForgotten,
  webhookMade: webhooks.webhookMade,
  webhookDeleted: webhooks.webhookDeleted,
  webhookProgressed: webhooks.webhookProgressed,
  webhookRetried: webhooks.webhookRetried,
  webhookRedelivered: webhooks.webhookRedelivered,
};

export interface Ledger {
  readonly rows: Rows;
  /** Position of the last command applied. */
  position: number;
}

export interface Applied {
  /** One per command, in order. */
  readonly replies: readonly Reply[];
  readonly events: readonly LedgerEvent[];
}

/** Applies the commands of one log entry. Throws release_too_old (L7), and otherwise only for a bug. */
export function applyEntry(ledger: Ledger, commands: readonly Command[]): Applied {
  const { rows } = ledger;
  for (const { type } of commands) {
    if (!Object.hasOwn(HANDLERS, type)) throw tooOld(ledger, type); // L7
  }
  const first = ledger.position + 1;
  const before = rows.get("meta", META_ID) ?? EMPTY_META;
  const audit: AuditRow[] = [];
  const events: LedgerEvent[] = [];
  let meta: LedgerMeta = before;
  const timeBeforeMs = ledgerTimeMs(rows);
  let nowMs = timeBeforeMs;

  const emit: Context["emit"] = (type, subject, data, person) => {
    const event = { id: ledger.position, type, atMs: command.atMs, subject, data };
    events.push(person === undefined ? event : { ...event, person });
  };
  const chain: Context["audit"] = (action, object, detail = {}) => {
    const { atMs, actor, requestId } = command;
    const { position } = ledger;
    const row = chainAudit(meta, { position, atMs, actor, action, object, requestId, detail });
    audit.push(row);
    meta = { auditSeq: row.seq, auditHash: row.hash };
  };
  let command: Command; // the one that is being applied

  const replies: Reply[] = [];
  for (command of commands) {
    ledger.position += 1; // L2
    nowMs = Math.max(nowMs, command.atMs); // L5
    const { position } = ledger;
    replies.push(applyOne({ rows, command, position, nowMs, emit, audit: chain }));
  }

  if (nowMs > timeBeforeMs) rows.put("time", TIME_ID, nowMs);
  if (audit.length + events.length > 0) {
    rows.cool("journal", journalId(first), { audit, events }); // L4
    rows.put("meta", META_ID, meta);
  }
  return { replies, events };
}

/** Names the release that is needed: each hub says its own in the log, before it writes a new command. */
function tooOld({ rows, position }: Ledger, command: string): GantryError {
  const hubs = [...rows.hot("hub").values()];
  const format = Math.max(1, ...hubs.map((hub) => hub.format ?? 1));
  const releases = hubs.filter((hub) => (hub.format ?? 1) === format).map(({ version }) => version);
  const needed = [...new Set(releases)].toSorted().join(" or ");
  const install = needed === "" ? "the release of the other hubs" : `release ${needed}`;
  return new GantryError(
    "release_too_old",
    `The log has the command ${JSON.stringify(command.slice(0, 64))}, which this release does not know: install ${install} (log format ${format}) on this hub and start it again. Nothing was changed`,
    { details: { command: command.slice(0, 64), needed, format, afterPosition: position } },
  );
}

function applyOne(context: Context): Reply {
  const { session } = context.command;
  if (session === undefined) return runOnce(context);
  const answered = sessions.sessionReplyOf(context, session); // L6
  if (answered !== undefined) return answered;
  const reply = runOnce(context);
  sessions.keepSessionReply(context, session, reply);
  return reply;
}

function runOnce(context: Context): Reply {
  const { command, position, rows } = context;
  const replayed = command.replay === undefined ? undefined : replayOf(context, command.replay);
  if (replayed !== undefined) return replayed;
  const writes = rows.writes;
  try {
    const handle = HANDLERS[command.type] as (context: Context, command: Command) => unknown; // by type
    const reply: Reply = { ok: true, position, value: handle(context, command) };
    if (command.replay !== undefined) keepReplay(context, command.replay, reply);
    return reply;
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    assert(rows.writes === writes, `L1: ${command.type} was refused after it had written`);
    return { ok: false, position, error: toErrorRecord(error) };
  }
}

type ReplayKey = NonNullable<Command["replay"]>;

/** L3. */
function replayOf(
  { rows, nowMs, position }: Context,
  { key, requestSha256 }: ReplayKey,
): Reply | undefined {
  const row = rows.get("replay", key);
  if (row === undefined || row.atMs + LIFE.idempotencyMs < nowMs) return undefined;
  if (row.requestSha256 === requestSha256) return row.reply as Reply; // keepReplay wrote it
  const error: ErrorRecord = {
    code: "idempotency_mismatch",
    message: "This Idempotency-Key was used for another request",
  };
  return { ok: false, position, error };
}

/** A bounded ring, as the answer cache is one. Refusals are not kept: the cause may have passed. */
function keepReplay(
  { rows, nowMs }: Context,
  { key, requestSha256 }: ReplayKey,
  reply: Reply,
): void {
  const made = rows.get("count", "replays") ?? 0;
  const slot = `replay/${made % LIMIT.replays.max}`;
  const dropped = rows.get("order", slot);
  // A key used again after its time has a later slot, and outlives the one that comes round now.
  if (dropped !== undefined && rows.get("replay", dropped)?.slot === slot) {
    rows.remove("replay", dropped);
  }
  rows.cool("order", slot, key);
  rows.cool("count", "replays", made + 1);
  rows.cool("replay", key, { key, requestSha256, reply, atMs: nowMs, slot });
}
