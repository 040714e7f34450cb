// Whose node this is: its identity, the hubs it may follow, and the highest reign it has served.
//
// AL1. A reign is on disk before anything is done in it. A hub of the same cluster that welcomes this
//      node with a lower term has been deposed and does not know it yet: it is not served.
// AL2. A list of hubs that is empty is no list: a node never forgets its last way home.
// AL3. One write at a time, each with all that is known by then; what a failed one left out is written
//      by the next.

import type { HubFact, HubMessage } from "@gantry/shared/contract/link.ts";
import type { Identity } from "./ports.ts";

type Welcome = Extract<HubMessage, { type: "welcome" }>;

export interface Allegiance {
  readonly identity: Identity;
  /** Resolves when it is on disk. Throws what `save` throws. */
  enrolled(node: string): Promise<void>;
  /** `stale`: not to be served (AL1). Resolves when the reign is on disk. Throws what `save` throws. */
  welcomed(welcome: Welcome): Promise<"served" | "stale">;
  /** A new list, at once in memory and later on disk. Throws what `save` throws. */
  told(hubs: readonly HubFact[]): Promise<void>;
}

export function makeAllegiance(
  start: Identity,
  save: (identity: Identity) => Promise<void>,
): Allegiance {
  let identity = start;
  let onDisk = start;
  let writing: Promise<void> = Promise.resolve();

  function keep(next: Identity): Promise<void> {
    identity = next;
    const written = writing.then(write);
    writing = written.catch(() => {});
    return written;
  }

  /** AL3. */
  async function write(): Promise<void> {
    const all = identity;
    if (all === onDisk) return;
    await save(all);
    onDisk = all;
  }

  return {
    get identity() {
      return identity;
    },
    enrolled: (node) => keep({ ...identity, node }),
    async welcomed({ term, cluster = "", hubs }) {
      const { reign } = identity;
      const isSameCluster = reign?.cluster === cluster;
      if (isSameCluster && term < reign.term) return "stale"; // AL1
      const isNewReign = !isSameCluster || term > reign.term;
      const next = withHubs(
        isNewReign ? { ...identity, reign: { cluster, term } } : identity,
        hubs,
      );
      await keep(next);
      return "served";
    },
    async told(hubs) {
      await keep(withHubs(identity, hubs));
    },
  };
}

/** The same object when nothing changes. */
function withHubs(identity: Identity, hubs: readonly HubFact[] | undefined): Identity {
  if (hubs === undefined || hubs.length === 0) return identity; // AL2
  const isKnown = JSON.stringify(hubs) === JSON.stringify(identity.hubs ?? []);
  return isKnown ? identity : { ...identity, hubs: [...hubs] };
}
