import { afterEach, describe, expect, it } from "vitest";
import { LIFE } from "@gantry/shared/base/policy.ts";
import { type Role, ROLES } from "@gantry/shared/contract/roles.ts";
import { parsePrefix } from "../asking/prefix.ts";
import { answerFromCache, askModel } from "../ask/model-answer.ts";
import type { Decision, Plan } from "../ask/plan.ts";
import type { Outcome } from "../ask/tiers.ts";
import { makeTurn } from "../ask/turn.ts";
import { addNode } from "../ledger/testing/rig.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeAnswerCache } from "./cache.ts";
import type { Models } from "./models.ts";

const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort(new Error("the test is over"));
});

const DIMENSIONS = 1_024;

/** As alike as the words of two texts are: no worse than a real one where the guard is what matters. */
function vectorOf(text: string): number[] {
  const vector = Array.from({ length: DIMENSIONS }, () => 0);
  for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
    let place = 7;
    for (const letter of word) place = (place * 131 + (letter.codePointAt(0) ?? 0)) % DIMENSIONS;
    vector[place] = (vector[place] ?? 0) + (word.length > 3 ? 1 : 0.1);
  }
  return vector;
}

interface Asked {
  readonly text?: string;
  readonly person?: string;
  readonly role?: Role;
  readonly isFresh?: boolean;
  readonly temperature?: number;
  readonly model?: string;
}

interface Answered {
  readonly kind: "fresh" | "exact" | "semantic";
  readonly text: string;
  readonly why: string;
}

interface Scene extends FakeHub {
  readonly cache: ReturnType<typeof makeAnswerCache>;
  readonly embedded: string[];
  /** What the model was asked. */
  readonly generated: string[];
  says: (prompt: string) => string;
  ask(text: string, asked?: Asked): Promise<Answered>;
}

function makeScene(): Scene {
  const fake = makeFakeHub();
  const { hub, rig } = fake;
  const life = new AbortController();
  ends.push(life);
  const embedded: string[] = [];
  const generated: string[] = [];
  const models = {
    offers: () => [],
    async embed(texts: readonly string[]) {
      embedded.push(...texts);
      return { tag: "fake", vectors: texts.map(vectorOf), tokens: 1 };
    },
    async generate(_: unknown, request: { messages: readonly { content: string }[] }) {
      const prompt = request.messages.at(-1)?.content ?? "";
      generated.push(prompt);
      const said = { finishReason: "stop", promptTokens: 1, completionTokens: 1, cachedTokens: 0 };
      return {
        generated: { text: scene.says(prompt), firstTokenMs: 1, totalMs: 2, ...said },
        node: { name: "bench" },
        model: { name: "m" },
        queuedMs: 0,
      };
    },
  } as unknown as Models; // all that a cache asks of them
  const cache = makeAnswerCache(hub, models, life.signal);
  let count = 0;

  /** As hub/ask does it: exact, by likeness, else a model; then one entry with all of it. */
  async function ask(text: string, asked: Asked = {}): Promise<Answered> {
    count += 1;
    const { person = "ann", role = "viewer", isFresh = false, temperature = 0 } = asked;
    const message = `msg_${count}`;
    const body = { conversation: `cnv_${count}`, message, text, role };
    rig.act(
      {
        type: "questionAsked",
        ...body,
        ...(asked.model === undefined ? {} : { model: asked.model }),
      },
      { actor: person },
    );
    const question = rig.rows.hot("question").get(message);
    if (question === undefined) throw new Error("it is on record");
    const plan: Plan = {
      question,
      prefixed: parsePrefix(text),
      startMs: 0,
      isFresh,
      mayAct: true,
      sampling: { temperature },
      onText: () => {},
    };
    const turn = makeTurn(hub, models, plan, undefined);
    const { key } = turn.asked;
    const found =
      key === undefined || isFresh
        ? undefined
        : answerFromCache(hub, key, { hits: 0, misses: 0 }, role);
    const outcome: Outcome =
      found === undefined
        ? await cache.tier.answer(turn, life.signal)
        : { kind: "taken", decision: found };
    const decision: Decision =
      outcome.kind === "taken"
        ? outcome.decision
        : await askModel(hub, models, turn.asked, () => {}, life.signal);
    const {
      text: said,
      tier,
      model,
      reason,
      confidence = 1,
      cached = false,
      metadata = {},
    } = decision;
    const routing = { tier, model, reason, confidence, cached, metadata, latencyMs: 500 };
    const usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, costMicroUsd: 0 };
    const answer = {
      question: message,
      message: `${message}_a`,
      text: said,
      routing,
      usage,
      effects: [],
    };
    const learnt = cache.learn(turn, decision, 500);
    rig.act({ type: "answerLearnt", answer, memories: [], ...learnt }, { actor: person });
    cache.ended(turn, decision);
    const kind = cached ? (metadata["cache"] === "semantic" ? "semantic" : "exact") : "fresh";
    return { kind, text: said, why: outcome.kind === "passed" ? outcome.why : reason };
  }
  const scene: Scene = {
    ...fake,
    cache,
    embedded,
    generated,
    says: (prompt) => `About ${prompt.length}: it depends.`,
    ask,
  };
  // An embedder is there, and kept questions get their vectors.
  addNode(rig);
  const row = rig.rows.hot("node").get("node_1");
  if (row !== undefined) {
    const capabilities = { ...row.capabilities, embedder: { tag: "fake", dimensions: DIMENSIONS } };
    rig.rows.put("node", "node_1", { ...row, state: "alive", capabilities });
  }
  return scene;
}

/** Kept, with its vector. */
async function kept(scene: Scene, text: string, asked: Asked = {}): Promise<void> {
  expect((await scene.ask(text, asked)).kind).toBe("fresh");
  const run = new AbortController();
  ends.push(run);
  void scene.cache.run(run.signal);
  await scene.clock.pass(1_500);
  run.abort();
  expect(scene.cache.status().vectors).toBeGreaterThan(0);
}

const NOZZLE = "How do I clean the nozzle of a printer?";
const SAME = "How can I clean the nozzle of the printer?";

describe("an answer that is given again", () => {
  it("SC1: to a question that asks the same, never to one that only sounds the same", async () => {
    const scene = makeScene();
    await kept(scene, NOZZLE);
    expect(await scene.ask(SAME)).toMatchObject({ kind: "semantic" });
    for (const other of [
      "How do I clean the nozzle of 2 printers?",
      "How do I not clean the nozzle of a printer?",
      "Why do I clean the nozzle of a printer?",
      "How do I clean the printer of a nozzle?",
    ])
      expect(await scene.ask(other)).toMatchObject({ kind: "fresh" });
    const { refused } = scene.cache.status();
    expect(Object.keys(refused).length).toBeGreaterThan(0); // likeness alone would have taken some
  });

  it("[K43] is given no more after its time, by the hub's clock", async () => {
    const scene = makeScene();
    await kept(scene, NOZZLE);
    scene.clock.stall(LIFE.answerCacheMs - 10_000);
    expect(await scene.ask(NOZZLE)).toMatchObject({ kind: "exact" });
    expect(await scene.ask(SAME)).toMatchObject({ kind: "semantic" });
    scene.clock.stall(20_000);
    expect(await scene.ask(SAME)).toMatchObject({ kind: "fresh" });
    const later = makeScene();
    await kept(later, NOZZLE);
    later.clock.stall(LIFE.answerCacheMs + 1);
    expect(await later.ask(NOZZLE)).toMatchObject({ kind: "fresh" });
  });

  it("KA1: to a role as high as the asker's or higher, and to no lower one", async () => {
    const roles = ROLES.slice(ROLES.indexOf("viewer"));
    for (const [made, role] of roles.entries()) {
      for (const [wants, other] of roles.entries()) {
        const scene = makeScene();
        await kept(scene, NOZZLE, { role, person: "ann" });
        const exact = await scene.ask(NOZZLE, { role: other, person: "bob" });
        expect(exact.kind, `${role} -> ${other}`).toBe(wants >= made ? "exact" : "fresh");
        if (wants < made) continue;
        const alike = await scene.ask(SAME, { role: other, person: "bob" });
        expect(alike.kind, `${role} -> ${other}`).toBe("semantic");
      }
    }
  });

  it("KA1: not when a thing it speaks of has changed since", async () => {
    const scene = makeScene();
    await kept(scene, "What is a good spot for node_1 in a small room?");
    const same = "What is the good spot for node_1 in the small room?";
    expect((await scene.ask(same)).kind).toBe("semantic");
    const row = scene.rig.rows.hot("node").get("node_1");
    if (row === undefined) throw new Error("the node is there");
    scene.rig.rows.put("node", "node_1", { ...row, changedAtMs: row.changedAtMs + 1 });
    expect((await scene.ask(same)).kind).toBe("fresh");
  });

  it.each([
    ["of another model", { model: "other" }],
    ["of another temperature", { temperature: 0.7 }],
    ["asked for afresh", { isFresh: true }],
  ])("not to a question %s", async (_, asked) => {
    const scene = makeScene();
    await kept(scene, NOZZLE);
    expect((await scene.ask(SAME, asked)).kind).toBe("fresh");
  });

  it("SC2: nothing is embedded where nothing could be found", async () => {
    const scene = makeScene();
    await scene.ask(NOZZLE);
    await scene.ask("What is the status of the queue?");
    expect(scene.embedded).toEqual([]);
    await kept(scene, "What is a brim?");
    const before = scene.embedded.length;
    await scene.ask("What is the progress of it now?");
    await scene.ask(SAME, { model: "other" });
    expect(scene.embedded.length).toBe(before);
  });

  it.each([
    "What should I write to anna.meier@example.org?",
    "How do I call +49 170 1234567?",
    "Is DE89 3704 0044 0532 0130 00 a valid number?",
    "My wife is 34; what printer would she like?",
    "Is my password hunter2 strong?",
    "Which of 4111 1111 1111 1111 and others is a card?",
    "What does ann like to print?",
  ])("nothing personal is kept: %s", async (question) => {
    const scene = makeScene();
    const token = {
      token: "tok_1",
      person: "ann",
      role: "viewer",
      secretSha256: "a".repeat(64),
    } as const;
    scene.rig.act({ type: "tokenMade", ...token });
    await scene.ask(question);
    expect([...scene.cache.rows()]).toEqual([]);
    expect((await scene.ask(question)).kind).toBe("fresh");
  });

  it("nor an answer with something personal in it", async () => {
    const scene = makeScene();
    scene.says = () => "Write to bob@example.org.";
    await scene.ask("Who repairs belts?");
    expect([...scene.cache.rows()]).toEqual([]);
  });

  it("SC3: ten that ask the same at once cost one answer of the model", async () => {
    const scene = makeScene();
    const all = await Promise.all(Array.from({ length: 10 }, () => scene.ask(NOZZLE)));
    expect(scene.generated).toEqual([NOZZLE]);
    expect(all.map(({ kind }) => kind).toSorted()).toEqual([...Array(9).fill("exact"), "fresh"]);
    expect(new Set(all.map(({ text }) => text)).size).toBe(1);
  });

  it("CA3: an answer that was called wrong goes, and its pair of questions is never taken for alike again", async () => {
    const scene = makeScene();
    await kept(scene, NOZZLE);
    const [row] = scene.cache.rows();
    const pair = scene.cache.pairOf(NOZZLE, SAME);
    scene.rig.act({ type: "cacheDropped", keys: [row?.key ?? ""], why: "person", pair });
    expect((await scene.ask(NOZZLE)).kind).toBe("fresh");
    await scene.clock.pass(100);
    expect(await scene.ask(SAME)).toMatchObject({ kind: "fresh" });
  });

  it("SC4: audits some hits; one that is answered otherwise anew is dropped", async () => {
    const scene = makeScene();
    Object.assign(scene.hub, { random: () => 0 }); // every hit is audited
    scene.says = () => "Heat it and use a brass brush.";
    await kept(scene, NOZZLE);
    expect((await scene.ask(SAME)).kind).toBe("semantic");
    await scene.clock.pass(100);
    expect(scene.rig.rows.get("count", "cacheAudits/agree")).toBe(1);
    scene.says = () => "Never clean it; buy 3 new ones.";
    expect((await scene.ask("How can we clean a nozzle of the printer?")).kind).toBe("semantic");
    await scene.clock.pass(100);
    expect(scene.rig.rows.get("count", "cacheAudits/differ")).toBe(1);
    expect([...scene.cache.rows()]).toEqual([]);
    expect((await scene.ask(SAME)).kind).toBe("fresh");
  });

  it("[K83] is looked for with one read of one row, however many are kept", async () => {
    const scene = makeScene();
    const readsOf = async (): Promise<number> => {
      const { rows } = scene.hub;
      const before = rows.get.bind(rows);
      let reads = 0;
      Object.assign(rows, {
        get(table: "cache", id: string) {
          if (table === "cache") reads += 1;
          return before(table, id);
        },
      });
      const key = [...scene.cache.rows()][0]?.key ?? "";
      reads = 0;
      answerFromCache(scene.hub, key, { hits: 0, misses: 0 }, "admin");
      Object.assign(rows, { get: before });
      return reads;
    };
    await scene.ask(NOZZLE);
    expect(await readsOf()).toBe(1);
    for (let at = 0; at < 500; at += 1) await scene.ask(`What is part ${at} for?`);
    expect(await readsOf()).toBe(1);
  });
});
