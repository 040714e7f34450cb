// What the agent's loop asks of the world, as types only: the hub, the bridge, its disk, its hands.

import type { BridgeOrder, BridgeReport } from "@gantry/shared/contract/bridge.ts";
import type {
  Generate,
  Generated,
  HubFact,
  HubMessage,
  NodeMessage,
} from "@gantry/shared/contract/link.ts";
import type { CadOrder, Made, SliceOrder } from "@gantry/shared/contract/cad.ts";
import type { CommandFact, ModelFact, ToolFact } from "@gantry/shared/contract/rows.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import type { HubPlace } from "./hub-places.ts";
import type { MakeTools } from "./makes.ts";
import type { ModelRuntime } from "./model-keeper.ts";

// ── the hub ─────────────────────────────────────────────────────────────────────────────────────

export type LinkEvent =
  | { readonly kind: "connected" }
  | { readonly kind: "messages"; readonly messages: readonly HubMessage[] }
  /** Nothing more comes after this. */
  | { readonly kind: "lost"; readonly why: string };

/** One connection to one hub. */
export interface HubLink {
  /** Never waits. `full`: too much is queued, nothing was taken. */
  send(messages: readonly NodeMessage[]): "sent" | "full" | "absent";
  /** Says who we are, without a session; forgets what was queued. `welcome` opens a new session. */
  greet(message: Extract<NodeMessage, { type: "hello" | "enrol" }>): void;
  /** Writes what is queued, for at most `flushMs`, then closes. */
  close(flushMs: number): Promise<void>;
}

/** `onEvent` is called in order and never after `close` or `lost`. */
export type OpenHubLink = (place: HubPlace, onEvent: (event: LinkEvent) => void) => HubLink;

/** Who this node is. `node` is missing until a hub has enrolled it. */
export interface Identity {
  readonly node?: string;
  /** CURVE, Z85. */
  readonly publicKey: string;
  readonly secretKey: string;
  /** Proves to the hub that a hello is this node's; made here. */
  readonly secret: string;
  /** The hub of the join code, trusted first: CURVE public key, Z85. */
  readonly hubKey: string;
  /** All hubs, as one of them told. */
  readonly hubs?: readonly HubFact[];
  /** The highest term that this node was welcomed with, and in which cluster ("": it has no name). */
  readonly reign?: { readonly cluster: string; readonly term: number };
}

// ── the bridge ──────────────────────────────────────────────────────────────────────────────────

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
export type OrderWithoutId = WithoutId<BridgeOrder>;

export interface Bridge {
  readonly isConnected: boolean;
  /**
   * Resolves when the bridge has accepted. Throws the bridge's refusal, device_offline when it is
   * not there or went away (`details.wasSent` says whether the order may have reached it), timeout.
   */
  order(order: OrderWithoutId): Promise<void>;
}

export interface BridgeHandlers {
  readonly connected: () => void;
  readonly lost: () => void;
  readonly report: (report: Exclude<BridgeReport, { id: string }>) => void;
}

// ── the disk ────────────────────────────────────────────────────────────────────────────────────

/** G-code by sha256. */
export interface BlobCache {
  /** Path of a whole and verified blob; undefined if it is not here. */
  find(sha256: string): Promise<string | undefined>;
  /** Throws disk_full, io_error. */
  write(sha256: string): Promise<BlobSink>;
  remove(sha256: string): Promise<void>;
}

export interface BlobSink {
  write(bytes: Uint8Array): Promise<void>;
  /** Path of the blob, which is on disk, fsynced. Throws checksum_mismatch. */
  finish(): Promise<string>;
  abort(): Promise<void>;
}

// ── the hands ───────────────────────────────────────────────────────────────────────────────────

export interface ModelPath {
  readonly path: string;
  readonly sizeBytes: number;
}

export interface Hands {
  /** Models that can answer now. */
  models(): readonly ModelFact[];
  /** The file of a model, by the hash of its bytes, if it is known here. */
  modelFile?(sha256: string): ModelPath | undefined;
  /** What its models and memory do now; missing from hands without models. */
  runtime?(): ModelRuntime;
  /** Throws capability_missing for a model that is not held, and what the model throws. */
  generate(
    id: string,
    request: Generate,
    onChunk: (text: string) => void,
    signal: AbortSignal,
    pace?: Pace,
  ): Promise<Generated>;
  readonly embedder: { readonly tag: string; readonly dimensions: number } | undefined;
  /** Throws capability_missing. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Embedding>;
  readonly commands: readonly CommandFact[];
  /** Throws command_not_listed, bad_request, busy, command_failed, timeout. */
  runCommand(
    name: string,
    args: unknown,
    signal: AbortSignal,
    ids?: {
      readonly job: string;
      readonly run?: string | undefined;
      readonly place?: string | undefined;
    },
  ): Promise<unknown>;
  readonly parts?: PartHands;
}

/** Parts; missing where this machine has no program for them. */
export interface PartHands {
  facts(): { readonly cad?: ToolFact; readonly slicer?: ToolFact };
  /** Throws bad_request, command_failed, mesh_invalid, too_large, capability_missing. */
  render(order: CadOrder, tools: MakeTools, signal: AbortSignal): Promise<Made>;
  slice(order: SliceOrder, tools: MakeTools, signal: AbortSignal): Promise<Made>;
}

export interface Embedding {
  readonly tag: string;
  readonly vectors: number[][];
  readonly tokens: number;
}
