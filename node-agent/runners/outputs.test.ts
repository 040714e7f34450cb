import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { takePacket, wordsOf } from "../adapters/mqtt-topic.ts";
import { parseCatalogue } from "../rules/commands.ts";
import type { OutputWay } from "../rules/outputs.ts";
import { makeCommandRunner } from "./command.ts";
import type { Switches } from "./outputs.ts";

const http = (name: string) => ({
  http: { on: `http://x/${name}/on`, off: `http://x/${name}/off` },
});
const CATALOGUE = parseCatalogue({
  extractor: { output: http("extractor"), hazard: "none" },
  laser: { output: http("laser"), hazard: "medium", needs: ["extractor"] },
  engrave: { program: "/usr/bin/true", hazard: "none", needs: ["laser"] },
});
const { signal } = new AbortController();

const nameOf = (way: OutputWay): string =>
  way.kind === "http" ? (way.on.split("/")[3] ?? "") : "";

/** Outputs in memory; `stuck` ones do not follow. */
function rig(stuck: readonly string[] = []) {
  const on = new Set<string>();
  const switches: Switches = {
    write(way, turnsOn) {
      const name = nameOf(way);
      if (stuck.includes(name)) return Promise.resolve();
      if (turnsOn) on.add(name);
      else on.delete(name);
      return Promise.resolve();
    },
    read: (way) => Promise.resolve(on.has(nameOf(way))),
  };
  const runner = makeCommandRunner(CATALOGUE, systemClock, switches);
  const turn = (name: string, turnsOn: boolean) => runner.run(name, { on: turnsOn }, signal);
  return { on, runner, turn };
}

describe("outputs", () => {
  it("go on only after what they need, and off only before it; the refusal says which (OU1)", async () => {
    const { on, runner, turn } = rig();
    await expect(turn("laser", true)).rejects.toMatchObject({
      code: "conflict",
      message: "extractor must be on before laser",
      details: { missing: ["extractor"] },
    });
    await expect(runner.run("engrave", {}, signal)).rejects.toMatchObject({ code: "conflict" });
    expect((await turn("extractor", true)).stdout).toBe("extractor is on");
    await turn("laser", true);
    await runner.run("engrave", {}, signal);
    await expect(turn("extractor", false)).rejects.toMatchObject({
      message: "extractor stays on: laser is on and needs it",
    });
    await turn("laser", false);
    await turn("extractor", false);
    expect([...on]).toEqual([]);
  });

  it("at the same time are taken one after the other (OR1)", async () => {
    const { on, turn } = rig();
    await turn("extractor", true);
    const both = await Promise.allSettled([turn("laser", true), turn("extractor", false)]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect([...on].toSorted()).toEqual(["extractor", "laser"]);
  });

  it("that do not follow are told as faulty (OR2)", async () => {
    const { turn } = rig(["extractor"]);
    await expect(turn("extractor", true)).rejects.toMatchObject({ code: "device_fault" });
  });

  it.each([
    [{ lamp: { output: {} } }, "lamp.output"],
    [{ lamp: { output: { http: { on: "file:///etc/passwd", off: "http://x" } } } }, "lamp.output"],
    [{ lamp: { output: { mqtt: { host: "h", topic: "cmnd/#" } } } }, "lamp.output"],
    [{ lamp: { output: http("lamp"), program: "/bin/sh" } }, "lamp.program"],
    [{ lamp: { output: http("lamp"), needs: ["nothing"] } }, "lamp.needs"],
    [{ lamp: { output: http("lamp"), needs: ["lamp"] } }, "lamp.needs"],
  ])("that are not well described are refused with their place: %j", (catalogue, path) => {
    expect(() => parseCatalogue(catalogue)).toThrow(path);
  });

  it("packets of a broker are read whole or not at all, whatever comes (fuzz)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const taken = takePacket(Buffer.from(bytes));
        if (taken === undefined || taken === "broken") return;
        wordsOf(taken.packet);
        expect(taken.packet.body.length + taken.rest.length).toBeLessThan(bytes.length);
      }),
      { numRuns: 1_000 },
    );
  });
});
