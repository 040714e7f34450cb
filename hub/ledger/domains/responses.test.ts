import { expect, it } from "vitest";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import { makeLedgerRig, START_MS } from "../testing/rig.ts";
import { responseOf } from "./responses.ts";

const kept = (id: string, previous?: string) => ({
  type: "responseKept" as const,
  id,
  input: [{ type: "message" }],
  response: { id, output: [] },
  ...(previous === undefined ? {} : { previous }),
});

it("RS1: a response exists for the person who asked for it, and for nobody else", () => {
  const rig = makeLedgerRig();
  rig.act(kept("resp_1"), { actor: "ann" });
  expect(responseOf(rig.rows, "resp_1", "ann", START_MS)?.input).toEqual([{ type: "message" }]);
  expect(responseOf(rig.rows, "resp_1", "bob", START_MS)).toBeUndefined();
  expect(() => rig.act({ type: "responseDropped", id: "resp_1" }, { actor: "bob" })).toThrow(
    "no response",
  );
  rig.act({ type: "responseDropped", id: "resp_1" }, { actor: "ann" });
  expect(responseOf(rig.rows, "resp_1", "ann", START_MS)).toBeUndefined();
});

it("RS2: the oldest makes room, and one is read for its time", () => {
  const rig = makeLedgerRig();
  rig.act(kept("resp_0"), { actor: "ann" });
  rig.rows.cool("count", "responses", LIMIT.responses.max); // the ring is full: the hand is at resp_0
  rig.act(kept("resp_1", "resp_0"), { actor: "ann" });
  expect(responseOf(rig.rows, "resp_0", "ann", START_MS)).toBeUndefined();
  const row = responseOf(rig.rows, "resp_1", "ann", START_MS);
  expect(row?.previous).toBe("resp_0");
  const late = (row?.atMs ?? 0) + LIFE.responseMs;
  expect(responseOf(rig.rows, "resp_1", "ann", late)).toBeUndefined();
  expect(() => rig.act(kept("resp_1"), { actor: "ann" })).toThrow("already");
});
