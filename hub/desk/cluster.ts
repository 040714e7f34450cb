// Use cases: the hubs themselves.

import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { byOf, type DeskParts } from "./context.ts";

export const status = (
  { cluster }: DeskParts,
  _: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> => cluster.state(signal);

export async function hubAdded(
  { cluster }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const {
    id,
    address,
    witness = false,
  } = request.body as {
    readonly id: string;
    readonly address: string;
    readonly witness?: boolean;
  };
  const added = { id, address, isWitness: witness };
  const { code } = await cluster.operations.add(added, byOf(request), signal);
  return { id, address, witness, code };
}

export async function hubsRemoved(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { hubs } = request.body as { readonly hubs: readonly string[] };
  await parts.cluster.operations.remove(hubs, byOf(request), signal);
  return groupOf(parts);
}

export async function hubPromoted(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { hub } = request.body as { readonly hub: string };
  await parts.cluster.operations.promote(hub, byOf(request), signal);
  return groupOf(parts);
}

export async function transferred(
  { hub, cluster }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { to } = request.body as { readonly to?: string };
  const leader = await cluster.operations.transfer(to, byOf(request), signal);
  return { leader, term: hub.replica.status().term };
}

function groupOf({ hub }: DeskParts): unknown {
  const { voters, learners } = hub.replica.status().membership;
  return { voters, learners };
}
