import { describe, expect, it } from "vitest";
import type { DeskRequest } from "../ports.ts";
import { makeAttempts } from "./attempts.ts";

const request = (key: string): DeskRequest => ({
  actor: null,
  requestId: "r",
  params: {},
  query: {},
  body: {},
  replay: { key, requestSha256: "" },
});
const no_leader = expect.objectContaining({ code: "no_leader" });

describe("a request that another hub sends again", () => {
  it("does nothing in a later reign than the one it was sent for (AT1)", () => {
    let term = 3;
    const attempts = makeAttempts(() => term);
    const fence = attempts.fence({ request: request("a"), term: 3, attempt: 1 });
    fence();
    term = 5;
    expect(fence).toThrow(no_leader);
    expect(attempts.fence({ request: request("a"), term: 3, attempt: 2 })).toThrow(no_leader);
  });

  it("does nothing once a later sending is here, also where it waits already (AT2)", () => {
    const attempts = makeAttempts(() => 3);
    const first = attempts.fence({ request: request("a"), term: 3, attempt: 1 });
    first();
    const third = attempts.fence({ request: request("a"), term: 3, attempt: 3 });
    const second = attempts.fence({ request: request("a"), term: 3, attempt: 2 });
    expect(first).toThrow(no_leader);
    expect(second).toThrow(no_leader);
    third();
    attempts.fence({ request: request("b"), term: 3, attempt: 1 })();
  });

  it("is served for a hub of an earlier release, which does not say for which reign it is", () => {
    makeAttempts(() => 9).fence({ request: request("a") })();
  });
});
