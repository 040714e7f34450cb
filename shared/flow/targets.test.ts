import { describe, expect, it } from "vitest";
import { BREAKER } from "../base/policy.ts";
import { makeTargets, type Targets } from "./targets.ts";

const { failuresToOpen, openMs, successesToClose } = BREAKER;

function rig(): { targets: Targets; pass: (ms: number) => void } {
  let nowMs = 0;
  return { targets: makeTargets({ monotonic: () => nowMs }), pass: (ms) => void (nowMs += ms) };
}

function fail(targets: Targets, name: string, times: number): void {
  for (let time = 0; time < times; time += 1) targets.failed(name);
}

describe("[D10] the way to another machine", () => {
  it("opens at failures in a row, for this machine alone", () => {
    const { targets } = rig();
    fail(targets, "a", failuresToOpen - 1);
    targets.answered("a");
    fail(targets, "a", failuresToOpen - 1);
    expect(targets.isLeftAlone("a")).toBe(false);
    targets.failed("a");
    expect(targets.isLeftAlone("a")).toBe(true);
    expect(() => targets.admit("a")).toThrow(
      expect.objectContaining({
        code: "breaker_open",
        details: expect.objectContaining({ isSent: false }),
      }),
    );
    expect(targets.isLeftAlone("b")).toBe(false);
    expect(() => targets.admit("b")).not.toThrow("left alone");
  });

  it("is probed by one call at a time when its rest is over, and closes after enough of them (B1, B2)", () => {
    const { targets, pass } = rig();
    fail(targets, "a", failuresToOpen);
    pass(openMs - 1);
    expect(() => targets.admit("a")).toThrow("left alone");
    pass(1);
    for (let probe = 0; probe < successesToClose; probe += 1) {
      targets.admit("a");
      expect(() => targets.admit("a")).toThrow("left alone");
      targets.answered("a");
    }
    for (let call = 0; call < 9; call += 1) targets.admit("a");
    fail(targets, "a", 1);
    expect(targets.isLeftAlone("a")).toBe(false);
  });

  it("opens again at the first probe that fails; one that was given up or forgotten keeps nobody out (B1)", () => {
    const { targets, pass } = rig();
    fail(targets, "a", failuresToOpen);
    pass(openMs);
    targets.admit("a");
    targets.givenUp("a");
    targets.admit("a");
    pass(openMs);
    targets.admit("a");
    targets.failed("a");
    pass(openMs - 1);
    expect(targets.isLeftAlone("a")).toBe(true);
  });

  it("is closed at once by a machine that shows that it is back (TG2)", () => {
    const { targets } = rig();
    fail(targets, "a", failuresToOpen);
    targets.returned("a");
    for (let call = 0; call < 9; call += 1) targets.admit("a");
  });
});
