// All that a node does for its hub, behind one door: messages in, answers through the outbox.

import { readFile } from "node:fs/promises";
import type { Capabilities } from "@gantry/shared/contract/rows.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { ModelRuntimeView } from "@gantry/shared/contract/schemas/models.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope, type Scope } from "@gantry/shared/flow/scope.ts";
import { type BlobFetch, makeBlobFetch } from "./blob-fetch.ts";
import { type Generations, makeGenerations } from "./generations.ts";
import { type BlobSend, makeBlobSend } from "./blob-send.ts";
import { type Jobs, makeJobs } from "./jobs.ts";
import type { MakeTools } from "./makes.ts";
import type { Memory } from "./memory.ts";
import { readModelPiece } from "./model-pieces.ts";
import { makeOutbox, type Outbox } from "./outbox.ts";
import type { BlobCache, Bridge, BridgeHandlers, Hands } from "./ports.ts";
import { makePrints, type Prints } from "./prints.ts";
import { makeWorkshop, type Workshop } from "./workshop.ts";
import { takePicture } from "../adapters/camera.ts";
import type { Found } from "@gantry/shared/contract/workshop.ts";

const REPEAT_BEATS = 2;
const SETTLE_MS = TIMEOUT.stopMs / 2;

/** Messages that concern the session itself are the loop's. */
export type WorkMessage = Exclude<
  HubMessage,
  { type: "enrolled" | "welcome" | "denied" | "beat" | "hubs" | "notLeader" }
>;

export interface WorkPorts {
  readonly hands: Hands;
  readonly memory: Memory;
  readonly cache: BlobCache;
  readonly connectBridge: (handlers: BridgeHandlers, scope: Scope) => Bridge;
  /** Left out: nothing is ever found. */
  readonly discover?: (signal: AbortSignal) => Promise<readonly Found[]>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface Works {
  readonly outbox: Outbox;
  do(message: WorkMessage): void;
  /** A session is open: tell what waits. */
  opened(): void;
  /** The session is over; what is in hand goes on. */
  lost(): void;
  beat(seq: number): void;
  capabilities(): Capabilities;
  holds(): { job: string; token: number }[];
  /** Ends what runs, waits for it for half of TIMEOUT.stopMs. Prints go on: they are the bridge's. */
  stop(): Promise<void>;
}

/** Starts the connection to the bridge. `onCapabilities`: they may have changed. */
export function startWorks(ports: WorkPorts, onCapabilities: () => void): Works {
  const { hands, memory, cache, clock, random, log } = ports;
  const scope = makeScope((task, error) => log.error({ task, error }, "work"));
  const outbox = makeOutbox();
  const blobs: BlobFetch = makeBlobFetch({ cache, outbox, clock, random });
  const generations: Generations = makeGenerations(hands, outbox, clock, scope);
  const sends: BlobSend = makeBlobSend(outbox, { clock, random });
  const makeTools = (job: string, token: number, signal: AbortSignal): MakeTools => ({
    onStep: (step, share) => void outbox.tell({ type: "makeStep", job, token, step, share }),
    keep: (bytes) => sends.send(job, token, bytes, signal),
    async load({ sha256, sizeBytes }) {
      const path = await blobs.fetch(sha256, sizeBytes, signal);
      const bytes = await readFile(path);
      await cache.remove(sha256); // of no print: nobody else reads it
      return bytes;
    },
  });
  const jobs: Jobs = makeJobs({ hands, memory, outbox, clock, log, makeTools }, scope);
  const prints: Prints = makePrints(
    {
      bridge: () => bridge,
      memory,
      cache,
      blobs,
      outbox,
      clock,
      log,
      onPrinters: onCapabilities,
    },
    scope,
  );
  const bridge = ports.connectBridge(prints.handlers, scope);
  const workshop: Workshop = makeWorkshop(
    {
      bridge: () => bridge,
      printers: () => prints.printers(),
      outbox,
      discover: (signal) => ports.discover?.(signal) ?? Promise.resolve([]),
      takePicture: (url, signal) => takePicture(url, clock, signal),
    },
    scope,
  );

  function perform(message: WorkMessage): void {
    switch (message.type) {
      case "stop":
        return prints.stop(message);
      case "generate":
        return generations.generate(message);
      case "embed":
        return generations.embed(message);
      case "cancel":
        return generations.cancel(message.id);
      case "modelPiece":
        return sendModelPiece(message);
      case "credit":
        return generations.credit(message.id, message.upTo);
      case "job":
        return jobs.take(message);
      case "cancelJob":
        return jobs.cancel(message.job, message.token);
      case "recorded":
        if (message.phase === undefined) return jobs.recorded(message.job, message.token);
        return prints.recorded(message);
      case "print":
        return prints.take(message);
      case "printWish":
        return prints.wish(message);
      case "workshop":
        return workshop.take(message);
      case "resetPrinter":
        return prints.reset(message);
      case "piece":
        return blobs.onPiece(message);
      case "kept":
        return sends.onKept(message);
    }
  }

  function sendModelPiece(message: Extract<WorkMessage, { type: "modelPiece" }>): void {
    scope.start("model piece", async () => {
      const answer = await readModelPiece(message, (sha256) => hands.modelFile?.(sha256));
      outbox.tell(answer); // lost with the session: who asks asks again
    });
  }

  function repeat(): void {
    jobs.repeat();
    prints.repeat();
  }

  let toldRuntime = "";
  /** Live values, once for each change; what was not taken is said with a later beat. */
  function tellRuntime(): void {
    const runtime = hands.runtime?.();
    if (runtime === undefined || runtime.models.length === 0) return;
    const text = JSON.stringify(runtime);
    if (text === toldRuntime) return;
    if (outbox.tell({ type: "runtime", runtime: JSON.parse(text) as ModelRuntimeView }))
      toldRuntime = text;
  }

  let stopping: Promise<void> | undefined;
  async function settle(): Promise<void> {
    generations.stop();
    jobs.stop();
    const settled = new AbortController();
    const late = clock.sleep(SETTLE_MS, settled.signal).catch(() => {});
    await Promise.race([scope.close(), late]);
    settled.abort();
  }

  return {
    outbox,
    do: perform,
    opened() {
      toldRuntime = "";
      tellRuntime();
      generations.flush();
      prints.open();
      repeat();
    },
    lost() {
      blobs.onLost();
      sends.onLost();
    },
    beat(seq) {
      generations.flush();
      tellRuntime();
      prints.tick();
      if (seq % REPEAT_BEATS === 0) repeat();
    },
    capabilities: () => ({
      models: hands.models(),
      ...(hands.embedder === undefined ? {} : { embedder: hands.embedder }),
      commands: hands.commands,
      printers: prints.printers(),
      ...hands.parts?.facts(),
    }),
    holds: () => [...jobs.holds(), ...prints.holds()],
    stop() {
      stopping ??= settle();
      return stopping;
    },
  };
}
