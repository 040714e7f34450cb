import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { Command } from "@gantry/shared/contract/commands.ts";
import { applyEntry } from "./apply.ts";
import { ledgerTimeMs } from "./context.ts";
import { useOf } from "./domains/budgets.ts";
import { EMPTY_META, findBrokenAudit } from "./journal.ts";
import { steps } from "../../tests/support/any-commands.ts";
import {
  addNode,
  answer,
  ask,
  awaitPrint,
  command,
  job,
  type LedgerRig,
  makeLedgerRig,
  print,
  START_MS,
} from "./testing/rig.ts";

/** Two nodes, a printer, something asked, something waiting: so that random commands meet things. */
function furnished(): LedgerRig {
  const rig = makeLedgerRig();
  awaitPrint(rig);
  addNode(rig, { node: "node_2", printers: [] });
  rig.act(job());
  ask(rig);
  return rig;
}

/** The laws that hold after every command. */
function checkLaws(rig: LedgerRig): void {
  const { rows } = rig;
  const ids = ["prt_1", "prt_2", "prt_3"];
  const prints = ids.flatMap((id) => rows.get("print", id) ?? []);
  const holders = [...rows.hot("print").values()].filter(({ lease }) => lease !== undefined);
  const held = holders.map(({ printer }) => printer);
  expect(new Set(held).size, "a printer has one live lease").toBe(held.length);
  for (const { startedCount, state, confirmation } of prints) {
    expect(startedCount).toBeLessThanOrEqual(1);
    const asked = confirmation === undefined ? undefined : rows.get("confirmation", confirmation);
    expect(asked?.state === "pending").toBe(state === "awaiting");
    const hasBegun = ["ready", "printing", "paused", "done", "interrupted"].includes(state);
    expect(hasBegun && asked !== undefined && asked.state !== "consumed").toBe(false);
  }
  const reserved = [...rows.hot("reservation").values()];
  const day = (of: string): number =>
    reserved.filter((row) => row.day === of).reduce((sum, row) => sum + row.worstMicroUsd, 0);
  for (const { day: of } of reserved)
    expect(useOf(rows, "appliance", of).reservedMicroUsd).toBe(day(of));
  for (const queue of ["high", "normal", "low"] as const) {
    const open = [...rows.hot("job").values()].filter(
      (row) => row.class === queue && row.kind !== "work",
    ).length;
    expect(rows.get("count", `open/${queue}`) ?? 0).toBe(open);
  }
}

describe("any order of any commands", () => {
  it("keeps the laws: one lease, one start, no word no print, positions without a gap", () => {
    fc.assert(
      fc.property(steps(60), (sequence) => {
        const rig = furnished();
        for (const { envelope, body, isAfterRestart } of sequence) {
          if (isAfterRestart) rig.restart();
          const { position } = rig.ledger;
          rig.apply(command(body(rig.rows), envelope));
          expect(rig.ledger.position).toBe(position + 1); // L2
          checkLaws(rig);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("[M69] leaves the audit chain whole, and no word of a refused command in it (L1)", () => {
    fc.assert(
      fc.property(steps(60), (sequence) => {
        const rig = furnished();
        const refused = new Set<number>();
        for (const { envelope, body } of sequence) {
          const { writes } = rig.rows;
          const timeMs = ledgerTimeMs(rig.rows);
          const seq = rig.rows.get("session", envelope.session?.id ?? "")?.seq;
          const [reply] = rig.apply(command(body(rig.rows), envelope));
          const isLater = ledgerTimeMs(rig.rows) !== timeMs;
          const isNext = rig.rows.get("session", envelope.session?.id ?? "")?.seq !== seq;
          const hasWritten = rig.rows.writes - writes > Number(isLater) + Number(isNext);
          expect(reply?.ok === false && hasWritten).toBe(false);
          if (reply?.ok === false) refused.add(reply.position);
        }
        const audit = rig.audit();
        expect(findBrokenAudit(audit, EMPTY_META)).toBeUndefined();
        expect(audit.filter(({ position }) => refused.has(position))).toEqual([]);
        expect(rig.events.filter(({ id }) => refused.has(id))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it("[K78][A24][M69] replayed gives the same state hash, however often the hub was restarted", () => {
    fc.assert(
      fc.property(steps(60), (sequence) => {
        const rig = furnished();
        for (const { envelope, body, isAfterRestart } of sequence) {
          if (isAfterRestart) rig.restart();
          rig.apply(command(body(rig.rows), envelope));
        }
        const replica = makeLedgerRig();
        for (const entry of rig.entries) replica.apply(...entry);
        expect(replica.stateHash()).toBe(rig.stateHash());
      }),
      { numRuns: 150 },
    );
  });

  it("gives the rows and replies of one entry that it gives of many", () => {
    fc.assert(
      fc.property(steps(40), (sequence) => {
        const one = furnished();
        const replies = sequence.flatMap(({ envelope, body }) =>
          one.apply(command(body(one.rows), envelope)),
        );
        const many = furnished();
        const commands = one.entries.slice(many.entries.length).flat();
        expect(many.apply(...commands)).toEqual(replies);
        expect(many.audit()).toEqual(one.audit());
      }),
      { numRuns: 50 },
    );
  });
});

it("says which row of the audit was changed", () => {
  const rig = furnished();
  const audit = [...rig.audit()];
  const [place, row] = [3, audit[3]];
  if (row === undefined) throw new Error("the furnished ledger has more rows than that");
  audit[place] = { ...row, actor: "eve" };
  expect(findBrokenAudit(audit, EMPTY_META)?.seq).toBe(row.seq);
  expect(findBrokenAudit(rig.audit().toSpliced(2, 1), EMPTY_META)?.seq).toBe(4);
});

describe("an Idempotency-Key (L3)", () => {
  const replay = { key: "key", requestSha256: "one" };
  const set = (value: number, envelope: Partial<Command> = {}): Command =>
    command({ type: "flagSet", key: "a", value }, { replay, ...envelope });

  it("runs once: the same request gets the first answer again", () => {
    const rig = makeLedgerRig();
    const [first] = rig.apply(set(1));
    const { writes } = rig.rows;
    expect(rig.apply(set(1))).toEqual([first]);
    rig.restart();
    expect(rig.apply(set(1))).toEqual([first]);
    expect(rig.rows.get("flag", "a")?.revision).toBe(1);
    expect(writes).toBeGreaterThan(0);
  });

  it("runs once within one entry, too", () => {
    const rig = makeLedgerRig();
    const [first, second] = rig.apply(set(1), set(1));
    expect(second).toEqual(first);
  });

  it("is refused for another request", () => {
    const rig = makeLedgerRig();
    rig.apply(set(1));
    const [reply] = rig.apply(set(2, { replay: { key: "key", requestSha256: "two" } }));
    expect(reply).toMatchObject({ ok: false, error: { code: "idempotency_mismatch" } });
  });

  it("is not kept for a refusal, whose cause may pass", () => {
    const rig = makeLedgerRig();
    const submit = command(print(), { replay });
    expect(rig.apply(submit)[0]?.ok).toBe(false);
    addNode(rig);
    expect(rig.apply(submit)[0]?.ok).toBe(true);
  });

  it("is free again after its time", () => {
    const rig = makeLedgerRig();
    rig.apply(set(1));
    rig.apply(set(2, { atMs: START_MS + LIFE.idempotencyMs }));
    expect(rig.rows.get("flag", "a")?.value).toBe(1);
    rig.apply(set(2, { atMs: START_MS + LIFE.idempotencyMs + 1 }));
    expect(rig.rows.get("flag", "a")?.value).toBe(2);
  });

  it("leaves the ring when its turn comes, and not before, though it was used twice", () => {
    const rig = makeLedgerRig();
    const later = { atMs: START_MS + LIFE.idempotencyMs + 1 };
    const other = (index: number): Command =>
      set(index, { ...later, replay: { key: `key ${index}`, requestSha256: "one" } });
    rig.apply(set(1)); // slot 0
    rig.apply(set(2, later)); // slot 1: the same key again, after its time
    const fill = Array.from({ length: LIMIT.replays.max - 1 }, (_, index) => other(index));
    for (const each of fill) rig.apply(each); // the last of them takes slot 0
    expect(rig.rows.get("replay", "key")?.slot).toBe("replay/1");
    rig.apply(other(-1)); // takes slot 1
    expect(rig.rows.get("replay", "key")).toBeUndefined();
    expect(rig.rows.get("replay", "key 0")?.slot).toBe("replay/2");
  });
});

it("an entry without commands changes nothing", () => {
  const rig = makeLedgerRig();
  expect(applyEntry(rig.ledger, [])).toEqual({ replies: [], events: [] });
  expect([rig.rows.writes, rig.ledger.position]).toEqual([0, 0]);
});

it("[K63] an answer and its decision are one entry: as many decisions as answers", () => {
  const rig = makeLedgerRig();
  for (const id of ["msg_1", "msg_2"]) rig.act(answer(ask(rig, { question: id })));
  const decisions = rig.audit().filter(({ action }) => action === "question.answered");
  const answers = [0, 1, 2, 3].filter((seq) => rig.rows.get("message", `cnv_1/${seq}`)?.routing);
  expect(decisions).toHaveLength(answers.length);
});

const unknown = (type: string): Command =>
  ({ ...command({ type: "flagDeleted", key: "a" }), type }) as unknown as Command; // not of this release
const told = (rig: LedgerRig, hub: string, version: string, format?: number): void => {
  const none = { peerAddress: "", peerKey: "", agentAddress: "", agentKey: "", httpAddress: "" };
  rig.act({ type: "hubJoined", hub, ...none, version, bootId: "b", format });
};

describe("a command of a later release", () => {
  it.each(["flagRenamed", "constructor", "__proto__"])(
    "%s ends the fold, changes nothing and names the release that is needed (L7)",
    (type) => {
      const rig = makeLedgerRig();
      told(rig, "hub-1", "0.9.0");
      told(rig, "hub-2", "1.4.0", 2);
      const [before, { position }] = [rig.stateHash(), rig.ledger];
      const known = command({ type: "flagSet", key: "a", value: 1 });
      const entry = [known, unknown(type), known];
      const apply = (): unknown => applyEntry(rig.ledger, entry);
      expect(apply).toThrow(/install release 1\.4\.0 \(log format 2\) on this hub/);
      expect(apply).toThrow(
        expect.objectContaining({
          code: "release_too_old",
          details: { command: type, needed: "1.4.0", format: 2, afterPosition: position },
        }),
      );
      expect(rig.ledger.position).toBe(position);
      expect(rig.stateHash()).toBe(before);
    },
  );

  it("says so too where no hub has told its release", () => {
    const { ledger } = makeLedgerRig();
    expect(() => applyEntry(ledger, [unknown("flagRenamed")])).toThrow(/release of the other hubs/);
  });
});
