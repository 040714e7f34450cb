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
import { openServiceManager } from "@gantry/shared/adapters/service-manager.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { HubFacts } from "@gantry/shared/contract/rows.ts";
import { readServers } from "./mcp/servers-config.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { OpenAgentLink } from "./adapters/agent-link.ts";
import { openBlobFiles } from "./adapters/blob-files.ts";
import { NO_PROVIDERS, readProviders } from "./adapters/provider-file.ts";
import { openDataDir } from "./adapters/data-dir.ts";
import { factsOf } from "./cluster/describe.ts";
import { makeServing } from "./cluster/serving.ts";
import { stepDown } from "./cluster/step-down.ts";
import { readConfig } from "./config.ts";
import { makeDeskGate } from "./door/gate.ts";
import { sweepBlobs } from "./hands/sweep.ts";
import { makeHealthBoard } from "./health.ts";
import { countEvents } from "./metrics.ts";
import type { Reign } from "./replica/options.ts";
import { openAgents } from "./roots/agents.ts";
import { openHubCore } from "./roots/core.ts";
import { openDoors } from "./roots/doors.ts";
import { makeFront } from "./roots/front.ts";
import { watchParts } from "./roots/gauges.ts";
import { makeHands } from "./roots/hands.ts";
import { answerOthers } from "./roots/others.ts";
import { giveOwnerToken } from "./roots/owner.ts";
import { makeReigning, type Reigning } from "./roots/reigning.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "package.json"), "utf8")) as {
  version: string;
};

async function main(): Promise<void> {
  const clock = systemClock;
  const manager = openServiceManager(process.env);
  const config = readConfig(process.env);
  const log = makeLogger(config.logLevel, { hub: config.hubId });
  const { token, clusterSecret, clusterCode, openaiApiKey, anthropicApiKey } = config;
  for (const secret of [token, clusterSecret, clusterCode, openaiApiKey, anthropicApiKey]) {
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

  const serving = makeServing();
  let link: OpenAgentLink | undefined;
  let reigning: Reigning | undefined;
  let early: Reign | undefined;
  const blobs = await openBlobFiles(paths.blobs);
  const opening = board.starting("ledger", () =>
    openHubCore(config, paths, log, {
      onReign(reign) {
        early = reign;
        reigning?.take(reign);
        serving.ring();
      },
      onLeader(id) {
        if (id !== null) link?.announce(id);
        serving.ring();
      },
      onConnected: () => serving.ring(),
      blobPiece: async (hash, offset, sizeBytes) => {
        const totalBytes = await blobs.size(hash);
        if (totalBytes === undefined) return undefined;
        return { bytes: await blobs.read(hash, offset, sizeBytes), totalBytes };
      },
    }),
  );
  const [core, ...opened] = await Promise.all([opening, ...doors.opening]);
  const { hub, members } = core;

  // ── hands and desk, agents, other hubs ──

  const exam = { core, version, root: paths.root };
  const theLink = (): OpenAgentLink => {
    if (link === undefined) throw new GantryError("starting", "The agent link is not open yet");
    return link;
  };
  const hands = makeHands({
    core,
    blobs,
    paths,
    board,
    link: theLink,
    egressAllow: config.egressAllow,
    ...(config.speech === undefined ? {} : { speech: config.speech }),
    ...(config.otlpUrl === undefined ? {} : { otlpUrl: config.otlpUrl }),
    knowledge: [...config.knowledgeFolders, join(paths.root, "knowledge")],
    mcpServers: readServers(config.mcpServers),
    providers:
      config.providers === undefined
        ? NO_PROVIDERS
        : readProviders(
            resolve(config.providers),
            {
              openai: config.openaiApiKey,
              anthropic: config.anthropicApiKey,
              folder: process.env["CREDENTIALS_DIRECTORY"],
            },
            clock,
          ),
    exam,
    signal: never,
  });
  const { handler } = hands;
  const bind = config.agentBind;
  link = await board.starting("agents", () =>
    openAgents({ core, root: paths.root, bind, handler, serving, signal: never }),
  );
  const facts = (): HubFacts =>
    factsOf(core, {
      config,
      agentEndpoint: theLink().endpoint,
      agentKey: theLink().publicKey,
      httpAddress: opened[0]?.address ?? "",
      version,
    });
  const { agreement, disagreement } = answerOthers({
    core,
    blobs: hands.blobs,
    serving,
    facts,
    exam,
    signal: never,
  });
  const isServing = (): boolean => serving.desk !== undefined;
  watchParts(core, board, theLink, { isServing, disagreement });
  countEvents(hub.metrics, hub.feed, never);

  // ── reigns ──

  reigning = makeReigning({
    core,
    hands,
    serving,
    link: theLink,
    facts,
    agreement,
    giveOwnerToken: (signal) => giveOwnerToken(hub, config.token, paths.token, signal),
    speakMqtt: (signal) => doors.speakMqtt(signal),
  });
  if (early !== undefined) reigning.take(early);
  scope.start("sweep blobs", (signal) => sweepBlobs(hub, blobs, signal));
  gate.open(makeFront(core, hands, serving));
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
  manager.ready();
  flushCompileCache(); // a hub that is killed writes nothing at its end
  // From here on this thread's young generation may grow with the load (bin/hub.js keeps it small at
  // rest): at 1 MB a busy leader spent a fifth of its time collecting, a collection every 5 ms.
  setFlagsFromString("--semi-space-growth-factor=2");

  await untilToldToStop();
  log.info({}, "stopping");
  manager.stopping();
  board.stopping();
  if (members.stateful().length > 0 && hub.replica.status().role === "leader") await stepDown(hub);
  await Promise.all(opened.map((each) => each.stop()));
  await hub.replica.checkpoint();
  await theLink().close();
  await scope.close();
  await core.close();
  await reigning.settled();
  log.info({}, "stopped");
}

const untilToldToStop = (): Promise<unknown> =>
  Promise.race([
    new Promise((done) => process.once("SIGTERM", done)),
    new Promise((done) => process.once("SIGINT", done)),
  ]);

/** Says why, in one line that a program can read, and ends. systemd goes by the exit code. */
function end(error: unknown): never {
  const { code, message, details } = toErrorRecord(error);
  const cause = error instanceof Error && code === "internal" ? { stack: error.stack } : {};
  process.stdout.write(
    `${JSON.stringify({ level: 50, time: new Date().toISOString(), code, msg: message, details, ...cause })}\n`,
  );
  process.stderr.write(`gantry-hub: ${message}\n`);
  process.exit(error instanceof GantryError ? error.kind.exit : 70);
}

// What a running hub cannot go on with (crash in hub/replica/faults.ts) is told as at the start.
process.on("uncaughtException", end);
try {
  await main();
  process.exit(0);
} catch (error) {
  end(error);
}
