// What a registry client and a hub say to each other on the agent link, beside link.ts: small values
// (flags), locks and watches, many calls in flight on one connection.
//
// RO1. A client opens its own session with `registryHello`; a node's other session does not know of it.
//      Every hub opens one, leading or not: reads and watches are served anywhere, writes by the leader.
// RO2. An answer is `ok`, `fail` (surely nothing was done) or `unknown` (it may have been done).
// RO3. A write that carries a client session and its number (sessions.ts) is done once, however often
//      it is sent, and to whichever hub.
// RO5. A stream of work belongs to the leader that opened it: when its session ends, its jobs wait for a
//      while to be announced again (`holds`), and are then given to somebody else.
// RO4. These messages come many thousand times a second: they are checked by hand and not by a schema.

import type { ErrorRecord } from "../base/errors.ts";
import { LIMIT } from "../base/policy.ts";
import { TIMEOUT } from "../base/policy.ts";
import type { HubFact } from "./link.ts";
import type { Children, WorkDraft } from "./queues.ts";
import { CHILD_RULES, QUEUE_NAME } from "./queues.ts";
import { EFFECTS, JOB_CLASSES, type JobState } from "./rows.ts";
import type { WatchMessage } from "./watch-kinds.ts";

/** Keys that a node may write without anybody's token. */
export const NODE_KEYS = "nodes:";

export const READ_MODES = ["linearizable", "leader", "local"] as const;
export type ReadMode = (typeof READ_MODES)[number];

export interface RegistryHello {
  readonly type: "registryHello";
  readonly node: string;
  /** The node's secret, as in `hello`. */
  readonly secret: string;
  /** Of a person or program: what it may do, this client may. Left out: what a node may. */
  readonly token?: string;
}

/** RO3. */
export interface CallStamp {
  readonly id: string;
  readonly seq: number;
}

interface Stamped {
  readonly session?: CallStamp;
}

export type RegistryOp =
  | ({
      readonly op: "put";
      readonly key: string;
      readonly value: unknown;
      /** The revision it must be at; 0: there must be none. */
      readonly ifRevision?: number;
    } & Stamped)
  | ({ readonly op: "delete"; readonly key: string; readonly ifRevision?: number } & Stamped)
  | { readonly op: "get"; readonly key: string; readonly read?: ReadMode }
  | ({
      readonly op: "acquire";
      readonly name: string;
      readonly ttlMs: number;
      readonly owner?: string;
      /** It ends when this client's node is lost. */
      readonly isOfNode?: boolean;
      /** Waits in the lock's queue for at most this long; left out: not at all. */
      readonly waitMs?: number;
    } & Stamped)
  /** The wait of call `call` is given up; that call is answered with `cancelled`. */
  | { readonly op: "unwait"; readonly call: number }
  | ({ readonly op: "renew"; readonly name: string; readonly token: number } & Stamped)
  | ({ readonly op: "release"; readonly name: string; readonly token: number } & Stamped)
  | { readonly op: "openSession" }
  | { readonly op: "closeSession"; readonly clientSession: string }
  | {
      readonly op: "watch";
      /** With commas; all where left out. */
      readonly kinds?: string;
      readonly prefix?: string;
      readonly selector?: string;
      /** What the watcher has: 0 for nothing, `now` for no past at all. */
      readonly since: number | "now";
      /** It has had its snapshot, be it at revision 0. */
      readonly isResumed?: boolean;
    }
  | { readonly op: "unwatch"; readonly watch: number }
  // work of named queues (queues.ts); many jobs in one call
  | ({
      readonly op: "enqueue";
      readonly queue: string;
      readonly jobs: readonly WorkSpec[];
    } & Stamped)
  /** Opens a stream of leased jobs: RegistryWork. RO5. */
  | {
      readonly op: "work";
      readonly queue: string;
      /** How many jobs it may hold at a time. */
      readonly credit: number;
      /** What it still holds from an earlier stream. */
      readonly holds?: readonly HeldWork[];
    }
  | { readonly op: "unwork"; readonly work: number }
  | { readonly op: "finish"; readonly ends: readonly (HeldWork & { readonly result?: unknown })[] }
  | {
      readonly op: "fail";
      readonly ends: readonly (HeldWork & {
        readonly error: ErrorRecord;
        /** It is not to be tried again. */
        readonly isFinal?: boolean;
        /** Its queue's key is paused so long, ms; without a key the queue. */
        readonly pauseMs?: number;
      })[];
    }
  /** More time, and how far it has come; in the leader's memory alone. */
  | {
      readonly op: "extend";
      readonly jobs: readonly (HeldWork & {
        readonly ms?: number;
        readonly progress?: unknown;
      })[];
    }
  /** From now on every end of a job of this queue: RegistryWork with `ends`. */
  | { readonly op: "ended"; readonly queue: string };

export type RegistryCall = { readonly type: "registry"; readonly id: number } & RegistryOp;
export type RegistryOpName = RegistryOp["op"];

export type RegistryAnswer = { readonly type: "registryAnswer"; readonly id: number } & (
  | { readonly result: "ok"; readonly value: unknown }
  | { readonly result: "fail" | "unknown"; readonly error: ErrorRecord }
);

/** Of the watch that was asked for by call `id`. */
export interface RegistryNews {
  readonly type: "registryNews";
  readonly id: number;
  readonly messages: readonly WatchMessage[];
}

export interface HeldWork {
  readonly job: string;
  /** Of its lease. */
  readonly token: number;
}

/** A job as a program queues it; the rest of WorkDraft is the hub's. */
export interface WorkSpec extends Omit<WorkDraft, "job" | "idempotency" | "notBeforeMs"> {
  /** The hub's choice where left out. */
  readonly job?: string;
  readonly idempotencyKey?: string;
  readonly delayMs?: number;
}

export interface LeasedWork extends HeldWork {
  readonly data: unknown;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly timeoutMs: number;
  readonly children?: Children;
}

export interface EndedWork {
  readonly job: string;
  readonly state: JobState;
  readonly result?: unknown;
  readonly error?: ErrorRecord;
}

/** Of the stream that was opened by call `id`. */
export interface RegistryWork {
  readonly type: "registryWork";
  readonly id: number;
  readonly jobs?: readonly LeasedWork[];
  /** To be stopped at once: nobody waits for their ends. */
  readonly stops?: readonly HeldWork[];
  readonly ends?: readonly EndedWork[];
  /** The hub leads no more: the stream is void. */
  readonly isOver?: true;
}

export type RegistryReply = RegistryAnswer | RegistryNews | RegistryWork;

/** A value as a read shows it; `revision` 0: there is none. `ageMs` only of local reads. */
export interface FlagShown {
  readonly key: string;
  readonly value?: unknown;
  readonly revision: number;
  readonly ageMs?: number;
}

/** What a registry session begins with; the same words as a node's `welcome`. */
export interface RegistryWelcome {
  readonly type: "welcome";
  readonly session: string;
  readonly hub: string;
  readonly term: number;
  readonly cluster?: string;
  readonly hubs?: readonly HubFact[];
}

// ── checks (RO4) ────────────────────────────────────────────────────────────────────────────────

type Loose = Readonly<Record<string, unknown>>;

const KEY = /^[a-z0-9][a-z0-9._:-]{0,119}$/; // flagKeySchema of schemas/registry.ts
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const LOCK_MS_MIN = 1_000;
const LOCK_MS_MAX = 86_400_000;
const TEXT_MAX = 1_000;

const isLoose = (item: unknown): item is Loose => typeof item === "object" && item !== null;
const isKey = (value: unknown): boolean => typeof value === "string" && KEY.test(value);
const isCount = (value: unknown): boolean =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const isPositive = (value: unknown): boolean => isCount(value) && value !== 0;
const isShort = (value: unknown): boolean => typeof value === "string" && value.length <= TEXT_MAX;
const isMissingOr = (is: (value: unknown) => boolean, value: unknown): boolean =>
  value === undefined || is(value);
const isFlag = (value: unknown): boolean => typeof value === "boolean";
const isStamp = (value: unknown): boolean =>
  isLoose(value) &&
  typeof value["id"] === "string" &&
  ID.test(value["id"]) &&
  isCount(value["seq"]) &&
  value["seq"] !== 0;

const isStamped = ({ session }: Loose): boolean => session === undefined || isStamp(session);
const isHeld = (item: Loose): boolean =>
  isKey(item["name"]) && isCount(item["token"]) && isStamped(item);

// ── work ────────────────────────────────────────────────────────────────────────────────────────

const isName = (value: unknown): boolean => typeof value === "string" && QUEUE_NAME.test(value);
const isId = (value: unknown): boolean => typeof value === "string" && ID.test(value);
const isMany = (value: unknown, is: (item: Loose) => boolean): boolean =>
  Array.isArray(value) &&
  value.length <= LIMIT.jobsInBatch.max &&
  value.every((item) => isLoose(item) && is(item));
const isHeldWork = (item: Loose): boolean => isId(item["job"]) && isCount(item["token"]);
const isOneOf =
  (known: readonly string[]) =>
  (value: unknown): boolean =>
    known.some((word) => word === value);
const isClass = isOneOf(JOB_CLASSES);
const isEffect = isOneOf(EFFECTS);
const isChildRule = isOneOf(CHILD_RULES);

const isSpec = (item: Loose): boolean =>
  item["data"] !== undefined &&
  isMissingOr(isId, item["job"]) &&
  isMissingOr(isClass, item["class"]) &&
  isMissingOr(Number.isSafeInteger, item["priority"]) &&
  isMissingOr(isCount, item["delayMs"]) &&
  isMissingOr(isName, item["workspace"]) &&
  isMissingOr(isName, item["mutex"]) &&
  isMissingOr(isName, item["key"]) &&
  isMissingOr(isEffect, item["effect"]) &&
  isMissingOr(isPositive, item["attemptsMax"]) &&
  isMissingOr(isPositive, item["timeoutMs"]) &&
  isMissingOr(isName, item["idempotencyKey"]) &&
  isMissingOr(isId, item["parent"]) &&
  isMissingOr(isChildRule, item["waits"]);

const isFailure = (item: Loose): boolean => {
  const { error } = item;
  if (!isHeldWork(item) || !isLoose(error)) return false;
  return typeof error["code"] === "string" && isShort(error["message"]);
};

const OPS: Readonly<Record<RegistryOpName, (item: Loose) => boolean>> = {
  put: (item) =>
    isKey(item["key"]) &&
    item["value"] !== undefined &&
    isMissingOr(isCount, item["ifRevision"]) &&
    isStamped(item),
  delete: (item) =>
    isKey(item["key"]) && isMissingOr(isCount, item["ifRevision"]) && isStamped(item),
  get: (item) =>
    isKey(item["key"]) &&
    (item["read"] === undefined || READ_MODES.some((mode) => mode === item["read"])),
  acquire: (item) =>
    isKey(item["name"]) &&
    isCount(item["ttlMs"]) &&
    Number(item["ttlMs"]) >= LOCK_MS_MIN &&
    Number(item["ttlMs"]) <= LOCK_MS_MAX &&
    isMissingOr(isShort, item["owner"]) &&
    isMissingOr(isFlag, item["isOfNode"]) &&
    isMissingOr(isCount, item["waitMs"]) &&
    Number(item["waitMs"] ?? 0) <= TIMEOUT.lockWaitMs &&
    isStamped(item),
  renew: isHeld,
  release: isHeld,
  openSession: () => true,
  closeSession: ({ clientSession }) => typeof clientSession === "string" && ID.test(clientSession),
  watch: (item) =>
    isMissingOr(isShort, item["kinds"]) &&
    isMissingOr(isShort, item["prefix"]) &&
    isMissingOr(isShort, item["selector"]) &&
    isMissingOr(isFlag, item["isResumed"]) &&
    (item["since"] === "now" || isCount(item["since"])),
  unwait: (item) => isCount(item["call"]),
  unwatch: (item) => isCount(item["watch"]),
  enqueue: (item) => isName(item["queue"]) && isMany(item["jobs"], isSpec) && isStamped(item),
  work: (item) =>
    isName(item["queue"]) &&
    isCount(item["credit"]) &&
    isMissingOr((holds) => isMany(holds, isHeldWork), item["holds"]),
  unwork: (item) => isCount(item["work"]),
  finish: (item) => isMany(item["ends"], isHeldWork),
  fail: (item) => isMany(item["ends"], isFailure),
  extend: (item) => isMany(item["jobs"], isHeldWork),
  ended: (item) => isName(item["queue"]),
};

/** A call that may be answered, though it may be malformed (`isCall`). */
export const callIdOf = (item: unknown): number | undefined =>
  isLoose(item) && item["type"] === "registry" && isCount(item["id"])
    ? (item["id"] as number) // isCount
    : undefined;

/** Whole and in its bounds; fields that are not known are left alone and mean nothing. */
export function isCall(item: unknown): item is RegistryCall {
  if (callIdOf(item) === undefined || !isLoose(item)) return false;
  const { op } = item;
  return typeof op === "string" && Object.hasOwn(OPS, op) && OPS[op as RegistryOpName](item);
}

export const isRegistryHello = (item: unknown): item is RegistryHello =>
  isLoose(item) &&
  item["type"] === "registryHello" &&
  typeof item["node"] === "string" &&
  typeof item["secret"] === "string" &&
  isMissingOr(isShort, item["token"]);

/** From a hub whose key was proven: only what would break the client is looked at. */
export const isReply = (item: unknown): item is RegistryReply =>
  isLoose(item) &&
  isCount(item["id"]) &&
  ((item["type"] === "registryAnswer" && typeof item["result"] === "string") ||
    item["type"] === "registryWork" ||
    (item["type"] === "registryNews" && Array.isArray(item["messages"])));
