import { describe, expect, it } from "vitest";
import { confirmation, device, empty, job, print, workshop } from "../../testing/mock-facts.ts";
import { needsOf } from "./attention.ts";

describe("what needs a person", () => {
  it("[S60] names each thing that stands still, the most urgent first", () => {
    expect(needsOf(workshop()).map(({ kind }) => kind)).toEqual([
      "confirmation",
      "unresolved",
      "bed",
      "machine",
    ]);
  });

  it("is empty when nothing stands still", () => {
    const calm = {
      ...empty(),
      devices: [device("ender", { phase: "printing", job: "p1", bed: "part" })],
      prints: [print("p1", "a", { state: "printing" }), print("p2", "b", { state: "done" })],
      jobs: [job("j1"), job("j2", { state: "done" })],
      confirmations: [confirmation("c1", "p1", { state: "consumed" })],
    };
    expect(needsOf(calm)).toEqual([]);
  });

  it("puts the confirmation that expires first before the others", () => {
    const confirmations = [
      confirmation("late", "p1", { secondsLeft: 200 }),
      confirmation("soon", "p2", { secondsLeft: 20 }),
    ];
    const needs = needsOf({ ...empty(), confirmations });
    expect(needs).toMatchObject([
      { confirmation: { id: "soon" } },
      { confirmation: { id: "late" } },
    ]);
  });

  it.each([
    ["a stopped printer", { phase: "stopped" }],
    ["a printer in fault", { phase: "fault" }],
    [
      "a printer that says a fault",
      { fault: { code: "device_fault", message: "Thermal runaway" } },
    ],
  ])("shows %s", (_, members) => {
    const needs = needsOf({ ...empty(), devices: [device("ender", members)] });
    expect(needs).toMatchObject([{ kind: "fault", device: { id: "ender" } }]);
  });

  it("shows a job whose holder vanished, and a printer that does not answer", () => {
    const needs = needsOf({
      ...empty(),
      jobs: [job("j1", { state: "unknown" })],
      devices: [device("ender", { online: false })],
    });
    expect(needs.map(({ kind }) => kind)).toEqual(["unseenJob", "offline"]);
  });
});
