// Every attack of shared/gcode/testing/attacks.ts against a bridge with a simulated printer on a pty:
// with the limits of that list the job fails with its code, and the firmware has executed nothing.

import { describe, expect, it } from "vitest";
import { DISGUISED, FORBIDDEN, HOT, ODD, OUT } from "@gantry/shared/gcode/testing/attacks.ts";
import { makeRig, until } from "./rig.ts";

describe("[K69] a hostile file", () => {
  it("never reaches the port, whatever it tries; an honest one behind them all is printed", async () => {
    await using rig = makeRig("speed=50&heat=50&bed=100");
    const agent = await rig.connect();
    await until("an idle printer", () => agent.printer()?.phase === "idle" || undefined);
    const cases = [...FORBIDDEN, ...DISGUISED, ...OUT, ...ODD, ...HOT];
    expect(cases.length).toBeGreaterThan(60);
    for (const [index, [what, file, code]] of cases.entries()) {
      const order = rig.order(`bad${index}`, [file]);
      const { type } = await agent.ask(order);
      const { startedCount, error } = await agent.job(order.job, "failed");
      const outcome = { what, type, startedCount, code: error?.code };
      expect(outcome).toEqual({ what, type: "accepted", startedCount: 0, code });
    }
    expect(rig.executed()).toEqual([]);
    await agent.ask(rig.order("good", ["G28", "G1 X10 Y10 F6000"]));
    await agent.job("good", "done");
    expect(rig.executed()).toContain("G1 X10 Y10 F6000");
  }, 120_000);
});
