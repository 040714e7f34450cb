import { describe, expect, it } from "vitest";
import type { MemoryDraft } from "@gantry/shared/contract/memory.ts";
import type { Routing, Usage } from "@gantry/shared/contract/rows.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { type LedgerRig, makeLedgerRig, START_MS } from "../testing/rig.ts";

const USAGE: Usage = { promptTokens: 1, completionTokens: 1, cachedTokens: 0, costMicroUsd: 0 };
const ROUTING: Routing = {
  tier: "local",
  model: "m",
  confidence: 1,
  cached: false,
  latencyMs: 900,
  reason: "asked",
  metadata: {},
};

function asked(rig: LedgerRig, text: string, person = "ann", conversation = "cnv_1"): string {
  const message = `msg_${rig.entries.length}`;
  const envelope = { actor: person };
  rig.act({ type: "questionAsked", conversation, message, text, role: "viewer" }, envelope);
  return message;
}

const draft = (over: Partial<MemoryDraft> = {}): MemoryDraft => ({
  memory: "mem_1",
  kind: "fact",
  text: "my printer is a Voron",
  source: { type: "said", message: "cnv_1/0", quote: "my printer is a Voron" },
  state: "kept",
  ...over,
});

const learn = (rig: LedgerRig, question: string, memories: readonly MemoryDraft[]): unknown =>
  rig.act(
    {
      type: "answerLearnt",
      answer: {
        question,
        message: `${question}_a`,
        text: "ok",
        routing: ROUTING,
        usage: USAGE,
        effects: [],
      },
      memories,
    },
    { actor: "ann" },
  );

describe("memories", () => {
  it("[K16] are stored at the very position of the answer, its decision and its cost", () => {
    const rig = makeLedgerRig();
    const question = asked(rig, "Hello, my printer is a Voron.");
    const before = rig.entries.length;
    learn(rig, question, [draft()]);
    expect(rig.entries.length).toBe(before + 1); // one command, so one position and one sync
    expect(rig.rows.get("memory", "mem_1")).toMatchObject({ person: "ann", state: "kept" });
    expect(rig.rows.get("message", "cnv_1/1")).toMatchObject({
      role: "assistant",
      routing: ROUTING,
    });
    expect([...rig.rows.hot("spend").values()]).toMatchObject([{ answers: 1 }]);
    const actions = rig.audit().map(({ action }) => action);
    expect(actions).toEqual(expect.arrayContaining(["question.answered", "memory.kept"]));
  });

  it("ME1: only what the person said, letter by letter, in a message of their own", () => {
    const rig = makeLedgerRig();
    learn(rig, asked(rig, "my printer is a Voron"), []);
    const said = (message: string, quote: string): MemoryDraft =>
      draft({ source: { type: "said", message, quote } });
    const keep = (of: MemoryDraft, actor = "ann"): string =>
      rig.refuse({ type: "memoryKept", draft: of }, { actor });
    expect(keep(said("cnv_1/0", "my printer is a Prusa"))).toBe("bad_request");
    expect(keep(said("cnv_1/1", "ok"))).toBe("bad_request"); // an answer
    expect(keep(said("cnv_1/9", "my"))).toBe("bad_request");
    expect(keep(said("cnv_1/0", "my printer"), "bob")).toBe("bad_request");
    rig.act({ type: "memoryKept", draft: draft() }, { actor: "ann" });
  });

  it("ME5: a draft that does not hold is left out of an answer that is given", () => {
    const rig = makeLedgerRig();
    const question = asked(rig, "hello");
    expect(learn(rig, question, [draft()])).toMatchObject({ remembered: 0 });
    expect(rig.rows.hot("memory").size).toBe(0);
  });

  it("ME2, ME3: supersedes, and forgets with all that it replaced; the audit never says what", () => {
    const rig = makeLedgerRig();
    const told = { type: "told" } as const;
    const keep = (memory: string, text: string, replaces?: string): unknown => {
      const of = draft({
        memory,
        text,
        source: told,
        ...(replaces === undefined ? {} : { replaces }),
      });
      return rig.act({ type: "memoryKept", draft: of }, { actor: "ann" });
    };
    keep("mem_1", "my colour is red");
    keep("mem_2", "my colour is blue", "mem_1");
    expect(rig.rows.get("memory", "mem_1")).toMatchObject({
      state: "superseded",
      replacedBy: "mem_2",
    });
    rig.act({ type: "memoryForgotten", person: "ann", memories: ["mem_2"] }, { actor: "ann" });
    expect(rig.rows.hot("memory").size).toBe(0);
    rig.restart();
    expect(rig.rows.get("memory", "mem_1")).toBeUndefined();
    expect(JSON.stringify(rig.audit())).not.toMatch(/colour|blue|red\b/);
    expect(rig.audit().at(-1)).toMatchObject({ action: "memory.forgotten", detail: { count: 2 } });
  });

  it("ME4: waits for the person's own word where it is proposed", () => {
    const rig = makeLedgerRig();
    const of = draft({ source: { type: "told" }, state: "proposed" });
    rig.act({ type: "memoryKept", draft: of }, { actor: "ann" });
    const review = { type: "memoryReviewed", memory: "mem_1", verdict: "keep" } as const;
    expect(rig.refuse(review, { actor: "bob" })).toBe("not_found");
    rig.act(review, { actor: "ann" });
    expect(rig.rows.get("memory", "mem_1")?.state).toBe("kept");
    expect(rig.refuse(review, { actor: "ann" })).toBe("conflict");
  });

  it("says the same twice and keeps it once; its time ends by the ledger's clock", () => {
    const rig = makeLedgerRig();
    const source = { type: "told" } as const;
    const expiresAtMs = START_MS + 1_000;
    rig.act({ type: "memoryKept", draft: draft({ source, expiresAtMs }) }, { actor: "ann" });
    const again = draft({
      memory: "mem_2",
      source,
      confirms: "mem_1",
      expiresAtMs: expiresAtMs + 1_000,
    });
    rig.act({ type: "memoryKept", draft: again }, { actor: "ann" });
    expect([...rig.rows.hot("memory").values()]).toMatchObject([{ id: "mem_1", said: 2 }]);
    rig.at(1_500);
    expect(rig.refuse({ type: "memoriesExpired" })).toBe("conflict");
    rig.at(2_500);
    rig.act({ type: "memoriesExpired" });
    expect(rig.rows.hot("memory").size).toBe(0);
  });
});

const keep = (rig: LedgerRig, key: string, latencyMs = 0): void => {
  const question = asked(rig, key);
  rig.act(
    {
      type: "answerLearnt",
      answer: {
        question,
        message: `${question}_a`,
        text: key,
        usage: USAGE,
        effects: [],
        routing: { ...ROUTING, latencyMs },
      },
      memories: [],
      cache: {
        key,
        prompt: key,
        scope: "s",
        person: "ann",
        role: "viewer",
        depends: [],
        tags: [],
        expiresAtMs: START_MS + 1e9,
      },
    },
    { actor: "ann" },
  );
};

describe("kept answers", () => {
  it("CA1: what was given again outlives what was not", () => {
    const rig = makeLedgerRig();
    keep(rig, "k0");
    keep(rig, "k1");
    const question = asked(rig, "again");
    rig.act({
      type: "answerLearnt",
      answer: { question, message: "m", text: "k0", routing: ROUTING, usage: USAGE, effects: [] },
      memories: [],
      hit: { key: "k0", isExact: true, savedMs: 900 },
    });
    expect(rig.rows.get("cache", "k0")).toMatchObject({ hits: 1 });
    rig.rows.cool("count", "cache", LIMIT.cacheRows.max); // the ring is full: the hand is at k0
    keep(rig, "k2");
    expect(rig.rows.get("cache", "k0")).toBeDefined();
    expect(rig.rows.get("cache", "k1")).toBeUndefined();
  });

  it("[A53] sums the time that hits saved, and CA2: says whose answer was used by whom", () => {
    const rig = makeLedgerRig();
    keep(rig, "k0");
    const question = asked(rig, "again", "bob", "cnv_2");
    rig.act(
      {
        type: "answerLearnt",
        answer: { question, message: "m", text: "k0", routing: ROUTING, usage: USAGE, effects: [] },
        memories: [],
        hit: { key: "k0", isExact: false, savedMs: 480.4 },
      },
      { actor: "bob" },
    );
    expect(rig.rows.get("count", "cacheSavedMs")).toBe(480);
    expect(rig.rows.get("count", "cacheHits/semantic")).toBe(1);
    const used = rig.audit().find(({ action }) => action === "cache.used");
    expect(used).toMatchObject({ object: "k0", detail: { of: "ann", by: "bob" } });
  });

  it("CA3: drops what was wrong and bars the pair", () => {
    const rig = makeLedgerRig();
    keep(rig, "k0");
    rig.act({ type: "cacheDropped", keys: ["k0"], why: "person", pair: "p" });
    expect(rig.rows.get("cache", "k0")).toBeUndefined();
    expect(rig.rows.get("cacheBar", "p")).toMatchObject({ why: "person" });
    expect(rig.refuse({ type: "cacheDropped", keys: ["k0"], why: "person" })).toBe("not_found");
  });
});

const facts = (path: string, sha256: string) =>
  ({ path, sha256, sizeBytes: 1, text: `t${sha256}`, title: path, format: "markdown" }) as const;

const refresh = (over: object) =>
  ({
    type: "knowledgeRefreshed",
    knowledge: "kno_1",
    fromVersion: 0,
    read: [],
    gone: [],
    faults: [],
    ...over,
  }) as never;

describe("knowledge", () => {
  it("KN1 to KN3: takes a refresh whole, keeps what could not be read, refuses the second of two", () => {
    const rig = makeLedgerRig();
    rig.act({ type: "knowledgeAdded", knowledge: "kno_1", name: "manuals", folder: "/srv/m" });
    rig.act(refresh({ read: [facts("a.md", "1"), facts("b.md", "2")] }));
    expect(rig.refuse(refresh({ read: [facts("a.md", "3")] }))).toBe("conflict"); // KN3
    const fault = { path: "b.md", error: { code: "io_error", message: "no" } };
    rig.act(refresh({ fromVersion: 1, read: [facts("a.md", "3")], faults: [fault] }));
    expect(rig.rows.get("document", "kno_1/a.md")).toMatchObject({ sha256: "3", version: 2 });
    expect(rig.rows.get("document", "kno_1/b.md")).toMatchObject({ sha256: "2", version: 1 }); // KN2
    expect(rig.rows.get("knowledge", "kno_1")).toMatchObject({ version: 2, faults: [fault] });
    rig.act({ type: "knowledgeRemoved", knowledge: "kno_1" });
    expect(rig.rows.hot("document").size).toBe(0);
  });
});
