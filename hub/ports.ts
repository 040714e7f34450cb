// The ports of the hub: what its rooms ask of each other and of the world, as types only.
//
//   doors (HTTP, MQTT; worker threads)  --Desk-->  main thread (log, ledger, hands)
//   main thread  --AgentLink-->  node agents over ZeroMQ
//   main thread  --PeerLink-->  other hubs over ZeroMQ

import type { GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { EventType, LedgerEvent, SoftEvent } from "@gantry/shared/contract/events.ts";
import type { HubMessage, NodeMessage } from "@gantry/shared/contract/link.ts";
import type {
  RegistryCall,
  RegistryHello,
  RegistryReply,
} from "@gantry/shared/contract/registry-ops.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import type { FarmWish } from "@gantry/shared/contract/schemas/farm.ts";
import type { GcodeFacts } from "@gantry/shared/contract/rows.ts";
import type {
  SpeakRequest,
  SpokenAudio,
  TranscribeRequest,
  Transcript,
} from "@gantry/shared/contract/speech.ts";
import type { SessionStamp } from "@gantry/shared/contract/sessions.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import type { Place } from "./asking/waiting.ts";
import type {
  Entry,
  HardState,
  HubId,
  Membership,
  Message,
  Restored,
  StoredLog,
} from "./consensus/types.ts";

// ── doors to main thread ────────────────────────────────────────────────────────────────────────

/** One request, already authenticated and validated by the door. All members can be cloned. */
export interface DeskRequest {
  /** Null on routes whose access is `public`. */
  readonly actor: Actor | null;
  readonly requestId: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  /** Of the Idempotency-Key header: scoped to token and route, with the hash of the body. */
  readonly replay?: { readonly key: string; readonly requestSha256: string };
  /** Of the Gantry-Session header, with the hash of the request. */
  readonly session?: SessionStamp;
  /** Of the If-Match header. */
  readonly ifRevision?: number;
  /** Throws when it must not act any more; made by the hub that serves it for another one. */
  readonly fence?: () => void;
}

export interface DeskCallOptions {
  readonly signal: AbortSignal;
  /** For streamed answers: pieces of text in order. */
  readonly onText?: (text: string) => void;
  /** For streamed answers: the place in a model's queue, while the question waits for its turn. */
  readonly onPlace?: (place: Place) => void;
  /** For streamed answers: of who reads the text. */
  readonly pace?: Pace;
}

/** One item of the feed. A ledger item is all events of one command; `id` is its log position. */
export type FeedItem =
  | { readonly kind: "ledger"; readonly id: number; readonly events: readonly LedgerEvent[] }
  | { readonly kind: "soft"; readonly event: SoftEvent }
  /** This hub took over the state of another: events between are not told. */
  | { readonly kind: "lapse" };

/** What a door may ask of the hub. Calls reject with GantryError only. */
export interface Desk {
  /** The actor of a token, by the sha256 of its secret; undefined if unknown, expired or revoked. */
  authenticate(secretSha256: string): Promise<Actor | undefined>;
  /**
   * Does what the route of this name says and gives the reply of its schema; `chatCompletions`,
   * `embeddings` and `models` take and give the types of contract/completions.ts instead, and
   * `printSubmitted` takes a PrintUpload. `metrics` gives text.
   */
  call(route: RouteName, request: DeskRequest, options: DeskCallOptions): Promise<unknown>;
  /** Feed items from now on, in order, in batches, until the signal aborts. */
  watch(
    onItems: (items: readonly FeedItem[]) => void,
    signal: AbortSignal,
    options?: WatchOptions,
  ): void;
}

export interface WatchOptions {
  /** Only ledger events of these types, and lapses; no soft ones. What is left out costs nobody a wake-up. */
  readonly types?: readonly EventType[];
  /** Once, before the first item: the log position from which on every event is told. */
  readonly onBegin?: (position: number) => void;
  /** Once, if the watch ends otherwise than by its signal: `stopping`. */
  readonly onEnd?: (error: GantryError) => void;
}

/** The body of `printSubmitted` as the door passes it on: the bytes are in the blob store already. */
export interface PrintUpload {
  readonly printer: string;
  readonly name: string;
  readonly gcode: GcodeFacts;
  /** Keep the file and print nothing. */
  readonly isKept?: true;
  /** Where `printer` is `any`: what it needs, and for which printers it was read. */
  readonly farm?: FarmWish & { readonly dialect: "marlin" | "klipper" };
}

/** Hearing and speaking, by whichever machine offers it. Throws no_speech while none does. */
export interface Speech {
  transcribe(request: TranscribeRequest, signal: AbortSignal): Promise<Transcript>;
  speak(request: SpeakRequest, signal: AbortSignal): Promise<SpokenAudio>;
}

/** Blobs by sha256. A blob is on disk, fsynced, with its directory, before `put` resolves. */
export interface BlobStore {
  /** Starts writing; `finish` gives the hash. An unfinished one is swept. */
  write(): Promise<BlobWriter>;
  /** `sizeBytes` bytes, fewer at the end. Throws not_found, or data_damaged for other bytes than it is named for. */
  read(sha256: string, offset: number, sizeBytes: number): Promise<Uint8Array>;
  has(sha256: string): Promise<boolean>;
  /** In bytes; undefined where there is no such blob. */
  size(sha256: string): Promise<number | undefined>;
  /** Deletes what `isReferenced` does not name and is older than `olderThanMs`. */
  sweep(isReferenced: (sha256: string) => boolean, olderThanMs: number): Promise<number>;
}

export interface BlobWriter {
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<{ readonly sha256: string; readonly sizeBytes: number }>;
  abort(): Promise<void>;
}

// ── main thread to node agents ──────────────────────────────────────────────────────────────────

/** The hub's end of the agent link. It owns sockets, CURVE, sessions and frames; no facts. */
export interface AgentLink {
  /** CURVE public key of this hub, Z85, 40 characters; part of every join code. */
  readonly publicKey: string;
  /** Never waits. `absent`: no session of this node; `full`: its queue is full, nothing was sent. */
  send(node: string, messages: readonly HubMessage[]): "sent" | "absent" | "full";
  /** Ends a node's session at once, e.g. after it was removed. */
  drop(node: string): void;
  /** This hub leads no more: every node is told so, and by whom it is led, and its session ends. */
  dropAll(leader?: string): void;
  /** A leader is known: every node that asked in vain meanwhile hears its name, once. */
  announce(leader: string): void;
  /** The list of hubs has changed: every node with a session hears it. */
  tellHubs(): void;
  /** Nodes with a session, and how long ago each was heard, ms. */
  heard(): ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** What the link asks of the hub. Handlers never throw; the link answers with what they return. */
export interface AgentLinkHandler {
  /** May this CURVE key open a connection? Enrolled ones always; others while a join code is open. */
  allows(publicKey: string): boolean;
  /** `enrolled` or `denied`. */
  enrol(message: Extract<NodeMessage, { type: "enrol" }>): Promise<HubMessage>;
  /** Undefined lets the node in (the link then says `welcome` with a fresh session). */
  hello(
    message: Extract<NodeMessage, { type: "hello" }>,
  ): Promise<Extract<HubMessage, { type: "denied" }> | undefined>;
  /** The session is open: duties towards this node may be sent. */
  joined(node: string, bootId: string): void;
  /** Messages of a node with a valid session, in order; never `enrol` or `hello`. */
  received(node: string, messages: readonly NodeMessage[]): void;
  /** The answer to a heartbeat. */
  beat(node: string, digest: string): "ok" | "unknown" | "mismatch";
  /**
   * The session ended: superseded, dropped, said `bye`, not heard for TIMEOUT.leaseMs, or `deposed`:
   * this hub leads no more, which says nothing about the node.
   */
  left(node: string, why: "bye" | "silent" | "superseded" | "dropped" | "deposed"): void;
  /** Left out: no registry client is let in. */
  readonly registry?: RegistryDoor;
}

/** What the link asks of the registry (hub/hands/registry-calls.ts). */
export interface RegistryDoor {
  /** Who says this hello; rejects with forbidden. */
  admit(hello: RegistryHello): Promise<RegistryClient>;
}

export interface RegistryClient {
  /** For logs: the node, or the person whose token it has. */
  readonly name: string;
  /** The session is open: `say` reaches the client. Never waits; `full`: nothing was taken. */
  open(say: (replies: readonly RegistryReply[]) => "sent" | "absent" | "full"): RegistrySession;
}

export interface RegistrySession {
  received(calls: readonly RegistryCall[]): void;
  /**
   * Watches end; what is under way goes on, unheard, but for waits for a lock: they are given up if the
   * client `isGone`, and not if it is only to go on elsewhere.
   */
  end(isGone: boolean): void;
}

/** Counters that the link keeps for /metrics. */
export interface LinkCounts {
  readonly framesIn: number;
  readonly framesOut: number;
  readonly framesRefused: number;
  readonly handshakesDenied: number;
}

// ── main thread to the disk ─────────────────────────────────────────────────────────────────────

export type StoreOperation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

export interface StoreRange {
  readonly gte?: string;
  readonly lt?: string;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** An ordered map on disk, as LevelDB is one. Keys are ASCII and ordered by byte. */
export interface OrderedStore {
  /** About 2 us. Throws starting while `isReopening`. */
  getSync(key: string): Uint8Array | undefined;
  /** It is being opened anew after a write that failed, within a later batch. Nothing can be read. */
  readonly isReopening: boolean;
  /**
   * All or nothing. With `sync`, it and every batch before it survive a power cut once this
   * resolves; without, they may be lost, but never in part. Throws disk_full or io_error.
   */
  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void>;
  /** A consistent view as of the call, in pieces; in key order, or backwards. As getSync while `isReopening`. */
  entries(range: StoreRange): AsyncIterable<readonly [key: string, value: Uint8Array]>;
  close(): Promise<void>;
}

// ── main thread to other hubs ───────────────────────────────────────────────────────────────────

/** Another hub of this cluster, as the membership names it. */
export interface Peer {
  readonly id: HubId;
  /** `tcp://HOST:PORT` of its GANTRY_PEER_BIND. */
  readonly address: string;
  /** CURVE public key, Z85. Nobody else may open a connection. */
  readonly publicKey: string;
}

/** What one hub may fetch from another, piece by piece. */
export type Fetched =
  | { readonly kind: "snapshot"; readonly index: number }
  | { readonly kind: "blob"; readonly sha256: string };

/** What the peer link asks of this hub. Handlers never throw. */
export interface PeerLinkHandler {
  /** Consensus messages of one frame, in order. Their `from` is proven by the connection. */
  received(messages: readonly Message[]): void;
  /** One JSON message that is no consensus message (hub/peers/calls.ts). */
  posted(from: HubId, body: unknown): void;
  /** Our connection to this hub is up, or broke. A crash of its process is seen here within ms. */
  connected(hub: HubId): void;
  lost(hub: HubId): void;
  /** A piece of at most `sizeBytes`; undefined if this hub does not have the thing. */
  piece(
    what: Fetched,
    offset: number,
    sizeBytes: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly totalBytes: number } | undefined>;
}

/** The hub's end of the links to other hubs. Sends may be lost: who needs an answer asks again. */
export interface PeerLink {
  /** Never waits; one frame for each receiver. Gives the hubs to which nothing could be sent, or something was dropped since. */
  send(messages: readonly Message[]): readonly HubId[];
  post(to: HubId, body: unknown): "sent" | "absent" | "full";
  /** A piece of at most 256 KiB on the bulk sockets. Throws not_found, unreachable, timeout, busy (8 are open). */
  fetch(
    from: HubId,
    what: Fetched,
    offset: number,
    sizeBytes: number,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: Uint8Array; readonly totalBytes: number }>;
  /** From now on these are the other hubs: links to others are closed, their keys refused. */
  use(peers: readonly Peer[]): void;
  links(): ReadonlyMap<HubId, PeerLinkFacts>;
  close(): Promise<void>;
}

export interface PeerLinkFacts {
  readonly isConnected: boolean;
  /** Monotonic ms since anything was heard from this hub; undefined if never. */
  readonly heardAgoMs: number | undefined;
  readonly framesOut: number;
  readonly framesIn: number;
  readonly framesDropped: number;
}

// ── main thread to the log ──────────────────────────────────────────────────────────────────────

/** The log of one hub on its disk. */
export interface LogStore {
  /** What was found at open. `appliedIndex` is 0: the ledger knows it. */
  readonly restored: Restored;
  /** Shows every write that has resolved, and no other. */
  readonly log: StoredLog;
  /** Why this log may lack what it once acknowledged; such a hub must not vote. Undefined: whole. */
  readonly damage: string | undefined;
  /** As its store: old entries cannot be read now. */
  readonly isReopening: boolean;
  /**
   * One batch: hard state and entries; entries from `entries[0].index` on replace what was there.
   * With `isSync` it, and all before it, survive a power cut once this resolves. Throws disk_full,
   * io_error; then nothing of it is there.
   */
  append(write: {
    readonly hardState: HardState | undefined;
    readonly entries: readonly Entry[];
    readonly isSync: boolean;
  }): Promise<void>;
  /** Kept with the next append or trim; lost by a power cut before it, and then learnt again from the log. */
  setMembership(membership: Membership, index: number): void;
  /** Forgets entries up to and including `through` (stored ones only). */
  trim(through: number): Promise<void>;
  /** The whole log is replaced by a snapshot: nothing is kept, `offset` is (index, term). Synced. */
  reset(snapshot: {
    readonly index: number;
    readonly term: number;
    readonly membership: Membership;
  }): Promise<void>;
}
