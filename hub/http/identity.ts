// Who is asking: token or cookie to Actor.
//
// ID1. Only the sha256 of a secret leaves this file.
// ID2. An answer of the desk is believed for at most CACHE_MS, and forgotten at once when any token
//      changes. A: the desk is asked; B: the token is revoked; C: A's answer comes. The change counter
//      keeps C out of the cache.
// ID3. Wrong tokens cost their address: after WRONG_BURST the next ones get 429 unseen. A token that
//      was right before is always looked at, so a noisy neighbour locks nobody out.

import { getCookie } from "hono/cookie";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Access, type Actor, mayAct } from "@gantry/shared/contract/roles.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Desk } from "../ports.ts";
import type { DoorContext } from "./door.ts";
import { makeBuckets } from "./token-bucket.ts";

const CACHE_MS = 1_000;
const CACHE_ROWS_MAX = 1_000;
const SECRET_CHARS_MAX = 200;
const WRONG_BURST = 10;
const WRONG_REFILL_MS = 6_000;
const ADDRESSES_MAX = 10_000;

export interface Identity {
  readonly actor: Actor;
  readonly secretSha256: string;
}

export interface Identities {
  /** The owner of `secret`. Throws unauthenticated, or rate_limited after too many wrong ones. */
  identify(secret: string, remote: string): Promise<Identity>;
  /** The actor now, past the cache; undefined once revoked or expired. For streams that last. */
  recheck(secretSha256: string): Promise<Actor | undefined>;
  /** Some token changed: believe nothing from before. */
  forget(): void;
}

interface Known {
  readonly actor: Actor;
  readonly atMs: number;
}

export function makeIdentities(desk: Desk, clock: Clock): Identities {
  const known = new Map<string, Known>();
  const wrong = makeBuckets(WRONG_BURST, WRONG_REFILL_MS, ADDRESSES_MAX);
  let changes = 0;

  function remember(secretSha256: string, actor: Actor, atMs: number): void {
    known.delete(secretSha256);
    known.set(secretSha256, { actor, atMs });
    const oldest = known.keys().next();
    if (known.size > CACHE_ROWS_MAX && oldest.done !== true) known.delete(oldest.value);
  }

  async function ask(secretSha256: string): Promise<Actor | undefined> {
    const changesBefore = changes;
    const actor = await desk.authenticate(secretSha256);
    if (actor === undefined) known.delete(secretSha256);
    else remember(secretSha256, actor, changes === changesBefore ? clock.monotonic() : -Infinity); // ID2
    return actor;
  }

  return {
    async identify(secret, remote) {
      if (secret.length > SECRET_CHARS_MAX) throw unknown();
      const secretSha256 = sha256(secret); // ID1
      const hit = known.get(secretSha256);
      if (hit !== undefined && clock.monotonic() - hit.atMs < CACHE_MS) {
        return { actor: hit.actor, secretSha256 };
      }
      if (hit === undefined) assertPatience(wrong.waitS(remote, clock.monotonic())); // ID3
      const actor = await ask(secretSha256);
      if (actor !== undefined) return { actor, secretSha256 };
      assertPatience(wrong.take(remote, clock.monotonic()));
      throw unknown();
    },
    recheck: ask,
    forget() {
      changes += 1;
      for (const [secretSha256, { actor }] of known) {
        known.set(secretSha256, { actor, atMs: -Infinity });
      }
    },
  };
}

/** The secret a request carries, and whether the browser sent it by itself. */
export function secretOf(
  c: DoorContext,
  cookieName: string,
): { readonly secret: string; readonly isCookie: boolean } | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const secret = bearer ?? c.req.header("x-api-key");
  if (secret !== undefined && secret !== "") return { secret, isCookie: false };
  const cookie = getCookie(c, cookieName);
  return cookie === undefined || cookie === "" ? undefined : { secret: cookie, isCookie: true };
}

/** Throws forbidden if the actor's role is below what the route needs. */
export function assertAccess(actor: Actor, access: Access): void {
  if (access === "public" || mayAct(actor.role, access)) return;
  throw new GantryError("forbidden", `This needs the role ${access}; the token has ${actor.role}`, {
    details: { needs: access, has: actor.role },
  });
}

/** The name of the session cookie. `__Host-` binds it to the host, and browsers want TLS for it. */
export const cookieNameOf = (isTls: boolean): string =>
  isTls ? "__Host-gantry_session" : "gantry_session";

const unknown = (): GantryError =>
  new GantryError("unauthenticated", "The token is unknown, expired or revoked");

function assertPatience(seconds: number): void {
  if (seconds === 0) return;
  throw new GantryError("rate_limited", "Too many wrong tokens came from this address", {
    details: { retryAfterS: seconds },
  });
}
