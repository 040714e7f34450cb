// MCP at /mcp. The protocol's library is loaded with the first client: a hub without one does not carry it.
//
// MD1. A page of another site is refused, token or not: browsers can be made to send anything.
// MD2. A session whose token was revoked ends when that is known, with its streams.

import { mintId } from "@gantry/shared/base/ids.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { McpSessions } from "../../mcp/sessions.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { assertOwnPage } from "../guard.ts";
import type { Identities } from "../identity.ts";

export function mcpDoor(deps: DoorDeps, identities: Identities): Handler {
  const { desk, clock, random, config, scope } = deps;
  const actors = new Map<string, Actor>();
  let opening: Promise<McpSessions> | undefined;

  async function open(): Promise<McpSessions> {
    const { makeMcpSessions } = await import("../../mcp/sessions.ts");
    const { makeDeskOffer } = await import("../../mcp/desk-offer.ts");
    const sessions = makeMcpSessions({
      version: config.version,
      offerFor: (owner) =>
        makeDeskOffer({
          desk,
          clock,
          newRequestId: () => mintId("req", clock.now(), random),
          actor() {
            const actor = actors.get(owner);
            if (actor === undefined)
              throw new GantryError("unauthenticated", "The token of this session has ended");
            return actor;
          },
        }),
    });
    desk.watch(() => void recheck(sessions), scope.signal, { types: ["token.changed"] });
    scope.signal.addEventListener("abort", () => void sessions.close(), { once: true });
    return sessions;
  }

  /** MD2. */
  async function recheck(sessions: McpSessions): Promise<void> {
    for (const owner of sessions.owners()) {
      const actor = await identities.recheck(owner).catch(() => actors.get(owner));
      if (actor !== undefined) actors.set(owner, actor);
      else {
        actors.delete(owner);
        await sessions.endOf(owner);
      }
    }
    const owners = new Set(sessions.owners());
    for (const owner of actors.keys()) if (!owners.has(owner)) actors.delete(owner);
  }

  return async (c) => {
    const actor = c.get("actor");
    if (actor === null) throw new GantryError("unauthenticated", "MCP needs a token");
    assertOwnPage(c.req.raw.headers, new URL(c.req.url), false); // MD1
    const owner = c.get("secretSha256");
    actors.set(owner, actor);
    const sessions = await (opening ??= open());
    return sessions.handle(c.req.raw, owner);
  };
}
