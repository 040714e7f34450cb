// The composition root of the hub: the only place that knows which adapter serves which port.
//
//   start   configuration -> data folder -> [doors | log + ledger + links] -> agents -> serving
//   reign   while this hub leads: duties, questions that were left open, live values for the others
//   stop    hand over -> doors take no more -> duties end -> links -> log and ledger with a checkpoint

import { readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join, resolve } from "node:path";
import { setFlagsFromString } from "node:v8";
import { makeLogger, registerSecret } from "@gantry/shared/adapters/pino.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { HubFact } from "@gantry/shared/contract/link.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { HubFacts } from "@gantry/shared/contract/rows.ts";
import { reasonOf, systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { type OpenAgentLink, openAgentLink } from "./adapters/agent-link.ts";
import { openBlobFiles } from "./adapters/blob-files.ts";
import { FORMAT, openDataDir } from "./adapters/data-dir.ts";
import { openHubKeys } from "./adapters/hub-keys.ts";
import { makeJoinKeys } from "./adapters/peer-keys.ts";
import { makeAsk } from "./ask/ask.ts";
import { makeLibrary } from "./ask/library.ts";
import { makeBackups } from "./backup/make-backup.ts";
import { makeAgreement, tellStamps } from "./cluster/agreement.ts";
import { makeClusterBlobs } from "./cluster/blobs.ts";
import { deskForOthers, makeClusterDesk } from "./cluster/desk.ts";
import { serveHubs } from "./cluster/serve.ts";
import { describeHubs, factsOf } from "./cluster/describe.ts";
import { doReign } from "./cluster/reign.ts";
import { makeOperations } from "./cluster/operate.ts";
import { checkMember, removed } from "./cluster/removed.ts";
import { clusterState } from "./cluster/state.ts";
import { relaySoft } from "./cluster/soft-relay.ts";
import { readConfig } from "./config.ts";
import { META_ID } from "./ledger/journal.ts";
import { makeDesk } from "./desk/desk.ts";
import { examineCluster } from "./doctor/exam.ts";
import { makeDeskGate } from "./door/gate.ts";
import { makeCalls } from "./hands/calls.ts";
import { makeDuties } from "./hands/duties.ts";
import { makeInbox } from "./hands/inbox.ts";
import { makeModels } from "./hands/models.ts";
import { untilNodesBack } from "./hands/nodes-back.ts";
import { makeRegistryCalls } from "./hands/registry-calls.ts";
import { makeStop } from "./hands/stop.ts";
import { makeHealthBoard } from "./health.ts";
import type { Hub } from "./hub.ts";
import { countEvents } from "./metrics.ts";
import { sweepBlobs } from "./hands/sweep.ts";
import type { Desk, FeedItem, PrintUpload } from "./ports.ts";
import type { Reign } from "./replica/options.ts";
import { makeRegistryLoop } from "./registry/loop.ts";
import { makeRegistryWatches } from "./registry/watching.ts";
import { openHubCore } from "./roots/core.ts";
import { openDoors } from "./roots/doors.ts";
import { giveOwnerToken } from "./roots/owner.ts";
import { watchParts } from "./roots/gauges.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "package.json"), "utf8")) as {
  version: string;
};
const HAND_OVER_MS = 1_000;

async function main(): Promise<void> {
  const clock = systemClock;
  const config = readConfig(process.env);
  const log = makeLogger(config.logLevel, { hub: config.hubId });
  for (const secret of [config.token, config.clusterSecret, config.clusterCode]) {
    if (secret !== undefined) registerSecret(secret);
  }
  const board = makeHealthBoard(version, clock);
  board.expect("ledger", "log", "http", "mqtt", "agents", "desk");
  const scope = makeScope((task, error) =>
    log.error({ task, error: toErrorRecord(error), text: String(error) }, "a task failed"),
  );
  const never = scope.signal;
  const paths = await openDataDir(resolve(config.dataDir));

  const gate = makeDeskGate(() => board.report());
  const doors = openDoors({ config, paths, version, desk: gate.desk, board, scope, clock, log });

  // ── log, ledger, links to other hubs ──

  let link: OpenAgentLink | undefined;
  let reigning: Promise<void> | undefined;
  let leadingDesk: Desk | undefined;
  let changed = Promise.withResolvers<void>();
  const tellChange = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  let reignNow: ((reign: Reign | undefined) => void) | undefined;
  let early: Reign | undefined;
  const blobs = await openBlobFiles(paths.blobs);
  const opening = board.starting("ledger", () =>
    openHubCore(config, paths, log, {
      onReign(reign) {
        early = reign;
        reignNow?.(reign);
        tellChange();
      },
      onLeader(id) {
        if (id !== null) link?.announce(id);
        tellChange();
      },
      onConnected: tellChange,
      blobPiece: async (hash, offset, sizeBytes) => {
        const totalBytes = await blobs.size(hash);
        if (totalBytes === undefined) return undefined;
        return { bytes: await blobs.read(hash, offset, sizeBytes), totalBytes };
      },
    }),
  );
  const [core, ...opened] = await Promise.all([opening, ...doors.opening]);
  const { hub, ledgerStore, members, network, calls: peerCalls } = core;

  // ── hands and desk ──

  const exam = { core, version, root: paths.root };
  const theLink = (): OpenAgentLink => {
    if (link === undefined) throw new GantryError("starting", "The agent link is not open yet");
    return link;
  };
  const registry = makeRegistryLoop({
    hub,
    link: theLink,
    electionMs: () => core.timing.electionTicks * 10,
    onUnfit: () => handOver("this hub stalls too often"),
  });
  function handOver(why: string): void {
    if (members.stateful().length === 0 || hub.replica.status().transferTo !== null) return;
    log.warn({ why }, "handing over");
    hub.replica
      .transfer(undefined, clock.timeout(HAND_OVER_MS))
      .catch((error: unknown) => log.warn({ error: toErrorRecord(error) }, "nobody took over"));
  }
  const clusterBlobs = makeClusterBlobs({
    local: blobs,
    link: () => network.current,
    calls: peerCalls,
    others: () => members.stateful(),
    clock,
    log,
  });
  const backup = makeBackups({
    core,
    blobs: clusterBlobs.store,
    root: paths.root,
    dataFormat: FORMAT,
    version,
  });
  const calls = makeCalls(theLink, clock);
  const duties = makeDuties(hub, theLink, never);
  const stop = makeStop(hub, calls, theLink);
  const models = makeModels(hub, calls, (node) => theLink().heard().has(node));
  const library = makeLibrary(hub.rows, clusterBlobs.store, paths.gcode);
  const ask = makeAsk({ hub, models, stop, library });
  const watches = makeRegistryWatches(hub, never);
  const desk = makeDesk({
    hub,
    ask,
    models,
    calls,
    stop,
    link: theLink,
    ledgerStore,
    health: () => board.report(),
    registry: {
      watches,
      keepAlive: (name, token) => registry.keepAlive(name, token),
    },
    cluster: {
      backup,
      exam: (signal) => examineCluster(exam, signal),
      state: (signal) => clusterState(core, signal),
      operations: makeOperations({ core, makeKeys: (id) => makeJoinKeys(core.clusterId, id) }),
    },
  });
  const leader = (): string | undefined => {
    const { leader: id } = hub.replica.status();
    return id === null || id === hub.id ? undefined : id;
  };
  const clusterDesk = makeClusterDesk({
    local(route, request) {
      checkMember(hub.id, members.isRemoved, route);
      // Who has no leader wants to know why more than anybody.
      const isOrphan = route === "cluster" && leadingDesk === undefined && leader() === undefined;
      return isOrphan || isLocal(route, request.query) ? desk : undefined;
    },
    leading: () => leadingDesk,
    leader,
    change: (signal) => untilSettled(changed.promise, signal),
    prepare: async (route, request, signal) => {
      if (route === "printSubmitted")
        await clusterBlobs.spread((request.body as PrintUpload).gcode.sha256, signal);
    },
    calls: peerCalls,
    authenticate: (hash) =>
      members.isRemoved ? Promise.reject(removed(hub.id)) : desk.authenticate(hash),
    watch: (onItems, signal, options) => desk.watch(onItems, signal, options),
    clock,
  });
  const inbox = makeInbox({
    hub,
    calls,
    duties,
    blobs: clusterBlobs.store,
    link: theLink,
    signal: never,
  });
  link = await board.starting("agents", async () =>
    openAgentLink({
      bind: config.agentBind,
      keys: await openHubKeys(paths.root),
      handler: {
        ...inbox,
        registry: makeRegistryCalls({
          hub,
          keepAlive: (name, token) => registry.keepAlive(name, token),
          watches,
          signal: never,
        }),
      },
      clock,
      random: hub.random,
      log,
      signal: never,
      identity: () => ({
        hub: hub.id,
        term: hub.replica.status().term,
        cluster: core.clusterId,
      }),
      leading: () => {
        const leaderId = leader();
        const isLeading = leadingDesk !== undefined;
        return leaderId === undefined ? { isLeading } : { isLeading, leaderId };
      },
      hubs: () => hubFacts(hub),
    }),
  );
  const facts = (): HubFacts =>
    factsOf(core, {
      config,
      agentEndpoint: theLink().endpoint,
      agentKey: theLink().publicKey,
      httpAddress: opened[0]?.address ?? "",
      version,
    });
  const agreement = makeAgreement();
  let disagreement: string | undefined;
  hub.feed.watch(() => {
    const hash = hub.rows.get("meta", META_ID)?.auditHash;
    if (hash !== undefined) agreement.applied({ position: hub.replica.ledger.position, hash });
  }, never);
  serveHubs({
    core,
    desk: (signal) =>
      deskForOthers(
        {
          leading: () => leadingDesk,
          isElected: () => hub.replica.status().role === "leader",
          change: (held) => untilSettled(changed.promise, held),
          clock,
        },
        signal,
      ),
    blobs: clusterBlobs,
    facts,
    exam,
    agreement,
    onDisagreement({ position }, from) {
      disagreement = `the ledger differs from that of ${from} at position ${position}`;
      log.error(
        { position, from },
        "the ledger differs from the leader's; remove this hub and add it again",
      );
    },
  });
  watchParts(core, board, theLink);
  board.watch("log", () => {
    if (members.isRemoved) return { state: "degraded", note: removed(hub.id).message };
    return disagreement === undefined
      ? logState(hub, leadingDesk !== undefined)
      : { state: "degraded", note: disagreement };
  });
  countEvents(hub.metrics, hub.feed, never);
  hub.feed.watch((items) => (items.some(namesHub) ? theLink().tellHubs() : undefined), never);

  // ── reigns ──

  reignNow = (reign) => {
    if (reign === undefined) {
      leadingDesk = undefined;
      theLink().dropAll(leader());
      return;
    }
    const parts = {
      hub,
      members,
      calls: peerCalls,
      isFounded: () => hub.rows.hot("token").size > 0,
      first: [(signal: AbortSignal) => giveOwnerToken(hub, config.token, paths.token, signal)],
      onServing() {
        leadingDesk = desk;
        tellChange();
      },
      tasks: {
        "describe hubs": (signal: AbortSignal) => describeHubs(core, facts, signal),
        registry: (signal: AbortSignal) => registry.run(reign.term, signal),
        duties: (signal: AbortSignal) => duties.run(signal),
        "resume questions": async (signal: AbortSignal) => {
          if (hub.rows.hot("question").size > 0) await untilNodesBack(hub, theLink, signal);
          await ask.resume(signal);
        },
        "compare ledgers": (signal: AbortSignal) => tellStamps(core, agreement, signal),
        "speak MQTT": (signal: AbortSignal) => doors.speakMqtt(signal),
        "relay live values": (signal: AbortSignal) =>
          relaySoft(
            { soft: hub.soft, calls: peerCalls, others: () => members.stateful(), clock },
            signal,
          ),
      },
    };
    const before = reigning ?? Promise.resolve();
    reigning = before.then(() => doReign(parts, reign));
  };
  if (early !== undefined) reignNow(early);
  scope.start("sweep blobs", (signal) => sweepBlobs(hub, blobs, signal));
  gate.open(clusterDesk);
  board.ready("desk");
  log.info(
    {
      version,
      http: opened.map(({ address }) => address),
      agents: link.endpoint,
      dataDir: paths.root,
    },
    "ready",
  );
  flushCompileCache(); // a hub that is killed writes nothing at its end
  // From here on this thread's young generation may grow with the load (bin/hub.js keeps it small at
  // rest): at 1 MB a busy leader spent a fifth of its time collecting, a collection every 5 ms.
  setFlagsFromString("--semi-space-growth-factor=2");

  await untilToldToStop();
  log.info({}, "stopping");
  board.stopping();
  if (members.stateful().length > 0 && hub.replica.status().role === "leader") {
    await hub.replica
      .transfer(undefined, clock.timeout(HAND_OVER_MS))
      .catch((error: unknown) => log.warn({ error: toErrorRecord(error) }, "nobody took over"));
  }
  await Promise.all(opened.map((each) => each.stop()));
  await hub.replica.checkpoint();
  await theLink().close();
  await scope.close();
  await core.close();
  await reigning;
  log.info({}, "stopped");
}

/** What every hub answers from its own rows, without the leader. */
function isLocal(route: RouteName, query: Readonly<Record<string, unknown>>): boolean {
  const { consistency } = query;
  return (
    LOCAL.has(route) ||
    (route === "flag" && (consistency === "local" || consistency === "linearizable"))
  );
}
const LOCAL: ReadonlySet<RouteName> = new Set([
  "live",
  "ready",
  "metrics",
  "backup",
  "events",
  "registryWatch",
]);

function logState(
  { replica, id }: Hub,
  isServing: boolean,
): {
  state: "ready" | "degraded" | "starting";
  note?: string;
} {
  const { isDiskFull, damage, leader, role } = replica.status();
  if (damage !== undefined) return { state: "degraded", note: `this hub may not vote: ${damage}` };
  if (isDiskFull) return { state: "degraded", note: "the disk does not take writes" };
  if (leader === null) return { state: "starting", note: "no hub leads" };
  if (role === "leader" && !isServing) return { state: "starting", note: "begins to lead" };
  return { state: "ready", note: role === "leader" ? "leads" : `follows ${leader ?? id}` };
}

const namesHub = (item: FeedItem): boolean =>
  item.kind === "lapse" ||
  (item.kind === "ledger" && item.events.some(({ type }) => type === "hub.changed"));

/** Where nodes find the hubs, as the log knows it. */
const hubFacts = ({ rows }: Hub): readonly HubFact[] =>
  [...rows.hot("hub").values()].map(({ id, agentAddress: address, agentKey: publicKey }) => ({
    id,
    address,
    publicKey,
  }));

function untilSettled(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(reasonOf(signal));
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    void promise.finally(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
  });
}

const untilToldToStop = (): Promise<unknown> =>
  Promise.race([
    new Promise((done) => process.once("SIGTERM", done)),
    new Promise((done) => process.once("SIGINT", done)),
  ]);

try {
  await main();
  process.exit(0);
} catch (error) {
  const { code, message, details } = toErrorRecord(error);
  const cause = error instanceof Error && code === "internal" ? { stack: error.stack } : {};
  process.stdout.write(
    `${JSON.stringify({ level: 50, time: new Date().toISOString(), code, msg: message, details, ...cause })}\n`,
  );
  process.stderr.write(`gantry-hub: ${message}\n`);
  process.exit(error instanceof GantryError ? error.kind.exit : 70);
}
