// Which hub a client talks to, of those it knows, and which one comes next.
//
// HB1. It stays with a hub that answers; one that does not is left for the next, round and round.
// HB2. Several calls that fail at the same hub at the same time move on once.
// HB3. A leader's address is taken from a hub only where it is no step down from TLS.

export interface Hubs {
  /** `http://HOST:PORT`, without a slash at its end. */
  readonly current: string;
  /** Every hub, in the order in which it was given. */
  readonly all: readonly string[];
  /** This one did not answer, or cannot now. HB1, HB2. */
  failed(address: string): void;
  /** HB3. False when it is not a place to go to. */
  follow(address: string): boolean;
}

export const withoutSlash = (address: string): string => address.replace(/\/+$/, "");

export function makeHubs(addresses: readonly string[]): Hubs {
  const all = [...new Set(addresses.map(withoutSlash))];
  let current = all[0] ?? "";
  return {
    get current() {
      return current;
    },
    all,
    failed(address) {
      if (address !== current) return;
      current = all[(all.indexOf(address) + 1) % all.length] ?? current;
    },
    follow(address) {
      const isSafe = address.startsWith("https://") || !all[0]?.startsWith("https://");
      if (!isSafe || !/^https?:\/\//.test(address) || !URL.canParse(address)) return false;
      current = withoutSlash(address);
      return true;
    },
  };
}

/**
 * `host`, `host:port`, `[v6]:port` or a whole address, several with commas, as addresses. `scheme` and
 * `port` are for what an item does not say itself.
 */
export function addressesIn(text: string, scheme: "http" | "https", port: number): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")
    .map((item) => {
      if (/^https?:\/\//.test(item)) return withoutSlash(item);
      const named = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(item);
      const host = named?.[1] ?? item;
      const callable =
        ANY_HOST[host] ?? (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);
      return `${scheme}://${callable}:${named?.[2] ?? port}`;
    });
}

/** A host to listen on is not a host to call. */
const ANY_HOST: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };
