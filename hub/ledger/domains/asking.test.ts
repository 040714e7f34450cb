import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { MessageRow } from "@gantry/shared/contract/rows.ts";
import {
  addNode,
  answer,
  ask,
  confirmation,
  type LedgerRig,
  makeLedgerRig,
  print,
  routing,
  START_MS,
  usage,
} from "../testing/rig.ts";
import { messageId } from "./conversation-rows.ts";

const history = (rig: LedgerRig, conversation = "cnv_1"): readonly (MessageRow | undefined)[] =>
  Array.from({ length: rig.rows.get("conversation", conversation)?.messages ?? 0 }, (_, seq) =>
    rig.rows.get("message", messageId(conversation, seq)),
  );

const failed = (question: string) => ({
  type: "answerFailed" as const,
  question,
  message: `failure of ${question}`,
  error: { code: "no_model" as const, message: "No local model is configured" },
});

describe("questions", () => {
  it("[K5] are on record before anything is done about them", () => {
    const rig = makeLedgerRig();
    ask(rig, { text: "  is it\n warm?" });
    expect(history(rig)).toMatchObject([{ seq: 0, role: "user", text: "  is it\n warm?" }]);
    expect(rig.rows.get("conversation", "cnv_1")?.title).toBe("is it warm?");
    expect(rig.rows.hot("question").size).toBe(1);
  });

  it("are closed exactly once, by an answer or by a failure (A1)", () => {
    const rig = makeLedgerRig();
    ask(rig);
    rig.act(answer("msg_1"));
    expect(rig.refuse(answer("msg_1"))).toBe("conflict");
    expect(rig.refuse(failed("msg_1"))).toBe("conflict");
    ask(rig, { question: "msg_2" });
    rig.act(failed("msg_2"));
    expect(rig.refuse(answer("msg_2"))).toBe("conflict");
    expect(history(rig)).toHaveLength(4);
    expect(rig.rows.hot("question").size).toBe(0);
    expect(rig.rows.get("answer", "msg_1")).toBe("cnv_1/1");
  });

  it("are not asked twice under one id, open or closed", () => {
    const rig = makeLedgerRig();
    const again = {
      type: "questionAsked" as const,
      conversation: "cnv_1",
      message: "msg_1",
      text: "again",
      role: "maker" as const,
    };
    ask(rig);
    expect(rig.refuse(again)).toBe("conflict");
    rig.act(answer("msg_1"));
    expect(rig.refuse(again)).toBe("conflict");
    expect(history(rig)).toHaveLength(2);
  });

  it("[K41] stand in the history in the order of the log, numbered without a gap (A2)", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (steps) => {
        const rig = makeLedgerRig();
        const open: string[] = [];
        const said: string[] = [];
        for (const [index, isQuestion] of steps.entries()) {
          const oldest = isQuestion ? undefined : open.shift();
          if (oldest === undefined) {
            open.push(ask(rig, { question: `msg_${index}`, text: `${index}` }));
            said.push(`${index}`);
          } else {
            rig.act(answer(oldest, { text: `to ${oldest}` }));
            said.push(`to ${oldest}`);
          }
        }
        expect(history(rig).map((message) => message?.text)).toEqual(said);
        expect(history(rig).map((message) => message?.seq)).toEqual(said.map((_, seq) => seq));
      }),
      { numRuns: 50 },
    );
  });

  it("belong to one person: for all others the conversation does not exist (A3)", () => {
    const rig = makeLedgerRig();
    ask(rig);
    const other = { type: "questionAsked", conversation: "cnv_1", message: "msg_9" } as const;
    expect(rig.refuse({ ...other, text: "?", role: "admin" }, { actor: "eve" })).toBe("not_found");
    expect(history(rig)).toHaveLength(1);
  });
});

describe("answers", () => {
  it("[K36][K63][K64] add up: sums of money equal a recount of the messages (A4)", () => {
    const day = 86_400_000;
    const spent = fc.record({
      actor: fc.constantFrom("ada", "bob"),
      model: fc.constantFrom("small", "big"),
      cost: fc.nat(1_000_000),
      cached: fc.boolean(),
      afterMs: fc.nat(3 * day),
      fails: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(spent, { maxLength: 30 }), (turns) => {
        const rig = makeLedgerRig();
        const sums = new Map<
          string,
          { costMicroUsd: number; answers: number; cachedAnswers: number }
        >();
        for (const [index, { actor, model, cost, cached, afterMs, fails }] of turns.entries()) {
          rig.at(afterMs);
          const question = ask(rig, {
            question: `msg_${index}`,
            conversation: `cnv_${actor}`,
            actor,
          });
          if (fails) {
            rig.act(failed(question));
            continue;
          }
          rig.act(answer(question, { routing: routing({ model, cached }), usage: usage(cost) }));
          const date = new Date(START_MS + afterMs).toISOString().slice(0, 10);
          const id = `${date}|${actor}|local|${model}`;
          const sum = sums.get(id) ?? { costMicroUsd: 0, answers: 0, cachedAnswers: 0 };
          sums.set(id, {
            costMicroUsd: sum.costMicroUsd + cost,
            answers: sum.answers + 1,
            cachedAnswers: sum.cachedAnswers + (cached ? 1 : 0),
          });
        }
        const spend = rig.rows.hot("spend");
        expect([...spend.keys()].toSorted()).toEqual([...sums.keys()].toSorted());
        for (const [id, sum] of sums) expect(spend.get(id)).toMatchObject(sum);
        const decisions = rig.audit().filter(({ action }) => action === "question.answered");
        expect(decisions).toHaveLength(turns.filter(({ fails }) => !fails).length);
      }),
      { numRuns: 50 },
    );
  });

  it("set a print in motion in the same entry, with its confirmation", () => {
    const rig = makeLedgerRig();
    addNode(rig);
    ask(rig);
    const { type: _, ...draft } = print({ conversation: "cnv_1", confirmation: confirmation() });
    rig.act(answer("msg_1", { effects: [{ type: "print", ...draft }] }));
    expect(rig.rows.get("print", "prt_1")).toMatchObject({ state: "awaiting", by: "ada" });
    expect(rig.rows.get("conversation", "cnv_1")?.pending).toBe("cfm_1");
    expect(history(rig)[1]?.confirmation).toBe("cfm_1");
  });

  it("are refused whole when what they set in motion is refused", () => {
    const rig = makeLedgerRig();
    ask(rig);
    const { type: _, ...draft } = print();
    expect(rig.refuse(answer("msg_1", { effects: [{ type: "print", ...draft }] }))).toBe(
      "not_found",
    );
    expect(rig.rows.hot("question").size).toBe(1);
    const wish = { type: "printWish", job: "prt_1", wish: "pause" } as const;
    const clear = { type: "bedCleared", device: "sim" } as const;
    expect(rig.refuse(answer("msg_1", { effects: [clear, wish] }))).toBe("bad_request");
    rig.act(answer("msg_1"));
  });
});

const keep = (rig: LedgerRig, index: number, key: string): void => {
  ask(rig, { question: `msg_${index}` });
  rig.act(answer(`msg_${index}`, { cache: { key, prompt: "p", expiresAtMs: START_MS + 1 } }));
};

describe("the answer cache", () => {
  it("is a ring: the newest answers stay, up to the bound", () => {
    const rig = makeLedgerRig();
    const over = 3;
    for (let index = 0; index < LIMIT.cacheRows.max + over; index += 1)
      keep(rig, index, `k${index}`);
    const kept = (index: number): boolean => rig.rows.get("cache", `k${index}`) !== undefined;
    expect([kept(0), kept(over - 1), kept(over), kept(LIMIT.cacheRows.max)]).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it("forgets one answer, or starts a new generation of keys", () => {
    const rig = makeLedgerRig();
    keep(rig, 1, "a");
    rig.act({ type: "cacheCleared", key: "a" });
    expect(rig.rows.get("cache", "a")).toBeUndefined();
    rig.act({ type: "cacheCleared" });
    expect(rig.rows.get("count", "cacheGeneration")).toBe(1);
  });
});
