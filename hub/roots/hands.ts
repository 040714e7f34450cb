// Makes what works behind the desk, and the desk itself: questions, duties, calls to nodes, the
// registry, blobs and backups.

import { LIMIT, RETRY } from "@gantry/shared/base/policy.ts";
import type { OpenAgentLink } from "../adapters/agent-link.ts";
import { openWyomingSpeech } from "../adapters/wyoming-speech.ts";
import { makeEgress } from "../adapters/egress.ts";
import { makeDocumentWriter } from "../adapters/document-writer.ts";
import type { Providers } from "../adapters/provider-file.ts";
import { makeOutbound } from "../adapters/outbound.ts";
import { makeWebhookSecret, signWebhook } from "../adapters/webhook-signature.ts";
import { makePinnedFetch } from "../adapters/pinned-fetch.ts";
import { makeCronCalendar } from "../adapters/cron-calendar.ts";
import { type DataDir, FORMAT } from "../adapters/data-dir.ts";
import { makeJoinKeys } from "../adapters/peer-keys.ts";
import { makeAgentTier } from "../ask/agent-tier.ts";
import { type Ask, makeAsk } from "../ask/ask.ts";
import { makeCloud } from "../ask/cloud.ts";
import { type CloudMoney, makeCloudMoney } from "../ask/cloud-money.ts";
import { makeResearchTier } from "../ask/research-tier.ts";
import { limitsOf, makeLibrary } from "../ask/library.ts";
import { scanStored } from "../ask/scan-stored.ts";
import { makeBackups } from "../backup/make-backup.ts";
import { type ClusterBlobs, makeClusterBlobs } from "../cluster/blobs.ts";
import { makeOperations } from "../cluster/operate.ts";
import { clusterState } from "../cluster/state.ts";
import { stepDown } from "../cluster/step-down.ts";
import { blobsOfPrint } from "../keep-scan.ts";
import { generate } from "../desk/cad.ts";
import type { MakeHands } from "../desk/context.ts";
import { makeDesk } from "../desk/desk.ts";
import { examineCluster, type ExamParts } from "../doctor/exam.ts";
import { makeTargets } from "@gantry/shared/flow/targets.ts";
import { makeCalls } from "../hands/calls.ts";
import { type Clockwork, makeClockwork } from "../hands/clockwork.ts";
import { type Duties, makeDuties } from "../hands/duties.ts";
import { makeDocuments } from "../hands/documents.ts";
import { type GoalHands, makeGoalHands } from "../hands/goals.ts";
import { makeInbox } from "../hands/inbox.ts";
import { makeAgentModel } from "../hands/agent-model.ts";
import { type AgentTools, makeAgentTools } from "../hands/agent-tools.ts";
import { type AgentTurns, makeAgentTurns } from "../hands/agent-turns.ts";
import { makeMakes } from "../hands/makes.ts";
import { makeModelRuntimes } from "../hands/model-runtimes.ts";
import { makeModels } from "../hands/models.ts";
import { exposeQueues } from "../metrics.ts";
import { makeQueues, type Queues } from "../hands/queues.ts";
import { makeRegistryCalls } from "../hands/registry-calls.ts";
import { makeWorkers, type Workers } from "../hands/workers.ts";
import { type LibraryHands, makeLibraryHands } from "../hands/library.ts";
import { exportSpans } from "./span-export.ts";
import { traceMachines } from "../hands/tracing.ts";
import { makeRunHistory, type RunHistory } from "../hands/run-history.ts";
import { makeRunHands, type RunHands } from "../hands/runs.ts";
import { makeCameras } from "../hands/cameras.ts";
import { type Fleet, makeFleet } from "../hands/fleet.ts";
import { makeStop } from "../hands/stop.ts";
import { makeWebhooks, type Webhooks } from "../hands/webhooks.ts";
import { type ForeignServers, makeForeignServers } from "../mcp/foreign-servers.ts";
import type { ServerConfig } from "../mcp/servers-config.ts";
import type { HealthBoard } from "../health.ts";
import type { AgentLinkHandler, BlobStore, Desk } from "../ports.ts";
import { makeRegistryLoop, type RegistryLoop } from "../registry/loop.ts";
import { makeRegistryWatches } from "../registry/watching.ts";
import { TICK_MS } from "../replica/options.ts";
import type { HubCore } from "./core.ts";
import { makeMind, type Mind } from "./mind.ts";

export interface HandsParts {
  readonly core: HubCore;
  /** Of this hub alone. */
  readonly blobs: BlobStore;
  readonly paths: DataDir;
  readonly board: HealthBoard;
  /** Throws starting until it is open. */
  readonly link: () => OpenAgentLink;
  /** GANTRY_EGRESS_ALLOW. */
  readonly egressAllow: readonly string[];
  /** GANTRY_SPEECH: HOST:PORT; left out: nothing hears or speaks. */
  readonly speech?: string;
  /** GANTRY_OTLP_URL; left out: spans stay here. */
  readonly otlpUrl?: string;
  /** GANTRY_KNOWLEDGE: folders that may be read; left out: none. */
  readonly knowledge?: readonly string[];
  /** GANTRY_MCP_SERVERS. */
  readonly mcpServers: readonly ServerConfig[];
  /** Of GANTRY_PROVIDERS. */
  readonly providers: Providers;
  readonly exam: ExamParts;
  readonly signal: AbortSignal;
}

export interface Hands {
  /** For the leader. */
  readonly desk: Desk;
  readonly ask: Ask;
  readonly mind: Mind;
  readonly duties: Duties;
  readonly fleet: Fleet;
  readonly clockwork: Clockwork;
  readonly webhooks: Webhooks;
  readonly money: CloudMoney;
  readonly queues: Queues;
  readonly workers: Workers;
  readonly runs: RunHands;
  readonly runHistory: RunHistory;
  readonly goals: GoalHands;
  readonly agents: AgentTurns;
  readonly foreign: ForeignServers;
  /** Of patches of workflows. */
  readonly patchLibrary: LibraryHands;
  readonly registry: RegistryLoop;
  readonly blobs: ClusterBlobs;
  /** What nodes and registry clients are answered with. */
  readonly handler: AgentLinkHandler;
}

function* metricsOf(queues: Queues): Generator<readonly [string, Record<string, number>, number]> {
  for (const name of queues.names()) {
    const { lagMs, ...states } = queues.facts(name);
    yield [name, { ...states }, lagMs / 1_000];
  }
}

export function makeHands(parts: HandsParts): Hands {
  const { core, paths, board, link, exam, signal } = parts;
  const { hub, members } = core;
  const registry = makeRegistryLoop({
    hub,
    link,
    electionMs: () => core.timing.electionTicks * TICK_MS,
    onUnfit() {
      if (members.stateful().length === 0 || hub.replica.status().transferTo !== null) return;
      hub.log.warn({ why: "this hub stalls too often" }, "handing over");
      void stepDown(hub);
    },
  });
  const blobs = makeClusterBlobs({
    local: parts.blobs,
    link: () => core.network.current,
    calls: core.calls,
    others: () => members.stateful(),
    clock: hub.clock,
    log: hub.log,
  });
  const backup = makeBackups({
    core,
    blobs: blobs.store,
    root: paths.root,
    dataFormat: FORMAT,
    version: exam.version,
  });
  const targets = makeTargets(hub.clock);
  const calls = makeCalls(link, hub.clock, targets);
  const queues = makeQueues(hub);
  const workers = makeWorkers({
    hub,
    queues,
    stopAtNode: (node, job, token) => void link().send(node, [{ type: "cancelJob", job, token }]),
    signal,
  });
  exposeQueues(hub.metrics, () => metricsOf(queues));
  const calendar = makeCronCalendar();
  const duties = makeDuties(
    hub,
    link,
    targets,
    queues,
    (zone, ms) => calendar.localOf(zone, ms),
    signal,
  );
  const stop = makeStop(hub, calls, link);
  const fleet = makeFleet(hub, calls);
  const isReady = (node: string): boolean => link().heard().has(node) && !targets.isLeftAlone(node);
  const runtimes = makeModelRuntimes();
  const models = makeModels(hub, calls, isReady, runtimes);
  const library = makeLibrary(hub.rows, blobs.store, paths.gcode);
  const makes = makeMakes(hub, blobs, (node, message) => void link().send(node, [message]), signal);
  const makeHands: MakeHands = {
    stepOf: (job) => makes.stepOf(job),
    blobs: blobs.store,
    async scan(file, device, asked) {
      const facts = await scanStored(blobs.store, file, limitsOf(device), asked);
      for (const sha256 of blobsOfPrint(facts)) await blobs.spread(sha256, asked);
      return facts;
    },
  };
  const money = makeCloudMoney(hub, () => hub.replica.status().term);
  const cloud = makeCloud({ hub, ...parts.providers, money, targets });
  const mind = makeMind({ hub, models, blobs, folders: parts.knowledge ?? [], signal });
  const { traces } = hub;
  if (traces !== undefined) traceMachines({ traces, feed: hub.feed, rows: hub.rows }, signal);
  if (traces !== undefined && parts.otlpUrl !== undefined)
    exportSpans({ hub, traces, url: parts.otlpUrl, version: exam.version }, signal);
  const egress = makeEgress(parts.egressAllow);
  const foreign = makeForeignServers({
    hub,
    servers: parts.mcpServers,
    fetch: makePinnedFetch(egress, LIMIT.mcpStreamBytes.max),
    version: exam.version,
  });
  const tools: AgentTools = makeAgentTools(() => desk, foreign);
  const agents = makeAgentTurns({ hub, tools, model: makeAgentModel(models) });
  const ask = makeAsk({
    ...mind.askParts,
    tiers: {
      ...mind.askParts.tiers,
      agent: makeAgentTier(hub, agents),
      research: makeResearchTier(hub, foreign, () => cloud.defaultClass),
    },
    hub,
    models,
    cloud,
    stop,
    library,
    make: (prompt, by, asked) => generate({ hub, models, makes: makeHands }, by, { prompt }, asked),
  });
  const outbound = makeOutbound(egress, hub.clock);
  const webhooks = makeWebhooks({
    hub,
    ledgerStore: core.ledgerStore,
    async post({ url, secret }, { id, body }, asked) {
      const headers = {
        "content-type": "application/json",
        "user-agent": "gantry",
        ...signWebhook(secret, id, hub.clock.now(), body),
      };
      const bounds = { bytesMax: LIMIT.bodyBytes.max, timeoutMs: RETRY.webhook.tryMs };
      const request = { method: "POST", url, headers, body, redirectsMax: 0, ...bounds };
      return (await outbound.send(request, asked)).status;
    },
  });
  const writer = makeDocumentWriter(hub.clock);
  signal.addEventListener("abort", () => void writer.close(), { once: true });
  const documents = makeDocuments({ hub, writer, blobs });
  const runs = makeRunHands({
    hub,
    documents,
    outbound,
    egressAllow: parts.egressAllow,
    models,
    blobs,
    queues,
  });
  const runHistory = makeRunHistory({ hub, ledgerStore: core.ledgerStore, blobs });
  const watches = makeRegistryWatches(hub, signal);
  const keepAlive: RegistryLoop["keepAlive"] = (name, token) => registry.keepAlive(name, token);
  const clockwork = makeClockwork({
    hub,
    calendar,
    answer: (question) => void ask.answer(question, signal),
    cancelled(job) {
      const lease = hub.rows.get("job", job)?.lease;
      if (lease === undefined) return;
      link().send(lease.node, [{ type: "cancelJob", job, token: lease.token }]);
    },
  });
  const desk: Desk = makeDesk({
    hub,
    ask,
    mind,
    models,
    cloud,
    calls,
    stop,
    fleet,
    cameras: makeCameras(hub, fleet, signal),
    agents,
    foreign,
    blobs: blobs.store,
    makes: makeHands,
    egressAllow: parts.egressAllow,
    ...(parts.speech === undefined ? {} : { speech: openWyomingSpeech(parts.speech, hub.clock) }),
    link,
    ledgerStore: core.ledgerStore,
    health: () => board.report(),
    registry: { watches, keepAlive },
    queues: { queues, workers },
    documents,
    webhooks: {
      checkUrl: (url) => egress.checkUrl(url),
      makeSecret: () => makeWebhookSecret(hub.random),
    },
    schedules: { calendar, runNow: (row, by, asked) => clockwork.runNow(row, by, asked) },
    cluster: {
      backup,
      exam: (asked) => examineCluster(exam, asked),
      state: (asked) => clusterState(core, asked),
      operations: makeOperations({ core, makeKeys: (id) => makeJoinKeys(core.clusterId, id) }),
    },
  });
  const inbox = makeInbox({
    hub,
    calls,
    duties,
    targets,
    blobs: blobs.store,
    link,
    makes,
    runtimes,
    signal,
  });
  const handler = {
    ...inbox,
    registry: makeRegistryCalls({ hub, keepAlive, watches, workers, signal }),
  };
  return {
    desk,
    ask,
    mind,
    duties,
    fleet,
    clockwork,
    webhooks,
    money,
    queues,
    workers,
    runs,
    runHistory,
    goals: makeGoalHands(hub),
    agents,
    foreign,
    patchLibrary: makeLibraryHands(hub),
    registry,
    blobs,
    handler,
  };
}
