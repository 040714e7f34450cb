// Which hubs npm start runs: one in the data folder itself, or several beside each other, each in a
// folder and on ports of its own (--hubs 3).
//
// LH1. A folder that one hub has used is not used by several, nor the other way round: the first hub's
//      log would be left behind in silence.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { HubConfig } from "@gantry/shared/contract/config.ts";

/** Between the ports of one hub and the next. */
const PORT_STEP = 10;

export interface PlannedHub {
  readonly name: string;
  /** Added to the environment of its program. */
  readonly env: Readonly<Record<string, string>>;
}

export interface HubPlan {
  readonly hubs: readonly PlannedHub[];
  /** Where each hub's console is, the first one as it was configured. */
  readonly ports: readonly number[];
  /** For the agent. */
  readonly agentEnv: Readonly<Record<string, string>>;
}

/** Throws bad_config, port names in its message. */
export function planHubs(count: number, config: HubConfig, dataDir: string): HubPlan {
  const wasOne = existsSync(join(dataDir, "log"));
  const wasMany = existsSync(join(dataDir, "hub-2"));
  if (count === 1) {
    if (wasMany && !wasOne)
      throw new GantryError(
        "bad_config",
        `${dataDir} belongs to several hubs: say npm start -- --hubs 3, or choose another GANTRY_DATA_DIR`,
      );
    const agentEnv = { GANTRY_HUBS: reachable(config.agentBind) };
    return { hubs: [{ name: "hub", env: {} }], ports: [config.httpPort], agentEnv };
  }
  if (wasOne)
    throw new GantryError(
      "bad_config",
      `${dataDir} belongs to one hub: choose another GANTRY_DATA_DIR, or let others join it (gantry cluster add)`,
    );
  const numbers = Array.from({ length: count }, (_, place) => place);
  const peers = numbers.map((place) => shifted(config.peerBind, "GANTRY_PEER_BIND", place));
  const agents = numbers.map((place) => shifted(config.agentBind, "GANTRY_AGENT_BIND", place));
  const names = numbers.map((place) => `hub-${place + 1}`);
  const ports = numbers.map((place) => config.httpPort + PORT_STEP * place);
  const secret = keptSecret(join(dataDir, "cluster.secret"), "");
  const token = config.token ?? keptSecret(join(dataDir, "token"), "gt_");
  const hubs = names.map((name, place): PlannedHub => {
    const others = names.flatMap((other, at) => (at === place ? [] : [`${other}=${peers[at]}`]));
    return {
      name,
      env: {
        GANTRY_HUB_ID: name,
        GANTRY_DATA_DIR: join(dataDir, name),
        GANTRY_HTTP_PORT: String(ports[place]),
        GANTRY_PEER_BIND: peers[place] ?? "",
        GANTRY_AGENT_BIND: agents[place] ?? "",
        GANTRY_PEERS: others.join(","),
        GANTRY_CLUSTER_SECRET: secret,
        GANTRY_TOKEN: token,
        ...(config.mqttPort === "off" || config.mqttUrl !== undefined
          ? {}
          : { GANTRY_MQTT_PORT: String(config.mqttPort + PORT_STEP * place) }),
      },
    };
  });
  return { hubs, ports, agentEnv: { GANTRY_HUBS: agents.join(",") } };
}

function shifted(address: string, variable: string, place: number): string {
  const found = /^(tcp:\/\/.+:)(\d+)$/.exec(address);
  if (found === null || found[2] === "0")
    throw new GantryError("bad_config", `${variable} must be tcp://HOST:PORT for several hubs`);
  return `${found[1]}${Number(found[2]) + PORT_STEP * place}`;
}

/** Made at the first start, readable by its owner alone. */
function keptSecret(path: string, prefix: string): string {
  if (existsSync(path)) return readFileSync(path, "utf8").trim();
  const secret = `${prefix}${randomBytes(32).toString("base64url")}`;
  writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  return secret;
}

/** Where an agent of this machine reaches what listens everywhere. */
const reachable = (bind: string): string =>
  bind.replace(/^tcp:\/\/(0\.0\.0\.0|\*|\[::\])(?=:)/, "tcp://127.0.0.1");
