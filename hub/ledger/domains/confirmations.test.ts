import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { CommandBody, CommandOf } from "@gantry/shared/contract/commands.ts";
import {
  addNode,
  answer,
  ask,
  awaitPrint,
  command,
  confirmation,
  job,
  type LedgerRig,
  makeLedgerRig,
  print,
  START_MS,
} from "../testing/rig.ts";

type Consume = CommandOf<"confirmationConsumed">;
const consume = (facts: Partial<Consume> = {}): CommandBody => ({
  type: "confirmationConsumed",
  confirmation: "cfm_1",
  phrase: "confirm print bracket",
  role: "maker",
  ...facts,
});

const tick = (rig: LedgerRig, afterMs: number): unknown => {
  rig.at(afterMs);
  return rig.act({ type: "confirmationsTicked" })["moved"];
};

const stateOf = (rig: LedgerRig): readonly unknown[] => [
  rig.rows.get("confirmation", "cfm_1")?.state,
  rig.rows.get("print", "prt_1")?.state,
];

/** Audit hashes after three confirmations ran out. */
const expire = (restarts: boolean): readonly string[] => {
  const rig = makeLedgerRig();
  addNode(rig);
  for (const id of ["c", "a", "b"]) {
    rig.act(print({ job: `prt_${id}`, confirmation: confirmation({ id: `cfm_${id}` }) }));
  }
  if (restarts) rig.restart();
  tick(rig, 300_000);
  return rig.audit().map(({ hash }) => hash);
};

function pending(): LedgerRig {
  const rig = makeLedgerRig();
  awaitPrint(rig);
  return rig;
}

describe("the right word", () => {
  it("[K42][K61] consumes the confirmation and lets the job go in one entry (H1)", () => {
    const rig = pending();
    expect(rig.act(consume())).toMatchObject({ job: { id: "prt_1", state: "ready" } });
    expect(stateOf(rig)).toEqual(["consumed", "ready"]);
    const { length } = rig.entries;
    expect(rig.entries[length - 1]).toHaveLength(1);
  });

  it("[K61][K66] works once: the second is refused and nothing else happens (H2)", () => {
    const rig = pending();
    rig.act(consume());
    const { writes } = rig.rows;
    expect(rig.refuse(consume())).toBe("confirmation_used");
    expect(rig.refuse(consume({ phrase: null, role: "admin" }))).toBe("confirmation_used");
    expect(rig.rows.writes).toBe(writes);
    const ready = rig.events.filter(
      ({ type, data }) => type === "print.changed" && (data as { state: string }).state === "ready",
    );
    expect(ready).toHaveLength(1);
  });

  it("[K39][K66] is still waited for after a restart, and then works once", () => {
    const rig = pending();
    rig.restart();
    expect(stateOf(rig)).toEqual(["pending", "awaiting"]);
    rig.act(consume());
    rig.restart();
    expect(rig.refuse(consume())).toBe("confirmation_used");
    expect(stateOf(rig)).toEqual(["consumed", "ready"]);
  });

  it.each([
    "confirm print bracket",
    "  Confirm   PRINT bracket. ",
    "“confirm print bracket!”",
    "confirm\nprint\tbracket",
  ])("[K117] is accepted as %j", (phrase) => {
    const rig = pending();
    rig.act(consume({ phrase }));
    expect(stateOf(rig)).toEqual(["consumed", "ready"]);
  });

  it.each([
    "please do NOT confirm: proceed",
    "do not confirm print bracket",
    "confirm print bracket please",
    "don't confirm print bracket",
    "confirm print brackets",
    "confirm print",
    "print bracket",
    "confirm print hinge",
    "yes",
    "",
  ])("[K117] is not %j", (phrase) => {
    const rig = pending();
    expect(rig.refuse(consume({ phrase }))).toBe("phrase_mismatch");
    expect(stateOf(rig)).toEqual(["pending", "awaiting"]);
  });

  it("[K117] is no text but the phrase itself, whatever stands around it", () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/);
    fc.assert(
      fc.property(fc.array(word), fc.array(word), (before, after) => {
        fc.pre(before.length + after.length > 0);
        const rig = pending();
        const phrase = [...before, "confirm print bracket", ...after].join(" ");
        expect(rig.refuse(consume({ phrase }))).toBe("phrase_mismatch");
      }),
      { numRuns: 50 },
    );
  });

  it("of another action confirms nothing here", () => {
    const rig = pending();
    const other = confirmation({ id: "cfm_2", phrase: "confirm print hinge" });
    rig.act(print({ job: "prt_2", name: "hinge", confirmation: other }));
    expect(rig.refuse(consume({ phrase: other.phrase }))).toBe("phrase_mismatch");
    expect(rig.refuse(consume({ confirmation: "cfm_9" }))).toBe("not_found");
    rig.act(consume({ confirmation: "cfm_2", phrase: other.phrase }));
    expect(stateOf(rig)).toEqual(["pending", "awaiting"]);
    expect(rig.rows.get("print", "prt_2")?.state).toBe("ready");
  });

  it("lets a queued command go as well, and answers the question it came as", () => {
    const rig = makeLedgerRig();
    ask(rig, { question: "msg_0" });
    rig.act(answer("msg_0"));
    rig.act(job({ confirmation: confirmation(), conversation: "cnv_1" }));
    ask(rig, { question: "msg_1", text: "confirm print bracket" });
    rig.act(consume({ question: "msg_1", message: "msg_2" }));
    expect(rig.rows.get("job", "job_1")?.state).toBe("ready");
    expect(rig.rows.get("message", "cnv_1/3")).toMatchObject({ role: "assistant", id: "msg_2" });
    expect(rig.rows.get("conversation", "cnv_1")).not.toHaveProperty("pending");
  });

  it("is refused whole when the question it came as is closed already", () => {
    const rig = pending();
    ask(rig);
    rig.act(answer("msg_1"));
    expect(rig.refuse(consume({ question: "msg_1", message: "msg_2" }))).toBe("conflict");
    expect(stateOf(rig)).toEqual(["pending", "awaiting"]);
  });

  it("is agreed to for the hash of the action, which is in the audit (H4)", () => {
    const rig = pending();
    rig.act(consume());
    const { actionSha256 } = rig.rows.get("confirmation", "cfm_1") ?? {};
    const row = rig.audit().find(({ action }) => action === "confirmation.consumed");
    expect(row?.detail).toEqual({ actionSha256 });
  });
});

describe("the right person", () => {
  it("is the one who asked: another's phrase is refused, whoever says it", () => {
    const rig = pending();
    for (const role of ["maker", "safety", "admin"] as const) {
      expect(rig.refuse(consume({ role }), { actor: "eve" })).toBe("wrong_person");
    }
    expect(stateOf(rig)).toEqual(["pending", "awaiting"]);
  });

  it("may be a safety person with the button, but no maker", () => {
    const rig = pending();
    expect(rig.refuse(consume({ phrase: null }), { actor: "eve" })).toBe("wrong_person");
    rig.act(consume({ phrase: null, role: "safety" }), { actor: "sam" });
    expect(rig.rows.get("confirmation", "cfm_1")).toMatchObject({ closedBy: "sam" });
  });

  it("has the role that the hazard asks for", () => {
    const rig = makeLedgerRig();
    awaitPrint(rig, { confirmation: confirmation({ hazardClass: "high" }) });
    expect(rig.refuse(consume({ role: "maker" }))).toBe("forbidden");
    expect(rig.refuse(consume({ role: "viewer", phrase: null }))).toBe("forbidden");
    rig.act(consume({ role: "safety" }));
  });
});

describe("the right time", () => {
  it.each([
    [0, undefined],
    [299_900, undefined],
    [299_999, undefined],
    [300_000, "confirmation_expired"],
    [300_100, "confirmation_expired"],
    [-3_600_000, undefined], // the clock was set back: more time, never less
    [86_400_000, "confirmation_expired"],
  ])("[K101] %i ms after asking: %s", (afterMs, code) => {
    const rig = pending();
    const [reply] = rig.apply(command(consume(), { atMs: START_MS + afterMs }));
    expect(reply?.ok === false ? reply.error.code : undefined).toBe(code);
    expect(stateOf(rig)).toEqual(
      code === undefined ? ["consumed", "ready"] : ["pending", "awaiting"],
    );
  });

  it("[K101] is that of the command, at any offset around the end", () => {
    fc.assert(
      fc.property(fc.integer({ min: -500, max: 500 }), (offsetMs) => {
        const rig = pending();
        rig.at(LIFE.confirmationMs + offsetMs);
        const [reply] = rig.apply(
          command(consume(), { atMs: START_MS + LIFE.confirmationMs + offsetMs }),
        );
        expect(reply?.ok).toBe(offsetMs < 0);
      }),
    );
  });

  it("[K100] brings one notice at 240 s", () => {
    const rig = pending();
    expect(tick(rig, 239_999)).toBe(0);
    expect(tick(rig, 240_000)).toBe(1);
    expect(tick(rig, 250_000)).toBe(0);
    const notices = rig.events.filter(({ type }) => type === "confirmation.notice");
    expect(notices).toMatchObject([
      { subject: "cfm_1", person: "ada", data: { phrase: "confirm print bracket" } },
    ]);
  });

  it("[K99] ends it at 300 s, with its job, and keeps both in history and audit", () => {
    const rig = pending();
    expect(tick(rig, 300_000)).toBe(1);
    expect(stateOf(rig)).toEqual(["expired", "cancelled"]);
    expect(rig.rows.hot("confirmation").size).toBe(0);
    expect(rig.audit().map(({ action }) => action)).toContain("confirmation.expired");
    expect(rig.rows.get("print", "prt_1")?.error?.code).toBe("confirmation_expired");
    expect(rig.refuse(consume())).toBe("confirmation_expired");
    expect(tick(rig, 300_001)).toBe(0);
  });

  it("[K99] ends many in the order of their ids, before and after a restart alike", () => {
    expect(expire(true)).toEqual(expire(false));
  });
});

describe("a confirmation that is over", () => {
  const cancel: CommandBody = { type: "confirmationCancelled", confirmation: "cfm_1" };

  it("[K98] was withdrawn: its job is cancelled, the phrase does nothing, the audit says so", () => {
    const rig = pending();
    rig.act(cancel);
    rig.act(cancel);
    expect(stateOf(rig)).toEqual(["cancelled", "cancelled"]);
    expect(rig.refuse(consume())).toBe("gone");
    const rows = rig.audit().filter(({ action }) => action === "confirmation.cancelled");
    expect(rows).toHaveLength(1);
  });

  it("[K98] is not withdrawn after it was consumed", () => {
    const rig = pending();
    rig.act(consume());
    expect(rig.refuse(cancel)).toBe("conflict");
    expect(stateOf(rig)).toEqual(["consumed", "ready"]);
  });

  it("went with its job", () => {
    const rig = pending();
    rig.act({ type: "printWished", job: "prt_1", wish: "cancel" });
    expect(stateOf(rig)).toEqual(["cancelled", "cancelled"]);
    expect(rig.refuse(consume())).toBe("gone");
  });

  it("[K97] was superseded: a conversation waits for the newest alone (H5)", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    ask(rig);
    rig.act(print({ confirmation: confirmation(), conversation: "cnv_1" }));
    const newer = confirmation({ id: "cfm_2" });
    rig.act(print({ job: "prt_2", confirmation: newer, conversation: "cnv_1" }));
    expect(rig.rows.get("conversation", "cnv_1")?.pending).toBe("cfm_2");
    expect(stateOf(rig)).toEqual(["cancelled", "cancelled"]);
    expect(rig.refuse(consume())).toBe("gone");
    rig.act(consume({ confirmation: "cfm_2" }));
    expect(rig.rows.get("conversation", "cnv_1")).not.toHaveProperty("pending");
  });

  it("never opens for a conversation that does not exist, nor twice under one id", () => {
    const rig = pending();
    const draft = { confirmation: confirmation({ id: "cfm_2" }), conversation: "cnv_9" };
    expect(rig.refuse(print({ job: "prt_2", ...draft }))).toBe("not_found");
    expect(rig.refuse(job(draft))).toBe("not_found");
    expect(rig.refuse(print({ job: "prt_2", confirmation: confirmation() }))).toBe("conflict");
    expect(rig.rows.get("print", "prt_2")).toBeUndefined();
  });
});
