// Doors run in worker threads, so that JSON, slow clients and garbage never delay a commit. This
// starts one, hands it the desk, and ends it politely.

import { MessageChannel, Worker } from "node:worker_threads";
import { type ErrorRecord, fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Desk } from "../ports.ts";
import { serveDesk } from "./serve-desk.ts";

/** What a door's worker says. After `failed` and `stopped` it ends by itself. */
export type DoorWorkerMessage =
  | {
      readonly type: "listening";
      readonly address?: string;
      readonly host?: string;
      readonly port?: number;
    }
  | { readonly type: "failed"; readonly error: ErrorRecord }
  | { readonly type: "stopped" };

export interface DoorWorkerOptions {
  readonly name: string;
  readonly entry: URL;
  /** Cloned into the worker, with `deskPort` added. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly desk: Desk;
  readonly scope: Scope;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface DoorWorker {
  /** Where it listens, in words. */
  readonly address: string;
  /** Lets what is under way end, TIMEOUT.stopMs at most. */
  stop(): Promise<void>;
}

/** Resolves when the door listens; throws what kept it from that. A door that dies ends the hub. */
export async function startDoor(options: DoorWorkerOptions): Promise<DoorWorker> {
  const { name, entry, data, desk, scope, clock, log } = options;
  const { port1, port2 } = new MessageChannel();
  serveDesk(port1, desk, scope, log);
  const worker = new Worker(entry, {
    name,
    workerData: { ...data, deskPort: port2 },
    transferList: [port2],
  });
  let isStopping = false;
  const ended = new Promise<void>((resolve) => {
    worker.once("exit", () => {
      resolve();
      if (!isStopping) throw new Error(`The ${name} door ended by itself`);
    });
  });

  const address = await new Promise<string>((resolve, reject) => {
    worker.on("error", (error) => {
      log.error({ door: name, err: error }, "the door failed");
      reject(error);
    });
    worker.on("message", (message: DoorWorkerMessage) => {
      if (message.type === "listening")
        resolve(message.address ?? `${message.host}:${message.port}`);
      if (message.type !== "failed") return;
      isStopping = true;
      reject(fromErrorRecord(message.error));
    });
  });

  return {
    address,
    async stop() {
      isStopping = true;
      worker.postMessage({ type: "stop" });
      const limit = clock.timeout(TIMEOUT.stopMs);
      const late = new Promise<void>((resolve) => limit.addEventListener("abort", () => resolve()));
      await Promise.race([ended, late]);
      if (limit.aborted) {
        log.warn(
          { door: name },
          new GantryError("timeout", "The door did not end in time").message,
        );
        await worker.terminate();
      }
    },
  };
}
