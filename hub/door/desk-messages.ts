// What the two ends of a desk port say to each other. Everything can be cloned.

import type { ErrorRecord } from "@gantry/shared/base/errors.ts";
import type { EventType } from "@gantry/shared/contract/events.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { Place } from "../asking/waiting.ts";
import type { DeskRequest, FeedItem } from "../ports.ts";

/** Door to main thread. `id` is the door's own number of the call or watch. */
export type DoorMessage =
  | {
      readonly type: "call";
      readonly id: number;
      readonly route: RouteName;
      readonly request: DeskRequest;
      readonly wantsText: boolean;
    }
  | { readonly type: "authenticate"; readonly id: number; readonly secretSha256: string }
  | { readonly type: "cancel"; readonly id: number }
  /** The reader of this call's text is behind, or no more. */
  | { readonly type: "hold"; readonly id: number; readonly isHeld: boolean }
  | { readonly type: "watch"; readonly id: number; readonly types?: readonly EventType[] }
  /** One `items` message of this watch was handled. */
  | { readonly type: "taken"; readonly id: number };

/** Main thread to door. */
export type DeskMessage =
  /** Calls may be made from now on. */
  | { readonly type: "open" }
  | { readonly type: "reply"; readonly id: number; readonly value: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: ErrorRecord }
  | { readonly type: "actor"; readonly id: number; readonly actor: Actor | undefined }
  | { readonly type: "text"; readonly id: number; readonly text: string }
  | { readonly type: "place"; readonly id: number; readonly place: Place }
  /** The watch of this number has begun at this log position; before its first items. */
  | { readonly type: "began"; readonly id: number; readonly position: number }
  | { readonly type: "items"; readonly id: number; readonly items: readonly FeedItem[] };
