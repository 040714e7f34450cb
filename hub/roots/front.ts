// The desk of every hub: answers what it can by itself and passes the rest on to the leader.

import { makeClusterDesk } from "../cluster/desk.ts";
import { isLocal } from "../cluster/local-routes.ts";
import { checkMember, removed } from "../cluster/removed.ts";
import type { Serving } from "../cluster/serving.ts";
import type { Hub } from "../hub.ts";
import { blobsOfPrint } from "../keep-scan.ts";
import type { Desk, PrintUpload } from "../ports.ts";
import type { HubCore } from "./core.ts";
import type { Hands } from "./hands.ts";

/** Another hub that leads, as far as this one knows. */
export function otherLeader({ id, replica }: Hub): string | undefined {
  const { leader } = replica.status();
  return leader === null || leader === id ? undefined : leader;
}

export function makeFront(core: HubCore, { desk, blobs }: Hands, serving: Serving): Desk {
  const { hub, members, calls } = core;
  const leader = (): string | undefined => otherLeader(hub);
  return makeClusterDesk({
    local(route, request) {
      checkMember(hub.id, members.isRemoved, route);
      // Who has no leader wants to know why more than anybody.
      const isOrphan = route === "cluster" && serving.desk === undefined && leader() === undefined;
      return isOrphan || isLocal(route, request.query) ? desk : undefined;
    },
    leading: () => serving.desk,
    leader,
    term: () => hub.replica.status().term,
    change: (signal) => serving.change(signal),
    async prepare(route, request, signal) {
      if (route !== "printSubmitted") return;
      const { gcode } = request.body as PrintUpload;
      for (const sha256 of blobsOfPrint(gcode)) await blobs.spread(sha256, signal);
    },
    calls,
    authenticate: (hash) =>
      members.isRemoved ? Promise.reject(removed(hub.id)) : desk.authenticate(hash),
    watch: (onItems, signal, options) => desk.watch(onItems, signal, options),
    clock: hub.clock,
  });
}
