// What a registry client may do, and the command that a call of it makes.
//
// RC1. A node may read everything, write keys under NODE_KEYS, and use locks. With a token a client may
//      what the token's role may: an operator writes all keys, a viewer none. Asked anew at each call.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { NODE_KEYS, type RegistryCall } from "@gantry/shared/contract/registry-ops.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import { type Hub, newId } from "../hub.ts";
import { ledgerTimeMs } from "../ledger/context.ts";

export interface Who {
  readonly node: string;
  /** Id of the token that it came with. */
  readonly token: string | undefined;
  readonly actor: string;
  /** With the number of a call: its request id, in the audit. One draw of chance for all of a session. */
  readonly requests: string;
}

export interface RegistryRights {
  /** Id of the token with this secret, valid or not. */
  tokenOf(secret: string): string | undefined;
  /** Throws forbidden. */
  check(who: Who, need: "read" | "lock" | "write"): void;
  /** The command of a call that makes one; undefined for the others. Throws forbidden, too_large. */
  commandOf(who: Who, call: RegistryCall): CommandBody | undefined;
}

export function makeRegistryRights(hub: Hub): RegistryRights {
  const { rows, clock } = hub;

  function tokenOf(secret: string): string | undefined {
    const hash = sha256(secret);
    return [...rows.hot("token").values()].find((row) => row.secretSha256 === hash)?.id;
  }

  /** RC1. */
  function check({ node, token }: Who, need: "read" | "lock" | "write"): void {
    if (rows.get("node", node)?.state === "removed") throw forbidden("This node was removed");
    if (token === undefined) {
      if (need !== "write") return;
      throw forbidden(`A node writes keys under ${NODE_KEYS} only`);
    }
    const row = rows.get("token", token);
    const nowMs = Math.max(clock.now(), ledgerTimeMs(rows)); // never back in time
    const isValid =
      row !== undefined && row.revokedAtMs === undefined && (row.expiresAtMs ?? Infinity) > nowMs;
    if (!isValid) throw forbidden("This token is not valid any more");
    if (need !== "read" && !mayAct(row.role, "operator"))
      throw forbidden("This token may only read");
  }

  function checkKey(who: Who, key: string): void {
    check(who, who.token === undefined && key.startsWith(NODE_KEYS) ? "lock" : "write");
  }

  function commandOf(who: Who, call: RegistryCall): CommandBody | undefined {
    switch (call.op) {
      case "put":
        checkKey(who, call.key);
        checkSize(call.value);
        return {
          type: "flagSet",
          key: call.key,
          value: call.value,
          ...(call.ifRevision === undefined ? {} : { ifRevision: call.ifRevision }),
        };
      case "delete":
        checkKey(who, call.key);
        return {
          type: "flagDeleted",
          key: call.key,
          ...(call.ifRevision === undefined ? {} : { ifRevision: call.ifRevision }),
        };
      case "acquire":
        check(who, "lock");
        return {
          type: "lockAcquired",
          name: call.name,
          owner: call.owner ?? who.actor,
          ttlMs: call.ttlMs,
          ...(call.isOfNode === true ? { node: who.node } : {}),
          ...(call.waitMs === undefined ? {} : { waitMs: call.waitMs }),
        };
      case "renew":
        check(who, "lock");
        return { type: "lockRenewed", name: call.name, token: call.token };
      case "release":
        check(who, "lock");
        return { type: "lockReleased", name: call.name, token: call.token };
      case "openSession":
        check(who, "lock");
        return { type: "sessionOpened", clientSession: newId(hub, "ses") };
      case "closeSession":
        return { type: "sessionClosed", clientSession: call.clientSession };
      case "get":
      case "unwait":
      case "watch":
      case "unwatch":
      case "enqueue":
      case "work":
      case "unwork":
      case "finish":
      case "fail":
      case "extend":
      case "ended":
        return undefined;
    }
  }

  return { tokenOf, check, commandOf };
}

export const forbidden = (message: string): GantryError => new GantryError("forbidden", message);

/** Throws too_large. A text is measured without encoding it. */
function checkSize(value: unknown): void {
  const length = typeof value === "string" ? value.length : JSON.stringify(value).length;
  if (length > LIMIT.bodyBytes.max) {
    throw new GantryError("too_large", `A value has at most ${LIMIT.bodyBytes.max} bytes`);
  }
}
