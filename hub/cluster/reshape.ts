// Which changes of the hubs a person may ask for, and why not. Pure.
//
// RP1. Two voters are never left: with either gone nothing works, which is worse than one alone.
// RP2. Whoever is left can decide: a majority of the voters after the change answers now. Otherwise the
//      change would begin and could not end.
// RP3. A hub that holds state is left, and two of them where more than one hub votes.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { membersOf } from "../consensus/membership.ts";
import type { HubId, MembershipChange, MembershipStep, Status } from "../consensus/types.ts";
import { isCaughtUp } from "./promote.ts";

export interface Surroundings {
  readonly self: HubId;
  readonly status: Status;
  readonly witnesses: ReadonlySet<HubId>;
  /** Heard of a moment ago. */
  readonly isInTouch: (hub: HubId) => boolean;
}

/** The change that removes `hubs`; undefined when there is nothing left to do. Throws not_found, conflict. */
export function removalOf(
  hubs: readonly HubId[],
  around: Surroundings,
  isFormer: (hub: HubId) => boolean,
): MembershipChange | undefined {
  const { membership } = around.status;
  const members = membersOf(membership);
  for (const hub of hubs) {
    if (members.includes(hub) || isFormer(hub)) continue;
    throw new GantryError(
      "not_found",
      `${hub} is not a hub of this cluster: ${members.join(", ")}`,
    );
  }
  const leaving = [...new Set(hubs)].filter((hub) => members.includes(hub));
  if (leaving.length === 0) return undefined;
  checkSettled(around);
  const staying = membership.voters.filter((hub) => !leaving.includes(hub));
  const ready = membership.learners.filter(
    (hub) => !leaving.includes(hub) && isCaughtUp(around.status, hub),
  );
  const joins = staying.length % 2 === 0 && staying.length > 0 ? ready.slice(0, 1) : [];
  checkVoters([...staying, ...joins], around);
  const steps: MembershipStep[] = [
    ...leaving.map((hub) => ({ type: "remove" as const, hub })),
    ...joins.map((hub) => ({ type: "addVoter" as const, hub })),
  ];
  return { steps };
}

/** The change that makes a learner a voter; undefined when it is one. Throws not_found, conflict. */
export function promotionOf(hub: HubId, around: Surroundings): MembershipChange | undefined {
  const { status } = around;
  const { voters, learners } = status.membership;
  if (voters.includes(hub)) return undefined;
  if (!learners.includes(hub)) {
    throw new GantryError("not_found", `${hub} is not a hub of this cluster`);
  }
  checkSettled(around);
  if (!isCaughtUp(status, hub)) {
    const lag = status.lastIndex - (status.progress.get(hub)?.match ?? 0);
    const message = `${hub} has not caught up: it is ${lag} entries behind; try again when it has`;
    throw new GantryError("conflict", message);
  }
  checkVoters([...voters, hub], around);
  return { steps: [{ type: "addVoter", hub }] };
}

export function checkSettled({ status }: Pick<Surroundings, "status">): void {
  if (status.membership.outgoing.length === 0) return;
  throw new GantryError(
    "conflict",
    "Another change of the hubs is under way; try again when it has ended",
  );
}

function checkVoters(voters: readonly HubId[], { self, witnesses, isInTouch }: Surroundings): void {
  if (voters.length === 0) {
    throw new GantryError(
      "conflict",
      "The last hub that votes cannot be removed: shut it down instead",
    );
  }
  if (voters.length === 2) {
    const message = `${voters.join(" and ")} would be left as the only voters, and two are worse than one: with either gone neither may decide. Remove one of them in the same step, or first add another hub (a witness will do), which takes the place once it has caught up`;
    throw new GantryError("conflict", message); // RP1
  }
  const stateful = voters.filter((hub) => !witnesses.has(hub));
  if (stateful.length < Math.min(2, voters.length)) {
    const message = `Of ${voters.join(", ")} only ${stateful.length} would hold state: a witness only votes. Add another hub first`;
    throw new GantryError("conflict", message); // RP3
  }
  const silent = voters.filter((hub) => hub !== self && !isInTouch(hub));
  if ((voters.length - silent.length) * 2 <= voters.length) {
    const message = `${silent.join(", ")} cannot be reached, and without a majority of ${voters.join(", ")} nothing could be decided any more. Start it again, or remove it in the same step`;
    throw new GantryError("conflict", message); // RP2
  }
}

const TCP = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/;

/** The host of `tcp://HOST:PORT`. Throws bad_request for any other address, a wildcard, or a port out of range. */
export function hostOfPeer(address: string): string {
  const [, host, port] = TCP.exec(address) ?? [];
  const isPort = Number(port) >= 1 && Number(port) <= 65_535;
  if (host === undefined || !isPort || host === "*" || host === "0.0.0.0" || host === "[::]") {
    const message = `"${address}" is no address under which other hubs could reach the new one: use tcp://HOST:PORT, e.g. tcp://10.77.0.2:7700`;
    throw new GantryError("bad_request", message, {
      details: { fields: [{ path: "address", message: "use tcp://HOST:PORT" }] },
    });
  }
  return host;
}

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
