// The node agent: the only place here that knows which adapter serves which port.
//
// Exit codes: 0 after SIGTERM or SIGINT; otherwise the code of the error, see base/errors.ts.

import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { makeLogger, registerSecret } from "@gantry/shared/adapters/pino.ts";
import { openServiceManager } from "@gantry/shared/adapters/service-manager.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { mintId } from "@gantry/shared/base/ids.ts";
import type { AgentConfig } from "@gantry/shared/contract/config.ts";
import { decodeJoinCode } from "@gantry/shared/contract/join-code.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { openBlobCache } from "./adapters/blob-cache.ts";
import { connectBridge } from "./adapters/bridge-socket.ts";
import { discover } from "./adapters/discover.ts";
import { makeHubLinks } from "./adapters/hub-link.ts";
import { makeIdentity, readIdentity, writeIdentity } from "./adapters/identity.ts";
import { openJournal } from "./adapters/journal.ts";
import { type Agent, makeAgent } from "./agent/agent.ts";
import { openHands } from "./agent/hands.ts";
import { entrySchema, fold, makeMemory, makeTables } from "./agent/memory.ts";
import type { Identity } from "./agent/ports.ts";
import { startWorks } from "./agent/works.ts";
import { agentConfig, childEnvironment } from "./config.ts";

const clock = systemClock;
const random = Math.random;

/** Runs until `signal` aborts. Throws GantryError: configuration, damaged data, a hub that denied. */
export async function runAgent(
  config: AgentConfig,
  environment: Readonly<Record<string, string>>,
  log: Logger,
  signal: AbortSignal,
  onReady: () => void = () => undefined,
): Promise<void> {
  const dataDir = resolve(config.dataDir);
  const { identity, joinSecret } = await establish(dataDir, config.joinCode);
  const folder = join(dataDir, "agent");
  const tables = makeTables();
  const journal = await openJournal(
    join(folder, "journal"),
    (value) => entrySchema.parse(value),
    (entry) => fold(tables, entry),
  );
  await using scope = makeScope((task, error) => log.error({ task, error }, "agent"));
  let agent: Agent | undefined;
  const onChange = (): void => agent?.capabilitiesChanged();
  const hands = await openHands(
    { ...config, dataDir, childEnvironment: environment },
    { clock, random, log, onChange },
    scope,
  );
  const works = startWorks(
    {
      hands,
      memory: makeMemory(tables, journal),
      cache: await openBlobCache(join(folder, "blobs")),
      connectBridge: (handlers, scope) =>
        connectBridge(resolve(config.bridgeSocket), { clock, random, log }, handlers, scope),
      discover: (signal) => discover({ clock, log }, signal),
      clock,
      random,
      log,
    },
    onChange,
  );
  agent = makeAgent(
    {
      addresses: config.hubs,
      name: config.nodeName ?? hostname(),
      labels: config.nodeLabels,
      bootId: mintId("boot", clock.now(), random),
      identity,
      ...(joinSecret === undefined ? {} : { joinSecret }),
    },
    {
      openLink: makeHubLinks(identity, { clock, log }),
      works,
      saveIdentity: (identity) => writeIdentity(dataDir, identity),
      clock,
      random,
      log,
    },
  );
  onReady(); // whether a hub answers is not in this machine's hands
  try {
    await agent.run(signal);
  } finally {
    await hands.close();
    await journal.close();
  }
}

/** Who this node is, or is about to become. Throws bad_config, join_code_invalid, data_damaged. */
async function establish(
  dataDir: string,
  joinCode: string | undefined,
): Promise<{ identity: Identity; joinSecret?: string }> {
  const kept = await readIdentity(dataDir);
  if (kept?.node !== undefined) return { identity: known(kept) };
  if (joinCode === undefined) {
    const text = "This node belongs to no hub yet: make a join code there, set GANTRY_JOIN_CODE";
    throw new GantryError("bad_config", text);
  }
  const { hubKey, secret: joinSecret } = decodeJoinCode(joinCode);
  registerSecret(joinSecret);
  // Keys of an enrolment that was cut off are used again, so that the hub sees the same node.
  const identity = kept?.hubKey === hubKey ? kept : makeIdentity(hubKey);
  if (identity !== kept) await writeIdentity(dataDir, identity);
  return { identity: known(identity), joinSecret };
}

function known(identity: Identity): Identity {
  registerSecret(identity.secret);
  registerSecret(identity.secretKey);
  return identity;
}

/** The program: configuration, log, signals, exit code. */
export async function main(): Promise<void> {
  let log = makeLogger("info", { app: "agent" });
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => stop.abort(new GantryError("stopping", `${name} was received`)));
  }
  try {
    const manager = openServiceManager(process.env);
    const config = agentConfig();
    log = makeLogger(config.logLevel, { app: "agent" });
    stop.signal.addEventListener("abort", () => manager.stopping());
    await runAgent(config, childEnvironment(), log, stop.signal, () => manager.ready());
    process.exitCode = 0;
  } catch (error) {
    if (!(error instanceof GantryError)) throw error; // a bug: die loudly, systemd starts us again
    log.error({ code: error.code, hint: error.kind.hint }, error.message);
    process.exitCode = error.kind.exit;
  }
}
