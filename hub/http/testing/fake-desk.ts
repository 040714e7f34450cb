// A desk for the door's tests: answers from a table, remembers what it was asked, feeds what it is told.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Actor, Role } from "@gantry/shared/contract/roles.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import { makeFeed } from "../../feed/feed.ts";
import type { Desk, DeskCallOptions, DeskRequest, FeedItem } from "../../ports.ts";

export type Answer = (request: DeskRequest, options: DeskCallOptions) => unknown;

export interface FakeDesk extends Desk {
  /** Replaces the answer of one route. */
  on(route: RouteName, answer: Answer): void;
  /** Everything asked so far, in order. */
  readonly asked: { readonly route: RouteName; readonly request: DeskRequest }[];
  readonly authentications: () => number;
  /** Watches that run now, choosy ones too. */
  readonly watches: () => number;
  /** Adds events to the log and the feed, as one command. Gives its position. */
  emit(...events: readonly Omit<LedgerEvent, "id" | "atMs">[]): number;
  soft(item: Extract<FeedItem, { kind: "soft" }>["event"]): void;
  /** As after another hub's state was taken over. */
  lapse(): void;
  revoke(secret: string): void;
  /** Events up to this position are no longer kept. */
  forgetUpTo(id: number): void;
  /** Runs before each page of past events is made. */
  beforePage(act: () => void): void;
}

/** Tokens `viewer-token`, `operator-token`, ... of the person named by their role; `ann-token` and `bob-token` are viewers. */
export const PEOPLE: readonly (readonly [string, string, Role])[] = [
  ["viewer-token", "vera", "viewer"],
  ["operator-token", "otto", "operator"],
  ["maker-token", "mika", "maker"],
  ["safety-token", "sam", "safety"],
  ["admin-token", "ada", "admin"],
  ["ann-token", "ann", "viewer"],
  ["bob-token", "bob", "viewer"],
  ["wall-token", "hall", "wall"],
];

export function makeFakeDesk(): FakeDesk {
  const actors = new Map<string, Actor>(
    PEOPLE.map(([secret, person, role]) => [
      sha256(secret),
      { person, role, token: `tok_${person}` },
    ]),
  );
  const answers = new Map<RouteName, Answer>();
  const asked: { route: RouteName; request: DeskRequest }[] = [];
  const feed = makeFeed();
  const log: LedgerEvent[] = [];
  let authentications = 0;
  let forgotten = 0;
  let position = 0;
  let onPage: (() => void) | undefined;

  function pageOf(request: DeskRequest): unknown {
    onPage?.();
    const { since = 0, limit = 1_000 } = request.query as { since?: number; limit?: number };
    if (since < forgotten) {
      throw new GantryError("gone", "These events are archived", {
        details: { oldest: forgotten + 1 },
      });
    }
    const after = log.filter((event) => event.id > since);
    const last = after[limit - 1]?.id;
    const events = last === undefined ? after : after.filter((event) => event.id <= last);
    const hasMore = events.length < after.length;
    return { events, ...(hasMore ? { next: last } : {}) };
  }
  answers.set("events", pageOf);

  return {
    asked,
    authentications: () => authentications,
    on: (route, answer) => void answers.set(route, answer),
    async authenticate(secretSha256) {
      authentications += 1;
      return actors.get(secretSha256);
    },
    async call(route, request, options) {
      asked.push({ route, request });
      const answer = answers.get(route);
      if (answer === undefined) throw new GantryError("not_found", `No answer for ${route}`);
      return answer(request, options);
    },
    watch(onItems, signal, options) {
      options?.onBegin?.(position);
      feed.watch(onItems, signal, options?.types);
    },
    watches: () => feed.watchers,
    emit(...events) {
      position += 1;
      const made = events.map((event) => ({ ...event, id: position, atMs: 1_000 * position }));
      log.push(...made);
      feed.publish(made);
      return position;
    },
    soft: (event) => feed.publishSoft(event),
    lapse: () => feed.lapse(),
    revoke: (secret) => void actors.delete(sha256(secret)),
    forgetUpTo: (id) => {
      forgotten = id;
    },
    beforePage: (act) => {
      onPage = act;
    },
  };
}
