import { describe, expect, it } from "vitest";
import { type ErrorCode, GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { Desk, DeskRequest } from "../ports.ts";
import {
  type ClusterDeskParts,
  deskForOthers,
  type ForwardedRequest,
  makeClusterDesk,
} from "./desk.ts";

const REQUEST: DeskRequest = { actor: null, requestId: "r", params: {}, query: {}, body: {} };
const never = new AbortController().signal;

/** A hub that follows `leader`; each forwarded request meets the next of `fates`. */
function follower(
  fates: readonly (ErrorCode | "done" | "lost" | "absent" | "refused")[],
  leader = ["b"],
) {
  const sent: ForwardedRequest[] = [];
  const desk = makeClusterDesk(partsOf(fates, leader, sent));
  return { desk, sent, ask: (route: RouteName) => desk.call(route, REQUEST, { signal: never }) };
}

function partsOf(
  fates: readonly (ErrorCode | "done" | "lost" | "absent" | "refused")[],
  leader: string[],
  sent: ForwardedRequest[] = [],
): ClusterDeskParts {
  let next = 0;
  return {
    local: () => undefined,
    leading: () => undefined,
    leader: () => leader[0],
    term: () => 7,
    change: (signal: AbortSignal) => systemClock.sleep(1, signal),
    prepare: () => Promise.resolve(),
    calls: {
      call(to: string, _: string, body: unknown) {
        const fate = fates[next] ?? "done";
        next += 1;
        sent.push(body as ForwardedRequest);
        if (fate === "done") return Promise.resolve("done");
        if (fate === "refused")
          return Promise.reject(
            new GantryError("revision_mismatch", to, { details: { position: 12 } }),
          );
        const isSent = fate === "lost";
        const code = fate === "lost" || fate === "absent" ? "unreachable" : fate;
        if (next === fates.length) leader.length = 0; // nobody leads any more
        return Promise.reject(new GantryError(code, to, { details: { isSent } }));
      },
    },
    authenticate: () => Promise.resolve(undefined),
    watch() {},
    clock: systemClock,
  };
}

const codeOf = (asked: Promise<unknown>): Promise<unknown> =>
  asked.then(
    () => "done",
    (error: unknown) => (error instanceof GantryError ? error.code : error),
  );

describe("the desk of a hub that follows", () => {
  it("repeats under one replay key what may have been done (FW2)", async () => {
    const { ask, sent } = follower(["lost", "no_leader", "absent", "done"], ["b"]);
    expect(await codeOf(ask("flagSet"))).toBe("done");
    expect(sent).toHaveLength(4);
    expect(new Set(sent.map(({ request }) => request.replay?.key)).size).toBe(1);
    expect(sent.map(({ term, attempt }) => [term, attempt])).toEqual([
      [7, 1],
      [7, 2],
      [7, 3],
      [7, 4],
    ]);
  });

  it.for([
    { fates: ["lost"], route: "flagSet", code: "outcome_unknown" },
    { fates: ["lost", "absent"], route: "flagSet", code: "outcome_unknown" },
    { fates: ["absent"], route: "flagSet", code: "no_leader" },
    { fates: ["no_leader"], route: "flagSet", code: "no_leader" },
    { fates: ["lost"], route: "flags", code: "no_leader" },
    { fates: ["revision_mismatch"], route: "flagSet", code: "revision_mismatch" },
    { fates: ["lost", "refused"], route: "flagSet", code: "revision_mismatch" },
    { fates: ["lost", "busy"], route: "flagSet", code: "outcome_unknown" },
    { fates: ["busy"], route: "flagSet", code: "busy" },
  ] as const)(
    "$fates and then no leader: $route is told $code (FW6)",
    async ({ fates, route, code }) => {
      expect(await codeOf(follower(fates).ask(route))).toBe(code);
    },
  );
});

describe("a read that a hub may answer by itself", () => {
  const READ = { ...REQUEST, query: { consistency: "linearizable" } };
  function reader(fate: ErrorCode | "here", leader: string | undefined) {
    const { desk: whole } = follower(["done"]);
    const local: Desk = {
      ...whole,
      call: () =>
        fate === "here" ? Promise.resolve("here") : Promise.reject(new GantryError(fate, "x")),
    };
    const calls = { call: () => Promise.resolve("there") };
    const desk = makeClusterDesk({
      ...partsOf([], []),
      local: () => local,
      leader: () => leader,
      calls,
    });
    return desk.call("flag", READ, { signal: never });
  }

  it("is answered by the leader where the log does not confirm it here (FW8)", async () => {
    expect(await reader("here", "b")).toBe("here");
    expect(await reader("no_leader", "b")).toBe("there");
    expect(await codeOf(reader("no_leader", undefined))).toBe("no_leader");
    expect(await codeOf(reader("not_found", "b"))).toBe("not_found");
  });
});

const serving = (leading: () => Desk | undefined, isElected: boolean) => ({
  leading,
  isElected: () => isElected,
  change: (signal: AbortSignal) => systemClock.sleep(1, signal),
  clock: systemClock,
});

describe("the desk that other hubs ask", () => {
  it("waits for a reign that is about to serve (FW3)", async () => {
    const { desk } = follower([]);
    let looks = 0;
    const leading = (): Desk | undefined => {
      looks += 1;
      return looks < 3 ? undefined : desk;
    };
    expect(await deskForOthers(serving(leading, true), never)).toBe(desk);
  });

  it("sends away at once where this hub was not elected (FW1)", async () => {
    const asked = deskForOthers(
      serving(() => undefined, false),
      never,
    );
    expect(await codeOf(asked)).toBe("no_leader");
  });
});
