import { describe, expect, it } from "vitest";
import type { LoopTool } from "../agents/tool.ts";
import { makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeCloudRig } from "./testing/cloud-rig.ts";
import type { AnswerTier, Outcome } from "./tiers.ts";
import { makeResearchTier } from "./research-tier.ts";

const NEVER = new AbortController().signal;

const tool = (facts: Partial<LoopTool> = {}): LoopTool => ({
  name: "web.research_deep",
  title: "Research",
  description: "",
  inputSchema: { type: "object", properties: { query: { type: "string" } } },
  hazardClass: "low",
  effect: "once",
  role: "operator",
  isDestructive: false,
  isIdempotent: true,
  isOpenWorld: true,
  server: "web",
  ...facts,
});

/** A path of questions with one foreign tool, and what that tool was given. */
function makeRig(offered: readonly LoopTool[]) {
  const calls: { name: string; given: unknown }[] = [];
  const foreign = {
    offered: () => offered,
    call(name: string, given: Readonly<Record<string, unknown>>) {
      calls.push({ name, given });
      return Promise.resolve(`found: ${JSON.stringify(given)}`);
    },
  };
  const fake = makeFakeHub();
  const tier = makeResearchTier(fake.hub, foreign, () => "may-leave");
  const outcomes: Outcome[] = [];
  const research: AnswerTier = {
    ...tier,
    async answer(turn, signal) {
      const outcome = await tier.answer(turn, signal);
      outcomes.push(outcome);
      return outcome;
    },
  };
  return { ...makeCloudRig([], { fake, tiers: { research } }), calls, outcomes };
}
const OPERATOR = { person: "ada", role: "operator", token: "tok_1" } as const;

describe("research over MCP", () => {
  it("[K13] the tool is given the question, and the answer has tier=mcp", async () => {
    const rig = makeRig([tool({ name: "web.fetch" }), tool()]);
    const asked = rig.question("what is new about PLA?", { actor: OPERATOR, isFresh: true });
    const { text, routing } = await rig.ask.ask(asked, NEVER);
    expect(rig.calls).toEqual([
      { name: "web.research_deep", given: { query: "what is new about PLA?" } },
    ]);
    expect(text).toBe('found: {"query":"what is new about PLA?"}');
    expect(routing).toMatchObject({ tier: "mcp", model: "web.research_deep", cached: false });
    expect(routing?.route?.at(-1)).toMatchObject({ tier: "research", outcome: "taken" });
  });

  it("takes personal data out on the way, and a conversation where the tool takes one", async () => {
    const messages = tool({ inputSchema: { properties: { messages: { type: "array" } } } });
    const rig = makeRig([messages]);
    const asked = rig.question("@mcp: who is ada@example.org?", { actor: OPERATOR });
    const { text } = await rig.ask.ask(asked, NEVER);
    expect(rig.calls[0]?.given).toEqual({
      messages: [{ role: "user", content: "who is [EMAIL_1]?" }],
    });
    expect(text).toContain("ada@example.org");
  });

  it.each([
    ["what must not leave", {}, { dataClass: "local-only" as const }, "must not leave"],
    ["a maker", {}, { actor: { ...OPERATOR, role: "viewer" as const } }, "for the role"],
    ["tools that are off", {}, { mayAct: false }, "tools are off"],
    ["a tool with a hazard", { hazardClass: "high" as const }, {}, "needs a person's word"],
    ["a tool of another name", { name: "web.researcher_jobs" }, {}, "no research tool"],
  ])("is passed over for %s", async (_, facts, terms, why) => {
    const rig = makeRig([tool(facts)]);
    const asked = rig.question("what is new?", { actor: OPERATOR, isFresh: true, ...terms });
    await expect(rig.ask.ask(asked, NEVER)).rejects.toMatchObject({ code: "no_model" });
    expect(rig.calls).toEqual([]);
    expect(rig.outcomes).toEqual([{ kind: "passed", why: expect.stringContaining(why) }]);
  });
});
