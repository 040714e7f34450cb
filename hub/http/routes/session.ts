// The browser's session: a token traded for a cookie that scripts cannot read.

import { deleteCookie, setCookie } from "hono/cookie";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type DoorDeps, type Handler, remoteOf } from "../door.ts";
import { assertOwnPage } from "../guard.ts";
import { cookieNameOf, type Identities } from "../identity.ts";
import { readRequest } from "../input.ts";

const MAX_AGE_S = 30 * 24 * 60 * 60;

export const openSession =
  ({ config }: DoorDeps, identities: Identities): Handler =>
  async (c) => {
    assertOwnPage(c.req.raw.headers, new URL(c.req.url), false);
    const { body } = await readRequest(c, "sessionOpened");
    const { token } = body as { readonly token: string }; // as its schema says
    const { actor } = await identities.identify(token.trim(), remoteOf(c));
    setCookie(c, cookieNameOf(config.isTls), token.trim(), {
      path: "/",
      httpOnly: true,
      sameSite: "Strict",
      secure: config.isTls,
      maxAge: MAX_AGE_S,
    });
    return c.json(actor, 201);
  };

export const closeSession =
  ({ config }: DoorDeps): Handler =>
  (c) => {
    assertOwnPage(c.req.raw.headers, new URL(c.req.url), false);
    deleteCookie(c, cookieNameOf(config.isTls), { path: "/", secure: config.isTls });
    return c.json({ ok: true });
  };

export const whoAmI: Handler = (c) => {
  const actor = c.get("actor");
  if (actor === null) throw new GantryError("unauthenticated", "No token was sent");
  return c.json(actor);
};
