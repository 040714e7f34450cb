import { describe, expect, it } from "vitest";
import { makeLedgerRig } from "../testing/rig.ts";

describe("flags", () => {
  it("[K37] carry the log position of their last change, who made it, and an audit row", () => {
    const rig = makeLedgerRig();
    rig.act({ type: "flagSet", key: "other", value: 1 });
    const reply = rig.act({ type: "flagSet", key: "night", value: { on: true } });
    expect(reply).toEqual({ key: "night", value: { on: true }, revision: 2 });
    expect(rig.rows.get("flag", "night")).toMatchObject({ revision: 2, by: "ada" });
    expect(rig.audit().map(({ action, object }) => `${action} ${object}`)).toEqual([
      "flag.set other",
      "flag.set night",
    ]);
  });

  it("change only from the revision that the caller has seen", () => {
    const rig = makeLedgerRig();
    rig.act({ type: "flagSet", key: "a", value: 1, ifRevision: 0 });
    expect(rig.refuse({ type: "flagSet", key: "a", value: 2, ifRevision: 0 })).toBe(
      "revision_mismatch",
    );
    rig.act({ type: "flagSet", key: "a", value: 3, ifRevision: 1 });
    expect(rig.refuse({ type: "flagDeleted", key: "a", ifRevision: 1 })).toBe("revision_mismatch");
    rig.act({ type: "flagDeleted", key: "a", ifRevision: 3 });
    expect(rig.refuse({ type: "flagDeleted", key: "a" })).toBe("not_found");
    rig.act({ type: "flagSet", key: "a", value: 4, ifRevision: 0 });
    expect(rig.rows.get("flag", "a")?.revision).toBe(7);
  });

  it("keep any key and any JSON value through a restart", () => {
    const rig = makeLedgerRig();
    rig.act({ type: "flagSet", key: "a/b/c", value: [null, 0, "ä\ud83d\ude00", { x: [] }] });
    const before = rig.rows.get("flag", "a/b/c");
    rig.restart();
    expect(rig.rows.get("flag", "a/b/c")).toEqual(before);
  });
});
