// Where this node looks for hubs. Pure.
//
// HP1. Each hub has its own key: an address is worth nothing without the key that must answer there.
// HP2. What the hubs said of themselves comes first. Configured addresses stand in while nothing was
//      said, and, with every key that is known, while nobody of the list answers (it may be out of date).

import type { Identity } from "./ports.ts";

export interface HubPlace {
  /** Unknown for an address of the configuration until a hub there has said who it is. */
  readonly id?: string;
  readonly address: string;
  /** CURVE, Z85. */
  readonly publicKey: string;
}

/** One connection for each of these. */
export const placeKey = ({ address, publicKey }: HubPlace): string => `${publicKey} ${address}`;

export function hubPlaces(
  { hubKey, hubs = [] }: Pick<Identity, "hubKey" | "hubs">,
  configured: readonly string[],
  isLost: boolean,
): readonly HubPlace[] {
  if (hubs.length > 0 && !isLost) return hubs;
  const keys = [...new Set([...hubs.map(({ publicKey }) => publicKey), hubKey])]; // HP1
  const places = new Map<string, HubPlace>(hubs.map((hub) => [placeKey(hub), hub]));
  for (const address of configured) {
    for (const publicKey of keys) {
      const place = { address, publicKey };
      if (!places.has(placeKey(place))) places.set(placeKey(place), place); // HP2
    }
  }
  return [...places.values()];
}
