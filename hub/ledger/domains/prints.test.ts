import { describe, expect, it } from "vitest";
import type { CommandBody, CommandOf, PrintWish } from "@gantry/shared/contract/commands.ts";
import type { ErrorCode } from "@gantry/shared/base/errors.ts";
import {
  addNode,
  awaitPrint,
  leasePrint,
  type LedgerRig,
  makeLedgerRig,
  print,
  printer,
  register,
} from "../testing/rig.ts";

type Report = CommandOf<"printReported">;
const report = (token: number, facts: Partial<Report> = {}): CommandBody => ({
  type: "printReported",
  job: "prt_1",
  token,
  phase: "started",
  progress: 0,
  startedCount: 1,
  ...facts,
});

const refused = (token: number, code: ErrorCode): CommandBody => ({
  type: "printRefused",
  job: "prt_1",
  token,
  error: { code, message: "no" },
});

const lease = (id = "prt_1", node = "node_1"): CommandBody => ({
  type: "printLeased",
  job: id,
  node,
  bootId: "boot_1",
});

const wish = (wanted: PrintWish): CommandBody => ({
  type: "printWished",
  job: "prt_1",
  wish: wanted,
});

const row = (rig: LedgerRig) => rig.rows.get("print", "prt_1");
const bed = (rig: LedgerRig) => rig.rows.get("device", "sim");

function ready(): LedgerRig {
  const rig = makeLedgerRig();
  addNode(rig);
  rig.act(print());
  return rig;
}

function leased(): { rig: LedgerRig; token: number } {
  const rig = ready();
  return { rig, token: leasePrint(rig) };
}

function printing(): { rig: LedgerRig; token: number } {
  const { rig, token } = leased();
  rig.act(report(token));
  return { rig, token };
}

describe("a print job", () => {
  it("waits for its confirmation and is leased by no other way (P1)", () => {
    const rig = makeLedgerRig();
    awaitPrint(rig);
    expect(rig.refuse(lease())).toBe("conflict");
    expect(row(rig)?.state).toBe("awaiting");
  });

  it("of an id that exists is refused, whatever became of the first", () => {
    const { rig, token } = printing();
    expect(rig.refuse(print())).toBe("conflict");
    rig.act(report(token, { phase: "done" }));
    expect(rig.refuse(print())).toBe("conflict");
    expect(row(rig)).toMatchObject({ state: "done", startedCount: 1 });
  });

  it("runs from lease to end, and its bed is not clear from the first byte on", () => {
    const { rig, token } = leased();
    expect(bed(rig)?.bed).toBe("clear");
    rig.act(report(token));
    expect(row(rig)).toMatchObject({ state: "printing", startedCount: 1 });
    expect(bed(rig)).toMatchObject({ bed: "part", bedJob: "prt_1" });
    rig.act(report(token, { phase: "paused", progress: 0.4 }));
    expect(row(rig)).toMatchObject({ state: "paused", progress: 0.4 });
    rig.act(report(token, { phase: "resumed", progress: 0.4 }));
    rig.act(report(token, { phase: "done" }));
    expect(row(rig)).toMatchObject({ state: "done", progress: 1, startedCount: 1 });
    expect(rig.rows.hot("print").size).toBe(0);
  });

  it("marks the bed even when the first thing heard is its end", () => {
    const { rig, token } = leased();
    rig.act(report(token, { phase: "interrupted", progress: 0.1 }));
    expect(bed(rig)).toMatchObject({ bed: "part", bedJob: "prt_1" });
    expect(row(rig)).toMatchObject({ state: "interrupted", startedCount: 1 });
  });
});

describe("a file that is only kept", () => {
  it("is a job that has ended: nothing leases it, no word is asked for it (P6)", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    register(rig);
    const { job, printer: device, name, gcode } = print();
    rig.act({ type: "printKept", job, printer: device, name, gcode });
    expect(rig.rows.get("print", job)).toMatchObject({
      state: "cancelled",
      isKept: true,
      startedCount: 0,
      gcode,
    });
    expect(rig.rows.hot("print").has(job)).toBe(false);
    expect(rig.rows.hot("confirmation").size).toBe(0);
    expect(rig.rows.get("order", "prints/0")).toBe(job);
    expect(rig.refuse(lease(job))).toBe("conflict");
    expect(rig.refuse({ type: "printKept", job, printer: device, name, gcode })).toBe("conflict");
    const unknown = { type: "printKept", job: "prt_2", printer: "nobody", name, gcode } as const;
    expect(rig.refuse(unknown)).toBe("not_found");
  });
});

describe("fencing", () => {
  it("refuses a report and a refusal with any token but the lease's (P2)", () => {
    const { rig, token } = leased();
    for (const stale of [0, token - 1, token + 1]) {
      expect(rig.refuse(report(stale))).toBe("stale_token");
      expect(rig.refuse(refused(stale, "busy"))).toBe("stale_token");
    }
    expect(row(rig)).toMatchObject({ state: "ready", startedCount: 0 });
  });

  it("hands out tokens that only grow, and remembers the highest of the device", () => {
    const { rig, token } = leased();
    rig.act(refused(token, "busy"));
    const next = leasePrint(rig);
    expect(next).toBeGreaterThan(token);
    expect(bed(rig)?.token).toBe(next);
    expect(rig.refuse(report(token))).toBe("stale_token");
  });

  it("gives one lease at a time, to the node that has the printer", () => {
    const { rig, token } = leased();
    expect(rig.refuse(lease())).toBe("conflict");
    rig.act(refused(token, "busy"));
    addNode(rig, { node: "node_2", printers: [] });
    expect(rig.refuse(lease("prt_1", "node_2"))).toBe("conflict");
  });

  it("never leases again what has started (P4)", () => {
    const { rig, token } = printing();
    rig.act(refused(token, "busy")); // a late word of the bridge: it changes nothing
    expect(row(rig)).toMatchObject({ state: "printing", lease: { token } });
    expect(rig.refuse(lease())).toBe("conflict");
    rig.act(report(token, { phase: "interrupted" }));
    expect(rig.refuse(lease())).toBe("conflict");
  });
});

describe("a printer", () => {
  it("takes one job at a time (P3)", () => {
    const { rig } = leased();
    rig.act(print({ job: "prt_2" }));
    expect(rig.refuse(lease("prt_2"))).toBe("conflict");
  });

  it("takes none while a part is in its bed, until a person has cleared it", () => {
    const { rig, token } = printing();
    const clear = { type: "bedCleared", device: "sim", job: "prt_1" } as const;
    expect(rig.refuse(clear)).toBe("conflict");
    rig.act(report(token, { phase: "done" }));
    rig.act(print({ job: "prt_2" }));
    expect(rig.refuse(lease("prt_2"))).toBe("conflict");
    expect(rig.refuse({ ...clear, job: "prt_2" })).toBe("conflict");
    rig.act(clear);
    expect(bed(rig)).not.toHaveProperty("bedJob");
    rig.act(lease("prt_2"));
  });

  it.each(["offline", "fault", "stopped"] as const)("takes none while it is %s", (phase) => {
    const rig = ready();
    rig.act({ type: "printersChanged", node: "node_1", printers: [printer({ phase })] });
    expect(rig.refuse(lease())).toBe("conflict");
    rig.act({ type: "printersChanged", node: "node_1", printers: [printer()] });
    rig.act(lease());
  });

  it("is not known: the job is refused", () => {
    expect(makeLedgerRig().refuse(print())).toBe("not_found");
  });
});

describe("reports", () => {
  it.each(["done", "failed", "cancelled", "interrupted"] as const)(
    "of the end `%s` may come twice; the second changes nothing (P5)",
    (phase) => {
      const { rig, token } = printing();
      const value = rig.act(report(token, { phase }));
      const { writes } = rig.rows;
      expect(rig.act(report(token, { phase }))).toMatchObject({ state: value["state"] });
      expect(rig.act(report(token, { phase: "done" }))).toMatchObject({ state: phase });
      expect(rig.rows.writes).toBe(writes);
    },
  );

  it("of a start may come twice, and late", () => {
    const { rig, token } = printing();
    rig.act(report(token));
    rig.act(report(token, { phase: "paused" }));
    rig.act(report(token));
    expect(row(rig)).toMatchObject({ state: "paused", startedCount: 1 });
  });

  it("keep the start counted though a later one says less", () => {
    const { rig, token } = printing();
    rig.act(report(token, { phase: "failed", startedCount: 0 }));
    expect(row(rig)?.startedCount).toBe(1);
  });
});

describe("a bridge that does not take the job", () => {
  it.each(["device_offline", "unreachable", "busy", "bed_not_clear"] as const)(
    "gives it back when it says %s",
    (code) => {
      const { rig, token } = leased();
      rig.act(refused(token, code));
      expect(row(rig)).toMatchObject({ state: "ready", error: { code } });
      expect(row(rig)).not.toHaveProperty("lease");
    },
  );

  it("ends it when it never will", () => {
    const { rig, token } = leased();
    rig.act(refused(token, "checksum_mismatch"));
    expect(row(rig)).toMatchObject({ state: "failed", error: { code: "checksum_mismatch" } });
  });

  it("ends it as cancelled when that was wished meanwhile", () => {
    const { rig, token } = leased();
    rig.act(wish("cancel"));
    rig.act(refused(token, "busy"));
    expect(row(rig)?.state).toBe("cancelled");
  });
});

describe("wishes", () => {
  it("cancel at once what nobody has begun", () => {
    const rig = ready();
    rig.act(wish("cancel"));
    expect(row(rig)?.state).toBe("cancelled");
    rig.act(wish("cancel"));
    expect(rig.audit().filter(({ action }) => action === "print.cancel")).toHaveLength(1);
  });

  it("wait for the bridge's word on what is under way", () => {
    const { rig, token } = printing();
    rig.act(wish("pause"));
    expect(row(rig)).toMatchObject({ state: "printing", wish: "pause" });
    rig.act(report(token, { phase: "paused" }));
    expect(row(rig)).not.toHaveProperty("wish");
    rig.act(wish("resume"));
    rig.act(wish("cancel"));
    expect(row(rig)).toMatchObject({ state: "paused", wish: "cancel" });
    rig.act(report(token, { phase: "cancelled" }));
    expect(row(rig)?.state).toBe("cancelled");
  });

  it("that the state does not allow are refused, without an audit row", () => {
    const rig = ready();
    expect(rig.refuse(wish("pause"))).toBe("conflict");
    expect(rig.refuse(wish("resume"))).toBe("conflict");
    rig.act(wish("cancel"));
    expect(rig.refuse(wish("pause"))).toBe("conflict");
    expect(rig.audit().filter(({ action }) => action === "print.pause")).toEqual([]);
  });
});

describe("a job whose end nobody saw", () => {
  it("is resolved by a person, once", () => {
    const { rig } = printing();
    const resolve = { type: "printResolved", job: "prt_1", outcome: "failed" } as const;
    expect(rig.refuse(resolve)).toBe("conflict");
    rig.act({ type: "nodeStateChanged", node: "node_1", bootId: "boot_1", state: "removed" });
    expect(row(rig)?.state).toBe("unknown");
    rig.act(resolve);
    expect(row(rig)?.state).toBe("failed");
    expect(rig.refuse(resolve)).toBe("conflict");
  });

  it("keeps its printer until then", () => {
    const { rig } = printing();
    rig.act({ type: "nodeStateChanged", node: "node_1", bootId: "boot_1", state: "removed" });
    rig.act(print({ job: "prt_2" }));
    addNode(rig, { node: "node_2", printers: [] });
    register(rig, "node_2");
    expect(rig.refuse(lease("prt_2", "node_2"))).toBe("conflict");
  });
});

it("an emergency stop leaves an audit row and an event", () => {
  const rig = makeLedgerRig();
  rig.act({ type: "emergencyStopped", devices: ["a", "b"] });
  expect(rig.audit()).toMatchObject([{ action: "stop.pressed", object: "a,b", actor: "ada" }]);
  expect(rig.events).toMatchObject([{ type: "stop.pressed", data: { by: "ada" } }]);
});
