// The desk: what the doors may ask of the main thread, one use case per route.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { parentOf } from "@gantry/shared/base/trace.ts";
import { ROUTES, type RouteName } from "@gantry/shared/contract/routes.ts";
import { ledgerTimeMs } from "../ledger/context.ts";
import type { Desk } from "../ports.ts";
import { AGENT_USE_CASES } from "./agents.ts";
import * as analytics from "./analytics.ts";
import { modelFile } from "./model-files.ts";
import { modelMachines } from "./model-machines.ts";
import * as asking from "./asking.ts";
import * as artifacts from "./artifacts.ts";
import { budgetUseCases } from "./budgets.ts";
import * as cad from "./cad.ts";
import * as clients from "./clients.ts";
import * as cluster from "./cluster.ts";
import type { DeskParts, UseCase } from "./context.ts";
import { FARM_USE_CASES } from "./farm.ts";
import { WORKSHOP_USE_CASES } from "./workshop.ts";
import * as library from "./library.ts";
import { MCP_USE_CASES } from "./mcp.ts";
import * as making from "./making.ts";
import { QUEUE_USE_CASES } from "./queues.ts";
import * as records from "./records.ts";
import { registryUseCases } from "./registry.ts";
import * as runArchive from "./run-archive.ts";
import * as runCompare from "./run-compare.ts";
import * as runList from "./run-list.ts";
import * as runPatches from "./run-patches.ts";
import * as runProposals from "./run-proposals.ts";
import * as runReplays from "./run-replays.ts";
import * as runs from "./runs.ts";
import { scheduleUseCases } from "./schedules.ts";
import { voiceClaimed } from "./voice.ts";
import * as goals from "./goals.ts";
import * as traceUseCases from "./traces.ts";
import { webhookUseCases } from "./webhooks.ts";
import { cacheUseCases } from "./cache.ts";
import { knowledgeUseCases } from "./knowledge.ts";
import { memoryUseCases } from "./memory.ts";
import * as workflows from "./workflows.ts";

/** Routes that the door answers by itself are not here. */
const USE_CASES: Partial<Record<RouteName, UseCase>> = {
  live: records.health,
  ready: records.health,
  metrics: records.metrics,
  query: asking.query,
  translated: asking.translated,
  conversations: asking.conversations,
  conversation: asking.conversation,
  modelFile,
  modelMachines,
  confirmations: asking.confirmations,
  confirmation: asking.confirmation,
  confirm: asking.confirm,
  confirmationCancelled: asking.confirmationCancelled,
  chatCompletions: asking.chatCompletions,
  embeddings: asking.embeddings,
  models: asking.models,
  tokensCounted: clients.tokensCounted,
  responseMade: clients.responseMade,
  response: clients.response,
  responseItems: clients.response,
  responseDropped: clients.responseDropped,
  transcribed: clients.transcribed,
  spoken: clients.spoken,
  devices: making.devices,
  device: making.device,
  bedCleared: making.bedCleared,
  deviceReset: making.deviceReset,
  stop: making.stop,
  printSubmitted: making.printSubmitted,
  prints: making.prints,
  print: making.print,
  printThumbnail: making.printThumbnail,
  printAgain: making.printAgain,
  printPaused: making.wishFor("pause"),
  printResumed: making.wishFor("resume"),
  printCancelled: making.wishFor("cancel"),
  printResolved: making.printResolved,
  cadParts: cad.cadParts,
  cadGenerated: cad.cadGenerated,
  cadJob: cad.cadJob,
  cadSliced: cad.cadSliced,
  cadFile: cad.cadFile,
  cadPrinted: cad.cadPrinted,
  ...AGENT_USE_CASES,
  ...MCP_USE_CASES,
  ...FARM_USE_CASES,
  ...WORKSHOP_USE_CASES,
  jobs: making.jobs,
  jobAdded: making.jobAdded,
  deadJobs: making.deadJobs,
  job: making.job,
  jobCancelled: making.jobCancelled,
  jobRequeued: making.jobRequeued,
  jobDropped: making.jobDropped,
  exec: making.exec,
  ...QUEUE_USE_CASES,
  workflows: workflows.workflows,
  workflow: workflows.workflow,
  workflowKept: workflows.workflowKept,
  workflowTagged: workflows.workflowTagged,
  workflowUntagged: workflows.workflowUntagged,
  workflowPatches: library.workflowPatches,
  workflowPatch: library.workflowPatch,
  workflowPatched: library.workflowPatched,
  workflowPatchReverted: library.workflowPatchReverted,
  library: library.library,
  runStarted: runs.runStarted,
  runsStarted: runs.runsStarted,
  runs: runList.runs,
  run: runs.run,
  goals: goals.goals,
  goal: goals.goal,
  goalProposed: goals.goalProposed,
  goalApproved: goals.decide(true),
  goalRejected: goals.decide(false),
  goalTaskDone: goals.goalTaskDone,
  standing: goals.standing,
  traces: traceUseCases.traces,
  trace: traceUseCases.trace,
  runResult: artifacts.runResult,
  artifacts: artifacts.artifacts,
  artifact: artifacts.artifact,
  artifactContent: artifacts.artifactContent,
  artifactDropped: artifacts.artifactDropped,
  documentWritten: artifacts.documentWritten,
  runTimeline: runs.runTimeline,
  runOutput: runs.runOutput,
  runPatches: runPatches.runPatches,
  runPatch: runPatches.runPatch,
  runCancelled: runs.runCancelled,
  runPaused: runs.runPaused,
  runResumed: runs.runResumed,
  runRetried: runs.runRetried,
  runResolved: runs.runResolved,
  runPatched: runs.runPatched,
  runPatchProposed: runProposals.runPatchProposed,
  runPatchReverted: runs.runPatchReverted,
  runCompared: runCompare.runCompared,
  runReplayed: runReplays.runReplayed,
  runRestored: runArchive.runRestored,
  approvals: runs.approvals,
  approval: runs.approval,
  approvalPatch: runPatches.approvalPatch,
  approvalGiven: runs.decide(true),
  approvalDenied: runs.decide(false),
  audit: records.audit,
  analyticsSummary: analytics.analyticsSummary,
  analyticsWorkflows: analytics.analyticsWorkflows,
  costs: analytics.costs,
  events: records.events,
  flags: records.flags,
  flag: records.flag,
  flagSet: records.flagSet,
  flagDeleted: records.flagDeleted,
  voiceClaimed,
  tokens: records.tokens,
  tokenMade: records.tokenMade,
  tokenRevoked: records.tokenRevoked,
  joinCodeMade: records.joinCodeMade,
  cluster: cluster.status,
  clusterExam: (parts, _, { signal }) => parts.cluster.exam(signal),
  backup: (parts, _, { signal }) => parts.cluster.backup(signal),
  clusterHubAdded: cluster.hubAdded,
  clusterHubsRemoved: cluster.hubsRemoved,
  clusterHubPromoted: cluster.hubPromoted,
  clusterTransferred: cluster.transferred,
};

export function makeDesk(parts: DeskParts): Desk {
  const { hub } = parts;
  const useCases = {
    ...USE_CASES,
    ...registryUseCases(parts),
    ...scheduleUseCases(parts),
    ...webhookUseCases(parts),
    ...memoryUseCases(parts.mind?.recall),
    ...knowledgeUseCases(parts.mind?.knowledge),
    ...cacheUseCases(parts.mind?.cache),
    ...budgetUseCases(parts.cloud),
  };
  return {
    authenticate(secretSha256) {
      const nowMs = Math.max(hub.clock.now(), ledgerTimeMs(hub.rows)); // never back in time
      for (const row of hub.rows.hot("token").values()) {
        if (row.secretSha256 !== secretSha256) continue;
        const isValid = row.revokedAtMs === undefined && (row.expiresAtMs ?? Infinity) > nowMs;
        return Promise.resolve(
          isValid ? { person: row.person, role: row.role, token: row.id } : undefined,
        );
      }
      return Promise.resolve(undefined);
    },
    async call(route, request, options) {
      const useCase = useCases[route];
      if (useCase === undefined) throw new GantryError("not_found", `The desk has no ${route}`);
      const { traces, clock } = hub;
      const isRead = ROUTES[route].method === "GET" && parentOf(request.requestId) === undefined;
      if (traces === undefined || isRead) return useCase(parts, request, options);
      const { requestId } = request;
      const startMs = clock.monotonic();
      let error: string | undefined;
      try {
        return await useCase(parts, request, options);
      } catch (fault) {
        error = toErrorRecord(fault).code;
        throw fault;
      } finally {
        const endMs = clock.now();
        traces.ofRequest(requestId, {
          key: requestId,
          service: "hub",
          name: `${ROUTES[route].method} ${ROUTES[route].path}`,
          startMs: endMs - (clock.monotonic() - startMs),
          endMs,
          ...(error === undefined ? {} : { error }),
          attributes: { hub: hub.id, requestId },
        });
      }
    },
    watch(onItems, signal, options) {
      options?.onBegin?.(hub.replica.ledger.position);
      hub.feed.watch(onItems, signal, options?.types);
    },
  };
}
