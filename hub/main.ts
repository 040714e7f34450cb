// The composition root of the hub: the only place that knows which adapter serves which port.
//
//   start   configuration -> data folder -> [doors | log + ledger] at once -> link -> duties -> ready
//   stop    doors take no more -> duties end -> link -> log and ledger with a last checkpoint

import { readFileSync } from "node:fs";
import { chmod, readFile } from "node:fs/promises";
import { flushCompileCache } from "node:module";
import { join, resolve } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { writeFileDurably } from "@gantry/shared/adapters/durable-file.ts";
import { makeLogger, registerSecret } from "@gantry/shared/adapters/pino.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { HubConfig } from "@gantry/shared/contract/config.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { type OpenAgentLink, openAgentLink } from "./adapters/agent-link.ts";
import { openBlobFiles } from "./adapters/blob-files.ts";
import { type DataDir, openDataDir } from "./adapters/data-dir.ts";
import { openHubKeys } from "./adapters/hub-keys.ts";
import { openLevelStore } from "./adapters/level-store.ts";
import { openLogStore } from "./adapters/log-store.ts";
import { makeStrongRandom } from "./adapters/strong-random.ts";
import { makeAsk } from "./ask/ask.ts";
import { makeLibrary } from "./ask/library.ts";
import { readConfig } from "./config.ts";
import { makeSecret } from "./desk/records.ts";
import { makeDesk } from "./desk/desk.ts";
import { makeDeskGate } from "./door/gate.ts";
import { type DoorWorker, startDoor } from "./door/workers.ts";
import { makeFeed } from "./feed/feed.ts";
import { makeSoftState } from "./feed/soft.ts";
import { makeCalls } from "./hands/calls.ts";
import { makeDuties } from "./hands/duties.ts";
import { makeInbox } from "./hands/inbox.ts";
import { makeModels } from "./hands/models.ts";
import { untilNodesBack } from "./hands/nodes-back.ts";
import { makeStop } from "./hands/stop.ts";
import { makeHealthBoard } from "./health.ts";
import { act, byHub, type Hub, newId } from "./hub.ts";
import { countEvents, exposeGauges, makeMetrics } from "./metrics.ts";
import { sweepBlobs } from "./hands/sweep.ts";
import { openReplica } from "./replica/replica.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "package.json"), "utf8")) as {
  version: string;
};
const CONSOLE_DIR = join(import.meta.dirname, "console", "dist");
const LEADING_MS = 10_000;
/** Our own broker has no bound on what comes before a login: never on a network. */
const BROKER_HOST = "127.0.0.1";

const strongRandom = makeStrongRandom();

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = makeLogger(config.logLevel, { hub: config.hubId });
  if (config.token !== undefined) registerSecret(config.token);
  const board = makeHealthBoard(version, systemClock);
  board.expect("ledger", "http", "mqtt", "agents", "desk");
  const scope = makeScope((task, error) =>
    log.error({ task, error: toErrorRecord(error), text: String(error) }, "a task failed"),
  );
  const paths = await openDataDir(resolve(config.dataDir));

  const gate = makeDeskGate(() => board.report());
  const door = (name: string, entry: string, data: Record<string, unknown>): Promise<DoorWorker> =>
    board.starting(name, () =>
      startDoor({
        name,
        entry: new URL(entry, import.meta.url),
        data: { ...data, logLevel: config.logLevel },
        desk: gate.desk,
        scope,
        clock: systemClock,
        log,
      }),
    );
  const doors = [door("http", "./http/worker.ts", httpData(config, paths))];
  const mqtt = mqttData(config);
  if (mqtt !== undefined) doors.push(door("mqtt", "./mqtt/worker.ts", mqtt));
  else board.watch("mqtt", () => ({ state: "off" }));

  const [hubParts, ...opened] = await Promise.all([openCore(config, paths, log, board), ...doors]);
  const { hub, ledgerStore, logDisk } = hubParts;
  const never = scope.signal;
  let link: OpenAgentLink | undefined;
  const theLink = (): OpenAgentLink => {
    if (link === undefined) throw new GantryError("starting", "The agent link is not open yet");
    return link;
  };

  const blobs = await openBlobFiles(paths.blobs);
  const calls = makeCalls(theLink, systemClock);
  const duties = makeDuties(hub, theLink, never);
  const stop = makeStop(hub, calls, theLink);
  const models = makeModels(hub, calls);
  const ask = makeAsk({ hub, models, stop, library: makeLibrary(hub.rows, blobs, paths.gcode) });
  const desk = makeDesk({
    hub,
    ask,
    models,
    calls,
    stop,
    link: theLink,
    ledgerStore,
    health: () => board.report(),
  });

  await giveOwnerToken(hub, config, paths, never);
  link = await board.starting("agents", async () =>
    openAgentLink({
      bind: config.agentBind,
      keys: await openHubKeys(paths.root),
      handler: makeInbox({ hub, calls, duties, blobs, link: theLink, signal: never }),
      clock: systemClock,
      random: strongRandom,
      log,
      signal: never,
      identity: () => ({ hub: hub.id, term: hub.replica.status().term }),
    }),
  );
  watchParts(hub, board, theLink);
  countEvents(hub.metrics, hub.feed, never);
  scope.start("duties", (signal) => duties.run(signal));
  scope.start("resume questions", async (signal) => {
    if (hub.rows.hot("question").size > 0) await untilNodesBack(hub, theLink, signal);
    await ask.resume(signal);
  });
  scope.start("sweep blobs", (signal) => sweepBlobs(hub, blobs, signal));
  gate.open(desk);
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

  await untilToldToStop();
  log.info({}, "stopping");
  board.stopping();
  await Promise.all(opened.map((each) => each.stop()));
  await hub.replica.checkpoint();
  await theLink().close();
  await scope.close();
  await hub.replica.close();
  await ledgerStore.close();
  await logDisk.close();
  log.info({}, "stopped");
}

async function openCore(
  config: HubConfig,
  paths: DataDir,
  log: Logger,
  board: ReturnType<typeof makeHealthBoard>,
) {
  const logDisk = await openLevelStore(paths.log, { createIfMissing: true });
  const ledgerStore = await openLevelStore(paths.ledger, { createIfMissing: true });
  const feed = makeFeed();
  const replica = await board.starting("ledger", async () => {
    const opened = await openReplica({
      hubId: config.hubId,
      logStore: await openLogStore(logDisk),
      ledgerStore,
      clock: systemClock,
      log,
      checkpointMs: config.checkpointMs,
      snapshots: { folder: join(paths.root, "snapshots") },
      onEvents: (events) => feed.publish(events),
    });
    await opened.barrier(systemClock.timeout(LEADING_MS));
    return opened;
  });
  board.watch("log", () => {
    const { isDiskFull } = replica.status();
    return isDiskFull
      ? { state: "degraded", note: "the disk does not take writes" }
      : { state: "ready" };
  });
  const hub: Hub = {
    id: config.hubId,
    replica,
    rows: replica.ledger.rows,
    feed,
    soft: makeSoftState(feed),
    clock: systemClock,
    random: strongRandom,
    log,
    metrics: makeMetrics(),
  };
  return { hub, ledgerStore, logDisk };
}

function httpData(config: HubConfig, paths: DataDir): Record<string, unknown> {
  const { httpHost: host, httpPort: port, tlsCert, tlsKey } = config;
  const tls =
    tlsCert === undefined || tlsKey === undefined
      ? {}
      : { tls: { cert: readFileSync(tlsCert, "utf8"), key: readFileSync(tlsKey, "utf8") } };
  return {
    door: {
      names: config.httpNames.map((name) => name.toLowerCase()),
      isTls: "tls" in tls,
      consoleDir: CONSOLE_DIR,
      version,
    },
    listen: { host, port, ...tls },
    blobsDir: paths.blobs,
  };
}

function mqttData(config: HubConfig): Record<string, unknown> | undefined {
  if (config.mqttUrl !== undefined) return { hubId: config.hubId, broker: { url: config.mqttUrl } };
  const port = Number(config.mqttPort);
  return Number.isInteger(port)
    ? { hubId: config.hubId, broker: { host: BROKER_HOST, port } }
    : undefined;
}

/** The first start makes the owner's token, or takes the one it was given, and writes it down once. */
async function giveOwnerToken(
  hub: Hub,
  config: HubConfig,
  paths: DataDir,
  signal: AbortSignal,
): Promise<void> {
  if (hub.rows.hot("token").size > 0) return;
  const earlier = await readFile(paths.token, "utf8").catch(() => ""); // a start that was cut off
  const secret = config.token ?? (earlier.trim() === "" ? makeSecret(hub.random) : earlier.trim());
  registerSecret(secret);
  await writeFileDurably(paths.token, `${secret}\n`, 0o600);
  await chmod(paths.token, 0o600);
  await act(
    hub,
    {
      type: "tokenMade",
      token: newId(hub, "tok"),
      person: "owner",
      role: "admin",
      secretSha256: sha256(secret),
    },
    byHub(hub),
    signal,
  );
}

function watchParts(
  hub: Hub,
  board: ReturnType<typeof makeHealthBoard>,
  link: () => OpenAgentLink,
): void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  const alive = (): number =>
    [...hub.rows.hot("node").values()].filter(({ state }) => state === "alive").length;
  board.watch("nodes", () => ({ state: "ready", note: `${alive()} alive` }));
  exposeGauges(hub.metrics, {
    gauges: {
      gantry_raft_term: { help: "Term of the log", read: () => hub.replica.status().term },
      gantry_raft_leader: {
        help: "1 while this hub leads",
        read: () => (hub.replica.status().role === "leader" ? 1 : 0),
      },
      gantry_raft_applied_index: {
        help: "Last log entry applied",
        read: () => hub.replica.status().appliedIndex,
      },
      gantry_nodes_alive: { help: "Node agents that are alive", read: alive },
      gantry_agent_sessions: {
        help: "Open sessions of node agents",
        read: () => link().heard().size,
      },
      gantry_frames_refused: {
        help: "Frames of node agents that were refused",
        read: () => link().counts().framesRefused,
      },
      gantry_zap_denied: {
        help: "Handshakes that were denied",
        read: () => link().counts().handshakesDenied,
      },
      gantry_prints_open: {
        help: "Print jobs that have not ended",
        read: () => hub.rows.hot("print").size,
      },
      gantry_jobs_open: {
        help: "Queued jobs that have not ended",
        read: () => hub.rows.hot("job").size,
      },
      gantry_confirmations_pending: {
        help: "Confirmations that wait",
        read: () => hub.rows.hot("confirmation").size,
      },
      gantry_ledger_dirty_rows: {
        help: "Rows that wait for the checkpoint",
        read: () => hub.rows.dirtyCount,
      },
      gantry_event_loop_lag_p99_seconds: {
        help: "Lag of the main thread since the last scrape",
        read: () => readLag(delay),
      },
    },
  });
}

function readLag(delay: ReturnType<typeof monitorEventLoopDelay>): number {
  const seconds = delay.percentile(99) / 1e9;
  delay.reset();
  return Number.isFinite(seconds) ? seconds : 0;
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
