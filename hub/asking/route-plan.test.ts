import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type LocalFact,
  planRoute,
  type ProviderFact,
  type RouteFacts,
  type RouteQuestion,
} from "./route-plan.ts";

const question = (facts: Partial<RouteQuestion> = {}): RouteQuestion => ({
  dataClass: "may-leave",
  promptTokens: 100,
  maxTokens: 100,
  images: 0,
  ...facts,
});
const local = (facts: Partial<LocalFact> = {}): LocalFact => ({
  node: "n1",
  nodeName: "one",
  model: "small",
  contextTokens: 2_048,
  slots: 1,
  isReady: true,
  isLoaded: true,
  waiting: 0,
  prefixHit: 0,
  seesImages: false,
  ...facts,
});
const cloud = (facts: Partial<ProviderFact> = {}): ProviderFact => ({
  provider: "openai",
  model: "big",
  contextTokens: 100_000,
  answerTokensMax: 4_096,
  seesImages: true,
  worstMicroUsd: 500,
  isUp: true,
  hasKey: true,
  ...facts,
});
const facts = (part: Partial<RouteFacts> = {}): RouteFacts => ({
  locals: [],
  providers: [],
  leftMicroUsd: 1_000,
  ...part,
});
const names = (asked: RouteQuestion, of: RouteFacts): readonly string[] =>
  planRoute(asked, of).places.map((place) =>
    place.tier === "cloud"
      ? `cloud ${place.provider}/${place.model}`
      : `${place.tier} ${place.nodeName}/${place.model}`,
  );
const whys = (asked: RouteQuestion, of: RouteFacts): readonly string[] =>
  planRoute(asked, of).ruledOut.map(({ target, reason }) => `${target}: ${reason}`);

const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

describe("the plan of a route", () => {
  it("[K10] goes from what is loaded over what must be loaded to the cloud (RP1)", () => {
    const all = facts({
      locals: [
        local({ node: "n3", nodeName: "three", isLoaded: false }),
        local({ node: "n2", nodeName: "two", waiting: 3 }),
        local(),
      ],
      providers: [cloud({ worstMicroUsd: 900, model: "dear" }), cloud()],
    });
    expect(names(question(), all)).toEqual([
      "loaded one/small",
      "otherAgent two/small",
      "mustLoad three/small",
      "cloud openai/big",
      "cloud openai/dear",
    ]);
    for (const { reason } of planRoute(question(), all).places) expect(reason).not.toBe("");
  });

  const table: readonly [string, Partial<RouteQuestion>, Partial<RouteFacts>, string[]][] = [
    ["nothing there", {}, {}, []],
    [
      "a model by name",
      { model: "small" },
      { locals: [local(), local({ model: "other" })], providers: [cloud()] },
      ["loaded one/small"],
    ],
    [
      "a provider by name",
      { provider: "openai" },
      { locals: [local()], providers: [cloud(), cloud({ provider: "anthropic" })] },
      ["cloud openai/big"],
    ],
    [
      "local by name",
      { provider: "local" },
      { locals: [local()], providers: [cloud()] },
      ["loaded one/small"],
    ],
    ["a picture", { images: 1 }, { locals: [local()], providers: [cloud()] }, ["cloud openai/big"]],
    [
      "a picture, and a machine that sees",
      { images: 1 },
      { locals: [local({ seesImages: true })] },
      ["loaded one/small"],
    ],
    ["a picture that nobody can see", { images: 1 }, { locals: [local()] }, []],
    ["no budget", {}, { providers: [cloud()], leftMicroUsd: undefined }, []],
    ["too little left", {}, { providers: [cloud()], leftMicroUsd: 499 }, []],
    ["just enough left", {}, { providers: [cloud()], leftMicroUsd: 500 }, ["cloud openai/big"]],
    ["a breaker that is open", {}, { providers: [cloud({ isUp: false })] }, []],
    ["no key", {}, { providers: [cloud({ hasKey: false })] }, []],
    ["a long prompt", { promptTokens: 100_000 }, { locals: [local()] }, []],
    ["a long answer", { maxTokens: 5_000 }, { providers: [cloud()] }, []],
    [
      "a machine that is away",
      {},
      { locals: [local({ isReady: false }), local({ nodeName: "two", waiting: 5 })] },
      ["loaded two/small", "otherAgent one/small"],
    ],
    [
      "the quicker one, though more wait there",
      {},
      {
        locals: [
          local({ tokensPerS: 10 }),
          local({ nodeName: "two", tokensPerS: 100, waiting: 2 }),
        ],
      },
      ["loaded two/small", "otherAgent one/small"],
    ],
    [
      "the one that has read the conversation",
      {},
      {
        locals: [
          local({ tokensPerS: 10, prefillTokensPerS: 10 }),
          local({ nodeName: "two", tokensPerS: 10, prefillTokensPerS: 10, prefixHit: 0.9 }),
        ],
      },
      ["loaded two/small", "otherAgent one/small"],
    ],
    [
      "a deadline that the loaded one misses",
      { deadlineMs: 5_000 },
      { locals: [local({ tokensPerS: 1 }), local({ nodeName: "two", isLoaded: false })] },
      ["mustLoad two/small", "otherAgent one/small"],
    ],
  ];
  it.each(table)("%s", (_, asked, of, wanted) => {
    expect(names(question(asked), facts(of))).toEqual(wanted);
  });

  it("says why it rules out what it rules out", () => {
    const all = facts({ locals: [local()], providers: [cloud(), cloud({ isUp: false })] });
    expect(whys(question({ dataClass: "local-only", model: "x" }), all)).toEqual([
      "one/small: x was asked for",
      "openai/big: the question must not leave the house",
      "openai/big: the question must not leave the house",
    ]);
  });

  it("holds RP2, RP3 and RP4 whatever the facts are, and tells of every candidate once", () => {
    const anyLocal = fc.record({
      nodeName: some("one", "two", "three"),
      model: some("small", "other"),
      isReady: fc.boolean(),
      isLoaded: fc.boolean(),
      waiting: fc.nat(20),
      seesImages: fc.boolean(),
      prefixHit: fc.double({ min: 0, max: 1, noNaN: true }),
      tokensPerS: fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
    });
    const anyCloud = fc.record({
      provider: some("openai", "anthropic"),
      worstMicroUsd: fc.nat(2_000),
      isUp: fc.boolean(),
      hasKey: fc.boolean(),
      seesImages: fc.boolean(),
    });
    const anyQuestion = fc.record({
      provider: some(undefined, "local", "openai"),
      model: some(undefined, "small", "big"),
      dataClass: some("local-only" as const, "may-leave" as const),
      images: fc.nat(1),
      deadlineMs: fc.option(fc.integer({ min: 1, max: 10_000 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        anyQuestion,
        fc.array(anyLocal, { maxLength: 6 }),
        fc.array(anyCloud, { maxLength: 4 }),
        fc.option(fc.nat(2_000), { nil: undefined }),
        (asked, locals, providers, leftMicroUsd) => {
          const of = {
            locals: locals.map((one) => local(one)),
            providers: providers.map((one) => cloud(one)),
            leftMicroUsd,
          };
          const { places, ruledOut } = planRoute(question(asked), of);
          expect(places.length + ruledOut.length).toBe(locals.length + providers.length);
          const bought = places.filter((place) => place.tier === "cloud");
          const isHome = asked.dataClass === "local-only";
          expect(isHome ? bought : []).toEqual([]);
          expect(bought.filter((place) => place.worstMicroUsd > (leftMicroUsd ?? -1))).toEqual([]);
          const firstCloud = places.findIndex(({ tier }) => tier === "cloud");
          const after = firstCloud < 0 ? [] : places.slice(firstCloud);
          expect(after.filter(({ tier }) => tier !== "cloud")).toEqual([]);
        },
      ),
    );
  });
});
