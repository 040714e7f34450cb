// Which hub a client talks to, of those it knows, and which one comes next.
//
// HB1. It stays with a hub that answers; one that does not is left for the next, round and round.
// HB2. Several calls that fail at the same hub at the same time move on once.
// HB3. A leader's address is taken from a hub only where it is no step down from TLS.
// HB4. One that failed again and again (BREAKER) is passed over while there is another one that did not;
//      where all of them did, they are tried in turn as ever: nobody is left without a way.

import type { Clock } from "../flow/clock.ts";
import { makeTargets } from "../flow/targets.ts";

export interface Hubs {
  /** `http://HOST:PORT`, without a slash at its end. */
  readonly current: string;
  /** Every hub, in the order in which it was given. */
  readonly all: readonly string[];
  /** This one did not answer. HB1, HB2, HB4. */
  failed(address: string): void;
  /** It answered, and `isServing` unless it cannot do it now. HB1. */
  answered(address: string, isServing: boolean): void;
  /** HB3. False when it is not a place to go to. */
  follow(address: string): boolean;
}

export const withoutSlash = (address: string): string => address.replace(/\/+$/, "");

export function makeHubs(addresses: readonly string[], clock: Pick<Clock, "monotonic">): Hubs {
  const targets = makeTargets(clock);
  const all = [...new Set(addresses.map(withoutSlash))];
  let current = all[0] ?? "";

  function leave(address: string): void {
    if (address !== current) return;
    const from = all.indexOf(address) + 1;
    const inTurn = [...all.slice(from), ...all.slice(0, from)];
    current = inTurn.find((hub) => !targets.isLeftAlone(hub)) ?? inTurn[0] ?? current; // HB4
    if (!targets.isLeftAlone(current)) targets.admit(current);
  }

  return {
    get current() {
      return current;
    },
    all,
    failed(address) {
      targets.failed(address);
      leave(address);
    },
    answered(address, isServing) {
      targets.answered(address);
      if (!isServing) leave(address);
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
