// What the numbers of a cluster mean to a person. Pure.

import type { Cluster, HubOfCluster } from "./views.ts";

export type LinkState =
  | { readonly kind: "self" | "unknown" | "lost" }
  | { readonly kind: "up"; readonly text: string };

/** Milliseconds, or seconds from 10,000 ms on. */
export function duration(ms: number): string {
  if (ms >= 10_000) return `${Math.round(ms / 1_000)} s`;
  return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
}

/** Entries that this hub lacks; a dash for the leader and where nobody knows. */
export function behind({ role, lag }: HubOfCluster): string {
  if (role === "leader" || lag === undefined) return "–";
  return lag === 0 ? "level" : String(lag);
}

/** How many voters may be lost before nothing can be changed. */
export function standing({ voters = [], hubs }: Cluster): string {
  const quorum = Math.floor(voters.length / 2) + 1;
  const answering = hubs.filter(({ id, reachable }) => reachable && voters.includes(id)).length;
  const spare = answering - quorum;
  if (spare < 0)
    return `none: ${quorum} of ${voters.length} voters are needed, ${answering} answer`;
  return `${spare} more of ${voters.length} voters`;
}

/** What `hub` says of its link to `other`. */
export function linkBetween({ id, links }: HubOfCluster, other: string): LinkState {
  if (id === other) return { kind: "self" };
  const link = links?.find(({ hub }) => hub === other);
  if (link === undefined) return { kind: "unknown" };
  if (!link.isConnected) return { kind: "lost" };
  const { heardAgoMs, dropped } = link;
  const heard = heardAgoMs === undefined ? "" : `${duration(heardAgoMs)} ago`;
  return { kind: "up", text: dropped === 0 ? heard : `${heard}, ${dropped} dropped` };
}

export const alarmWords = ({
  hub,
  text,
}: {
  readonly hub?: string | undefined;
  readonly text: string;
}): string => (hub === undefined ? text : `${hub} ${text}`);
