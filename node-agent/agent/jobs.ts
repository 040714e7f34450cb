// Queued jobs of the hub: leased with a token, done once where they must be, told until recorded.
//
// JB1. A token lower than the highest seen for its job is answered `stale_token`; nothing is done. Of a
//      `once` job that is not known here, also one that is not newer than those forgotten (M4).
// JB2. The lease is on disk before the work begins, the outcome before the hub hears of it.
// JB3. The same token again gets the same outcome again. A newer token for an outcome that the hub
//      has not recorded gets that outcome; a `once` job is never run a second time by this node.
// JB4. A `once` job that a crash cut in the middle is told as `interrupted`: a person decides.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { cadOrderSchema, type Made, sliceOrderSchema } from "@gantry/shared/contract/cad.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import { z } from "zod";
import type { MakeTools } from "./makes.ts";
import type { KnownJob, Memory, Outcome } from "./memory.ts";
import type { Outbox } from "./outbox.ts";
import type { Hands } from "./ports.ts";

const RUNNING_MAX = 64;

type JobMessage = Extract<HubMessage, { type: "job" }>;

interface Running {
  readonly abort: AbortController;
  /** Raised when the hub leases the same job to this node again. */
  token: number;
}

export interface Jobs {
  take(message: JobMessage): void;
  cancel(job: string, token: number): void;
  recorded(job: string, token: number): void;
  /** Tells every outcome that is not recorded. Called when a session opens, and now and then. */
  repeat(): void;
  holds(): { job: string; token: number }[];
  /** Ends what runs as `interrupted`: the hub leases again what may be repeated. */
  stop(): void;
}

export interface JobPorts {
  readonly hands: Hands;
  readonly memory: Memory;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Logger;
  /** What a job that makes a part may ask of this node. */
  readonly makeTools: (job: string, token: number, signal: AbortSignal) => MakeTools;
}

export function makeJobs(ports: JobPorts, scope: Scope): Jobs {
  const { hands, memory, outbox, clock, log } = ports;
  const running = new Map<string, Running>();

  for (const known of memory.openJobs()) {
    if (known.outcome === undefined) scope.start("recover", () => recover(known));
  }

  /** A job that ran when this node was killed. */
  async function recover({ job, token }: KnownJob): Promise<void> {
    await settle(job, token, { error: toErrorRecord(interrupted()) }); // JB4
  }

  function tell(job: string, token: number, outcome: Outcome): void {
    outbox.tell({ type: "result", job, token, ...outcome });
  }

  async function settle(job: string, token: number, outcome: Outcome): Promise<void> {
    await memory.keep({ type: "settled", job, token, ...outcome }); // JB2
    tell(job, token, outcome);
  }

  function refuse(job: string, token: number, error: GantryError): void {
    tell(job, token, { error: toErrorRecord(error) });
  }

  function take(message: JobMessage): void {
    const { job, token } = message;
    const known = memory.job(job);
    const seen = Math.max(known?.token ?? 0, running.get(job)?.token ?? 0);
    const { forgottenToken } = memory;
    const isForgotten =
      seen === 0 && token <= forgottenToken && effectOf(message, hands) === "once";
    if (token < seen || isForgotten) {
      const text = `${job} was leased with token ${Math.max(seen, forgottenToken)}, this is ${token}`;
      return refuse(job, token, new GantryError("stale_token", text)); // JB1
    }
    const current = running.get(job);
    if (current !== undefined) {
      current.token = token;
      return;
    }
    const { outcome } = known ?? {};
    const isRepeated = known?.token === token || known?.isRecorded === false;
    if (outcome !== undefined && (isRepeated || known?.effect === "once")) {
      scope.start("repeat", () => settle(job, token, outcome)); // JB3
      return;
    }
    if (running.size >= RUNNING_MAX) {
      return refuse(job, token, new GantryError("busy", `${running.size} jobs run on this node`));
    }
    run(message);
  }

  function run(message: JobMessage): void {
    const { job, token, timeoutMs } = message;
    const current: Running = { abort: new AbortController(), token };
    running.set(job, current);
    scope.start("job", async () => {
      try {
        await memory.keep({ type: "accepted", job, token, effect: effectOf(message, hands) });
        const stop = AbortSignal.any([current.abort.signal, scope.signal]);
        const limit = clock.timeout(timeoutMs, stop);
        const tools = (): MakeTools => ports.makeTools(job, current.token, limit);
        const outcome = await outcomeOf(message, hands, tools, limit);
        running.delete(job);
        await settle(job, current.token, outcome);
      } catch (error) {
        // The disk refused. Nothing was done, or it was and the restart will call it interrupted.
        log.error({ job, token, error }, "the journal cannot be written");
        refuse(job, current.token, asGantryError(error));
      } finally {
        running.delete(job);
      }
    });
  }

  return {
    take,
    cancel(job, token) {
      const current = running.get(job);
      if (current !== undefined && token >= current.token) {
        current.abort.abort(new GantryError("cancelled", "The job was cancelled"));
      } else if (current === undefined && memory.job(job) === undefined) {
        refuse(job, token, new GantryError("cancelled", "This node does not hold the job"));
      }
    },
    recorded(job, token) {
      const known = memory.job(job);
      if (known === undefined || known.isRecorded || token < known.token) return;
      scope.start("recorded", () => memory.keep({ type: "recorded", job, token }));
    },
    repeat() {
      for (const { job, token, outcome } of memory.openJobs()) {
        if (outcome !== undefined) tell(job, token, outcome);
      }
    },
    holds: () => {
      const open = memory.openJobs().map(({ job, token }) => [job, token] as const);
      const held = new Map([
        ...open,
        ...[...running].map(([job, { token }]) => [job, token] as const),
      ]);
      return [...held].map(([job, token]) => ({ job, token }));
    },
    stop() {
      for (const { abort } of running.values()) abort.abort(interrupted());
    },
  };
}

const commandSchema = z.object({
  command: z.string(),
  args: z.record(z.string(), z.unknown()).default({}),
  /** Where a workflow wants it. */
  run: z.string().max(64).optional(),
  place: z.string().max(1_000).optional(),
});
const embedSchema = z.object({ input: z.array(z.string()).min(1) });

/** Never throws: what went wrong is an outcome. */
async function outcomeOf(
  { job, kind, input }: JobMessage,
  hands: Hands,
  tools: () => MakeTools,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    signal.throwIfAborted(); // cancelled while its lease was written: it never begins
    if (kind === "embed")
      return { result: await hands.embed(parse(embedSchema, input).input, signal) };
    if (kind !== "command") return { result: await makePart(kind, input, hands, tools(), signal) };
    const { command, args, run, place } = parse(commandSchema, input);
    return { result: await hands.runCommand(command, args, signal, { job, run, place }) };
  } catch (error) {
    return { error: toErrorRecord(error) };
  }
}

function makePart(
  kind: "cad" | "slice",
  input: JobMessage["input"],
  { parts }: Hands,
  tools: MakeTools,
  signal: AbortSignal,
): Promise<Made> {
  if (parts === undefined) throw new GantryError("capability_missing", "No parts are made here");
  return kind === "cad"
    ? parts.render(parse(cadOrderSchema, input), tools, signal)
    : parts.slice(parse(sliceOrderSchema, input), tools, signal);
}

/** A command that is not on this node's list is refused before it does anything: harmless. */
function effectOf({ kind, input }: JobMessage, hands: Hands): "pure" | "idempotent" | "once" {
  if (kind !== "command") return "pure";
  return hands.commands.find(({ name }) => name === input["command"])?.effect ?? "pure";
}

function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new GantryError("bad_request", "The job's input is not what its kind asks for");
}

const interrupted = (): GantryError =>
  new GantryError("interrupted", "The node was stopped in the middle of this job");

const asGantryError = (error: unknown): GantryError =>
  error instanceof GantryError ? error : new GantryError("internal", "A fault of the node");
