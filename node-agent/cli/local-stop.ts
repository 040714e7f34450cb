// The emergency stop without a hub: straight to the bridge of this machine, over its local socket.
//
// LS1. Who may open the socket may stop its printers; no token is asked for, no hub, no quorum.
// LS2. It never throws and waits at most LIMIT_MS: it goes out beside the hub's stop, not instead.

import { existsSync } from "node:fs";
import { connect } from "node:net";
import { resolve as resolvePath } from "node:path";
import { readClientConfig } from "@gantry/shared/contract/config.ts";
import { encodeSocketFrame, makeSocketDecoder } from "@gantry/shared/contract/frames.ts";
import { textOption } from "./args.ts";
import { type Context, readText } from "./context.ts";

const LIMIT_MS = 2_000;
const ID = "stop";
/** Where an installed bridge has it (systemd/gantry-bridge.service). */
const INSTALLED = "/var/lib/gantry-node/bridge/bridge.sock";

/** The printers that this machine's bridge stopped; undefined if there is none, or it did not. */
export async function stopHere(
  context: Context,
  printer: string | undefined,
): Promise<readonly string[] | undefined> {
  const path = socketPath(context);
  if (path === undefined) return undefined;
  return await new Promise((resolve) => {
    const socket = connect(path);
    const decoder = makeSocketDecoder();
    let known: readonly string[] = [];
    const settle = (stopped: readonly string[] | undefined): void => {
      resolve(stopped);
      socket.destroy();
    };
    AbortSignal.timeout(LIMIT_MS).addEventListener("abort", () => settle(undefined)); // LS2
    socket.on("connect", () => {
      const order = { type: "stop", id: ID, ...(printer === undefined ? {} : { printer }) };
      socket.write(encodeSocketFrame([order]));
    });
    socket.on("error", () => settle(undefined));
    socket.on("close", () => settle(undefined));
    socket.on("data", (bytes: Uint8Array) => {
      try {
        for (const report of decoder.push(bytes)) {
          known = printersIn(report) ?? known;
          const answer = answerIn(report);
          if (answer === undefined) continue;
          settle(answer ? (printer === undefined ? known : [printer]) : undefined);
        }
      } catch {
        settle(undefined); // it is no bridge
      }
    });
  });
}

/** Undefined where another machine is meant, or no bridge is here. */
function socketPath({ world, options }: Context): string | undefined {
  if (textOption(options, "hub") !== undefined) return undefined;
  const { env, cwd } = world;
  const { bridgeSocket, dataDir } = readClientConfig(env, readText);
  if (bridgeSocket !== undefined) return resolvePath(cwd, bridgeSocket);
  const own = resolvePath(cwd, dataDir, "bridge", "bridge.sock");
  const isDefault = env["GANTRY_DATA_DIR"] === undefined;
  return [own, ...(isDefault ? [INSTALLED] : [])].find((path) => existsSync(path));
}

function printersIn(report: unknown): readonly string[] | undefined {
  if (!isFacts(report) || report["type"] !== "printers") return undefined;
  const { printers } = report;
  if (!Array.isArray(printers)) return undefined;
  return (printers as readonly unknown[]).flatMap((one) =>
    isFacts(one) && typeof one["id"] === "string" ? [one["id"]] : [],
  );
}

function answerIn(report: unknown): boolean | undefined {
  if (!isFacts(report) || report["id"] !== ID) return undefined;
  return report["type"] === "accepted" ? true : report["type"] === "refused" ? false : undefined;
}

const isFacts = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;
