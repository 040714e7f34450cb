// Hubs of two adjacent releases work together: what may be written into the log while they do. Pure.
//
// FG1. A command is written only when every hub that holds rows can apply it. Each hub says the format
//      it reads; the lowest counts, and a hub that says none in its facts reads the first one. While the
//      facts of a hub are not in the log yet, as in the first moments of a cluster, the answer is to
//      ask again.
// FG2. A command never changes what it does. What is to be done otherwise is another command, with a
//      line in NEW_COMMANDS: an older hub would else apply the same entry to other rows.
// FG3. A hub that meets a command it does not know ends with release_too_old: it never skips one
//      (L7 of hub/ledger/apply.ts), and what it names as needed is what the hubs said by FG1.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { HubFacts } from "@gantry/shared/contract/rows.ts";
import type { HubId } from "../consensus/types.ts";

/** What this release applies. One more with each release that has a command which the one before has not. */
export const LOG_FORMAT = 4;

/** The format in which a command came; 1 for all that are not named. */
export type NewCommands = Partial<Readonly<Record<CommandBody["type"], number>>>;
const NEW_COMMANDS: NewCommands = {
  workflowKept: 2,
  workflowTagged: 2,
  libraryPatched: 2,
  libraryReverted: 2,
  libraryMade: 2,
  runStarted: 2,
  runsStarted: 2,
  runsAdvanced: 2,
  runCancelled: 2,
  runPaused: 2,
  runResumed: 2,
  runRetried: 2,
  runResolved: 2,
  runPatched: 2,
  runPatchReverted: 2,
  ticketDecided: 2,
  runBlobKept: 2,
  runsPacked: 2,
  runRestored: 2,
  runPacksDropped: 2,
  jobsAdded: 2,
  jobsLeased: 2,
  jobsEnded: 2,
  jobsDirected: 2,
  queueSet: 2,
  queuePaused: 2,
  scheduleMade: 2,
  scheduleChanged: 2,
  scheduleDeleted: 2,
  schedulePaused: 2,
  scheduleResumed: 2,
  scheduleFired: 2,
  schedulePassed: 2,
  webhookMade: 2,
  webhookDeleted: 2,
  webhookProgressed: 2,
  webhookRetried: 2,
  webhookRedelivered: 2,
  printKept: 3,
  farmPrintSubmitted: 3,
  printAssigned: 3,
  printRanked: 3,
  printerProfiled: 3,
  printerUnprofiled: 3,
  printerMaintained: 3,
  spoolKept: 3,
  spoolDropped: 3,
  spoolLoaded: 3,
  bedJudged: 3,
  answerBought: 4,
  budgetSet: 4,
  budgetDropped: 4,
  spendReserved: 4,
  spendSettled: 4,
  goalProposed: 4,
  goalDecided: 4,
  goalTaskDone: 4,
  standingRan: 4,
  goalsTicked: 4,
  documentKept: 4,
  responseKept: 4,
  responseDropped: 4,
  artifactDropped: 4,
  answerLearnt: 4,
  cacheDropped: 4,
  cacheAudited: 4,
  memoryKept: 4,
  memoryReviewed: 4,
  memoryForgotten: 4,
  memoriesExpired: 4,
  knowledgeAdded: 4,
  knowledgeRemoved: 4,
  knowledgeRefreshed: 4,
  foundDecided: 4,
  fleetChecked: 4,
  agentTurnBegan: 4,
  agentStepPlanned: 4,
  agentSaid: 4,
  agentStepEnded: 4,
  agentTurnEnded: 4,
  agentTurnCancelled: 4,
  toolApproved: 4,
  toolForgotten: 4,
};

/** What every one of these hubs can apply; `unknown`: who has not said. `hubs`: those that hold rows, this one included. */
export function formatOf(
  hubs: readonly HubId[],
  factsOf: (hub: HubId) => Pick<HubFacts, "format"> | undefined,
): number | { readonly unknown: HubId } {
  const silent = hubs.find((hub) => factsOf(hub) === undefined);
  if (silent !== undefined) return { unknown: silent };
  return Math.min(...hubs.map((hub) => factsOf(hub)?.format ?? 1)); // FG1
}

/** Why this command may not be written yet; undefined when it may. */
export function refusalOf(
  type: CommandBody["type"],
  format: ReturnType<typeof formatOf>,
  newCommands: NewCommands = NEW_COMMANDS,
): GantryError | undefined {
  const needed = newCommands[type] ?? 1;
  if (needed === 1) return undefined;
  if (typeof format !== "number")
    return new GantryError("starting", `${format.unknown} has not said yet which release it has`, {
      details: { retryAfterS: 1 },
    });
  if (needed <= format) return undefined;
  return new GantryError(
    "capability_missing",
    "Not all hubs have the release that knows this: finish the upgrade first",
    { details: { command: type, needed, format } },
  );
}

/** True for a command of which a format is asked at all: nothing else costs a look at the hubs. */
export const isNewCommand = (type: CommandBody["type"]): boolean =>
  NEW_COMMANDS[type] !== undefined;
