// What the parts of one hub have in common.

import type { Membership } from "../../../hub/consensus/types.ts";
import type { Life } from "./life.ts";
import type { Hub, Shared } from "./types.ts";

export interface Inside {
  readonly hub: Hub;
  readonly shared: Shared;
  readonly life: Life;
  /** Of the entries of the log, by index. */
  terms: (number | undefined)[];
  /** The change followed last, until a write takes it along to the disk. */
  changed: { readonly value: Membership; readonly index: number } | undefined;
  /** Index of the newest checkpoint, or of the one under way. */
  checkpointed: number;
  /** Does what the core asks for, until it asks for nothing more. */
  pump(): void;
}
