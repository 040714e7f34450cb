// What the use cases of the desk share, and small helpers to read a request.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Actor, mayAct, type Role } from "@gantry/shared/contract/roles.ts";
import type { Ask } from "../ask/ask.ts";
import type { Cloud } from "../ask/cloud.ts";
import type { AgentTurns } from "../hands/agent-turns.ts";
import type { Cameras } from "../hands/cameras.ts";
import type { Fleet } from "../hands/fleet.ts";
import type { Calls } from "../hands/calls.ts";
import type { Clockwork } from "../hands/clockwork.ts";
import type { DocumentHands } from "../hands/documents.ts";
import type { LiveStep } from "../hands/makes.ts";
import type { AnswerCache } from "../hands/cache.ts";
import type { Knowledge } from "../hands/knowledge.ts";
import type { Models } from "../hands/models.ts";
import type { RecallHands } from "../hands/recall.ts";
import type { Queues } from "../hands/queues.ts";
import type { PressStop } from "../hands/stop.ts";
import type { Workers } from "../hands/workers.ts";
import type { By, Hub } from "../hub.ts";
import type { RegistryLoop } from "../registry/loop.ts";
import type { RegistryWatches } from "../registry/watching.ts";
import type { Calendar } from "../schedules/calendar.ts";
import type {
  AgentLink,
  BlobStore,
  DeskCallOptions,
  DeskRequest,
  OrderedStore,
  Speech,
} from "../ports.ts";
import type { ForeignServers } from "../mcp/foreign-servers.ts";
import type { Operations } from "../cluster/operate.ts";
import type { PreparedBackup } from "../backup/make-backup.ts";
import type { ClusterState } from "../cluster/state.ts";
import type { DeviceRow, GcodeFacts } from "@gantry/shared/contract/rows.ts";
import type { ClusterExam } from "@gantry/shared/contract/schemas/cluster.ts";
import type { Health } from "@gantry/shared/contract/schemas/service.ts";

/** What the use cases about the cluster itself need. */
export interface ClusterHands {
  state(signal: AbortSignal): Promise<ClusterState>;
  backup(signal: AbortSignal): Promise<PreparedBackup>;
  exam(signal: AbortSignal): Promise<ClusterExam>;
  readonly operations: Operations;
}

export interface RegistryHands {
  readonly watches: RegistryWatches;
  readonly keepAlive: RegistryLoop["keepAlive"];
}

export interface QueueHands {
  readonly queues: Queues;
  readonly workers: Workers;
}

export interface WebhookHands {
  /** Throws egress_denied for an address to which nothing may be sent. */
  checkUrl(url: URL): void;
  makeSecret(): string;
}

export interface ScheduleHands {
  readonly calendar: Calendar;
  readonly runNow: Clockwork["runNow"];
}

export interface MakeHands {
  stepOf(job: string): LiveStep | undefined;
  readonly blobs: Pick<BlobStore, "read">;
  /** For this printer. The file and its pictures are on enough hubs. Throws gcode_*. */
  scan(
    file: { readonly sha256: string; readonly sizeBytes: number },
    device: DeviceRow,
    signal: AbortSignal,
  ): Promise<GcodeFacts>;
}

export interface DeskParts {
  readonly hub: Hub;
  readonly ask: Ask;
  readonly models: Models;
  /** Left out: no machine hears or speaks. */
  readonly speech?: Speech;
  readonly calls: Calls;
  readonly stop: PressStop;
  /** Left out: nothing is looked for, and nobody looks at all printers. */
  readonly fleet?: Fleet;
  /** Left out: no pictures of cameras. */
  readonly cameras?: Cameras;
  /** Left out: no provider is configured. */
  readonly cloud?: Cloud;
  /** Left out: no other MCP servers are used. */
  readonly foreign?: ForeignServers;
  /** Left out: no agents work, and tools are not offered. */
  readonly agents?: AgentTurns;
  /** Outputs of runs that are too large for their rows. */
  readonly blobs?: Pick<BlobStore, "read" | "size">;
  /** GANTRY_EGRESS_ALLOW; left out: nothing. */
  readonly egressAllow?: readonly string[];
  readonly link: () => AgentLink;
  readonly ledgerStore: OrderedStore;
  readonly health: () => Health;
  /** Left out: the desk watches the feed itself, and every keep-alive of a lock is logged. */
  readonly registry?: RegistryHands;
  /** Left out: no parts are made. */
  readonly makes?: MakeHands;
  /** Left out: no documents are written. */
  readonly documents?: DocumentHands;
  /** Left out: the desk knows no queues by name. */
  readonly queues?: QueueHands;
  /** Left out: the desk knows no schedules. */
  readonly schedules?: ScheduleHands;
  /** Left out: nothing is remembered, and no answer is given again by likeness. */
  readonly mind?: {
    readonly recall: RecallHands;
    readonly knowledge: Knowledge;
    readonly cache: AnswerCache;
  };
  /** Left out: the desk knows no webhooks. */
  readonly webhooks?: WebhookHands;
  readonly cluster: ClusterHands;
}

/** `request.body` is what the route's schema has let through; a use case names its type. */
export type UseCase = (parts: DeskParts, request: DeskRequest, options: DeskCallOptions) => unknown;

/** Who asks. The door has checked the route's role already. */
export function actorOf({ actor }: DeskRequest): Actor {
  if (actor === null) throw new GantryError("unauthenticated", "This needs a token");
  return actor;
}

export function byOf(request: DeskRequest): By {
  const { requestId, replay, session, fence } = request;
  return {
    actor: actorOf(request).person,
    requestId,
    ...(replay === undefined ? {} : { replay }),
    ...(session === undefined ? {} : { session }),
    ...(fence === undefined ? {} : { fence }),
  };
}

/**
 * Until the rows show everything that was committed anywhere before the call. Throws no_leader where
 * the log does not confirm that within TIMEOUT.readConfirmMs.
 */
export async function seeEverything({ replica, clock }: Hub, signal: AbortSignal): Promise<void> {
  const limit = clock.timeout(TIMEOUT.readConfirmMs, signal);
  try {
    await replica.barrier(limit);
  } catch (error) {
    if (signal.aborted || !limit.aborted) throw error;
    throw new GantryError("no_leader", "The hubs could not confirm this read in time", {
      cause: error,
      details: { retryAfterS: 1 },
    });
  }
}

export function paramOf({ params }: DeskRequest, name: string): string {
  const value = params[name];
  if (value === undefined)
    throw new GantryError("bad_request", `The path parameter ${name} is missing`);
  return value;
}

export const seesAll = (role: Role): boolean => mayAct(role, "operator");

/** What acts as its maker is changed by nobody but them, or an admin. Throws forbidden. */
export function assertMaker(
  row: { readonly id: string; readonly by: string },
  of: DeskRequest,
): void {
  const { person, role } = actorOf(of);
  if (row.by === person || mayAct(role, "admin")) return;
  throw new GantryError("forbidden", `${row.id} is ${row.by}'s: only they or an admin may do this`);
}

/** One page of a list that is numbered from 0 up, the newest first. `after` is a number's cursor. */
export function pageOf<T>(
  { query }: DeskRequest,
  count: number,
  read: (place: number) => T | undefined,
): { items: T[]; next: string | undefined } {
  const limit = Number(query["limit"] ?? 50);
  const after = query["after"];
  const start = after === undefined ? count - 1 : Number(after) - 1;
  if (!Number.isSafeInteger(start))
    throw new GantryError("bad_request", "The cursor `after` is not one of ours");
  const items: T[] = [];
  let place = Math.min(start, count - 1);
  for (; place >= 0 && items.length < limit; place -= 1) {
    const item = read(place);
    if (item !== undefined) items.push(item);
  }
  return { items, next: place >= 0 ? String(place + 1) : undefined };
}
