import { expect, it } from "vitest";
import { admits, type Breaker, CLOSED, onCall, onFailure, onSuccess } from "./breaker.ts";
import { BREAKER } from "./policy.ts";

it("[S54] opens at 5 failures, rests for 60 s, lets one trial call through, and closes or opens by it", () => {
  expect(BREAKER).toMatchObject({ failuresToOpen: 5, openMs: 60_000 });
  let breaker: Breaker = CLOSED;
  for (let failure = 1; failure <= 5; failure += 1) {
    expect(admits(breaker, 0)).toBe(true);
    breaker = onFailure(breaker, BREAKER, 1_000);
  }
  expect(breaker).toEqual({ kind: "open", untilMs: 61_000 });
  expect(admits(breaker, 60_999)).toBe(false);
  expect(admits(breaker, 61_000)).toBe(true);
  const trial = onCall(breaker, BREAKER, 61_000);
  expect(admits(trial, 61_001)).toBe(false); // one at a time
  expect(onFailure(trial, BREAKER, 61_500)).toEqual({ kind: "open", untilMs: 121_500 });
  let probing: Breaker = trial;
  for (let success = 1; success <= BREAKER.successesToClose; success += 1) {
    expect(probing.kind).toBe("probing");
    probing = onSuccess(onCall(probing, BREAKER, 62_000), BREAKER);
  }
  expect(probing).toEqual(CLOSED);
});
