// A tool as the loop and MCP know it, wherever it is done.

import type { ToolEffect } from "@gantry/shared/contract/agents.ts";
import type { HazardClass, Role } from "@gantry/shared/contract/roles.ts";

export interface LoopTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** JSON Schema of an object. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly hazardClass: HazardClass;
  readonly effect: ToolEffect;
  /** The least role that may use it. */
  readonly role: Role;
  readonly isDestructive: boolean;
  readonly isIdempotent: boolean;
  /** It reaches things outside of this house. */
  readonly isOpenWorld: boolean;
  /** Of another MCP server. */
  readonly server?: string;
  /** Nothing may delay it. */
  readonly isEmergencyStop?: boolean;
}
