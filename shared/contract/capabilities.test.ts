import { expect, test } from "vitest";
import type { Printer } from "./bridge.ts";
import { capabilitiesDigest } from "./capabilities.ts";
import type { Capabilities } from "./rows.ts";

const printer: Printer = {
  id: "ender",
  driver: "marlin",
  phase: "idle",
  isSimulated: false,
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 110,
};
const model = (name: string) => ({ name, contextTokens: 4_096, slots: 8, sizeBytes: 1 });
const capabilities = (changes: Partial<Capabilities> = {}): Capabilities => ({
  models: [model("a"), model("b")],
  commands: [],
  printers: [printer],
  ...changes,
});

test("telemetry and order do not change the digest, facts do", () => {
  const digest = capabilitiesDigest(capabilities());
  const warm: Printer = {
    ...printer,
    phase: "printing",
    job: "prt_1",
    progress: 0.5,
    temperatures: { nozzleC: 200, nozzleTargetC: 200, bedC: 60, bedTargetC: 60 },
  };
  expect(capabilitiesDigest(capabilities({ printers: [warm] }))).toBe(digest);
  expect(capabilitiesDigest(capabilities({ models: [model("b"), model("a")] }))).toBe(digest);
  expect(capabilitiesDigest(capabilities({ models: [model("a")] }))).not.toBe(digest);
  const hotter = { ...printer, nozzleMaxC: 300 };
  expect(capabilitiesDigest(capabilities({ printers: [hotter] }))).not.toBe(digest);
  const embedder = { tag: "minilm", dimensions: 384 };
  expect(capabilitiesDigest(capabilities({ embedder }))).not.toBe(digest);
});
