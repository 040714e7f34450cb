// Who may knock at all: names that are ours, and pages that are ours.
//
// GU1. A Host that is a name must be a configured one: a name of somebody else's that resolves to us
//      (DNS rebinding) gets 421. An IP address cannot be rebound, so it is always accepted.
// GU2. What a browser sends by itself (the cookie) is believed only from our own pages: on every
//      method but GET and HEAD, and on event streams, whatever the content type.

import { isIP } from "node:net";
import { GantryError } from "@gantry/shared/base/errors.ts";

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(["localhost"]);

/** Throws bad_host (GU1). `names`: lower case, without port. */
export function assertHost(url: URL, names: ReadonlySet<string>): void {
  const name = url.hostname.replace(/\.$/, "");
  const bare = name.startsWith("[") ? name.slice(1, -1) : name;
  if (LOOPBACK_NAMES.has(bare) || names.has(bare) || isIP(bare) !== 0) return;
  throw new GantryError("bad_host", `"${bare.slice(0, 100)}" is not a name of this hub`);
}

/**
 * Throws bad_origin unless a page of ours sent the request (GU2). `mustSay`: refuse a request that
 * says nothing about where it comes from; browsers always do.
 */
export function assertOwnPage(headers: Headers, url: URL, mustSay: boolean): void {
  const site = headers.get("sec-fetch-site");
  const origin = headers.get("origin");
  if (site !== null && site !== "same-origin" && site !== "none") throw foreign(site);
  if (origin !== null && !isOwnOrigin(origin, url)) throw foreign(origin);
  if (mustSay && site === null && origin === null) throw foreign("nowhere");
}

/** Scheme is left out: behind a proxy that ends TLS ours is http while the page's is https. */
function isOwnOrigin(origin: string, url: URL): boolean {
  return URL.canParse(origin) && new URL(origin).host === url.host;
}

const foreign = (where: string): GantryError =>
  new GantryError("bad_origin", `The request came from ${where.slice(0, 100)}, not from our page`);
