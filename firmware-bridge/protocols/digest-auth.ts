// HTTP digest access authentication (RFC 7616, and RFC 2069 where the printer sends no qop). The hash
// functions are arguments: this floor has none.
//
// DA1. The password itself is never sent, and never in an error.

export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  readonly algorithm: "MD5" | "SHA-256";
  readonly hasQop: boolean;
}

export interface DigestAsk {
  readonly method: string;
  /** Path and query, as in the request line. */
  readonly uri: string;
  readonly user: string;
  readonly password: string;
  /** How often this nonce was used, from 1. */
  readonly count: number;
  readonly cnonce: string;
}

export type DigestHash = (algorithm: "MD5" | "SHA-256", text: string) => string;

const HEADER_CHARS_MAX = 4_096;

/** Undefined where the header asks for something else. */
export function parseChallenge(header: string): DigestChallenge | undefined {
  const found = /(?:^|,\s*)Digest\s+(.*)$/is.exec(header.slice(0, HEADER_CHARS_MAX));
  if (found === null) return undefined;
  const fields = new Map<string, string>();
  for (const [, name = "", quoted, bare] of (found[1] ?? "").matchAll(
    /([a-z]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))/gi,
  )) {
    fields.set(name.toLowerCase(), quoted ?? bare ?? "");
  }
  const realm = fields.get("realm");
  const nonce = fields.get("nonce");
  const algorithm = (fields.get("algorithm") ?? "MD5").toUpperCase();
  if (realm === undefined || !nonce || (algorithm !== "MD5" && algorithm !== "SHA-256")) {
    return undefined;
  }
  const qops = (fields.get("qop") ?? "").split(",").map((word) => word.trim());
  const hasQop = fields.has("qop");
  if (hasQop && !qops.includes("auth")) return undefined;
  return { realm, nonce, opaque: fields.get("opaque"), algorithm, hasQop };
}

/** The value of the Authorization header. DA1 */
export function digestAuthorization(
  challenge: DigestChallenge,
  ask: DigestAsk,
  hash: DigestHash,
): string {
  const { realm, nonce, opaque, algorithm, hasQop } = challenge;
  const { method, uri, user, password, cnonce } = ask;
  const h = (text: string): string => hash(algorithm, text);
  const count = ask.count.toString(16).padStart(8, "0");
  const secret = h(`${user}:${realm}:${password}`);
  const what = h(`${method}:${uri}`);
  const response = hasQop
    ? h(`${secret}:${nonce}:${count}:${cnonce}:auth:${what}`)
    : h(`${secret}:${nonce}:${what}`);
  const fields = [
    `username="${user}"`,
    `realm="${realm}"`,
    `nonce="${nonce}"`,
    `uri="${uri}"`,
    `response="${response}"`,
    `algorithm=${algorithm}`,
    ...(hasQop ? [`qop=auth`, `nc=${count}`, `cnonce="${cnonce}"`] : []),
    ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
  ];
  return `Digest ${fields.join(", ")}`;
}
