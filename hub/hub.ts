// What the rooms of the main thread share: the log, the feed, the clock and chance. Passed as one
// value; nothing here is global.

import { type GantryError, fromErrorRecord } from "@gantry/shared/base/errors.ts";
import { type IdKind, mintId } from "@gantry/shared/base/ids.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { Command, CommandBody, Envelope, Reply } from "@gantry/shared/contract/commands.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Feed } from "./feed/feed.ts";
import { linkSubjects, type Traces } from "./feed/traces.ts";
import type { SoftState } from "./feed/soft.ts";
import type { Rows } from "./ledger/rows.ts";
import type { Metrics } from "./metrics.ts";
import type { Replica } from "./replica/replica.ts";

export interface Hub {
  readonly id: string;
  readonly replica: Replica;
  readonly rows: Rows;
  readonly feed: Feed;
  readonly soft: SoftState;
  readonly clock: Clock;
  /** The time to write into commands: never before the ledger's (registry/replicated-time.ts). */
  readonly stampMs: () => number;
  /** Cryptographically strong: ids and secrets are made of it. */
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Left out: nothing is traced. */
  readonly traces?: Traces;
}

export type By = Pick<Envelope, "actor" | "requestId"> & {
  readonly replay?: Envelope["replay"];
  readonly session?: Envelope["session"];
  /** Throws when it must not act any more (cluster/attempts.ts). */
  readonly fence?: () => void;
};

export const newId = (hub: Hub, kind: IdKind): string => mintId(kind, hub.clock.now(), hub.random);

/** The hub acting on its own behalf. */
export const byHub = (hub: Hub): By => ({ actor: "hub", requestId: newId(hub, "req") });

/** Proposes; gives the reply, refusal or not. */
export async function propose(
  hub: Hub,
  body: CommandBody,
  by: By,
  signal: AbortSignal,
): Promise<Reply> {
  const { actor, requestId, replay, session } = by;
  by.fence?.();
  const envelope: Envelope = {
    atMs: hub.stampMs(),
    actor,
    requestId,
    ...(replay === undefined ? {} : { replay }),
    ...(session === undefined ? {} : { session }),
  };
  const command = { ...envelope, ...body } as Command; // the envelope and one body make a command
  const { clock, metrics } = hub;
  const startMs = clock.monotonic();
  const reply = await hub.replica.propose(command, signal);
  metrics.commitSeconds.observe((clock.monotonic() - startMs) / 1_000);
  metrics.commands.inc({ type: body.type, result: reply.ok ? "ok" : reply.error.code });
  if (hub.traces !== undefined && actor !== "hub" && !actor.startsWith("node:")) {
    const endMs = clock.now();
    linkSubjects(hub.traces, body, requestId);
    hub.traces.ofRequest(requestId, {
      service: "hub",
      name: `commit ${body.type}`,
      startMs: endMs - (clock.monotonic() - startMs),
      endMs,
      ...(reply.ok ? {} : { error: reply.error.code }),
      attributes: { position: reply.position },
    });
  }
  return reply;
}

/** Proposes; gives the value, throws the refusal. */
export async function act(
  hub: Hub,
  body: CommandBody,
  by: By,
  signal: AbortSignal,
): Promise<unknown> {
  const reply = await propose(hub, body, by, signal);
  if (!reply.ok) throw refusal(reply);
  return reply.value;
}

/** `details.position`: where the log refused it. */
export const refusal = ({ error, position }: Extract<Reply, { ok: false }>): GantryError =>
  fromErrorRecord({ ...error, details: { ...error.details, position } });
