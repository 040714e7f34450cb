import { afterEach, describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { NodeRow } from "@gantry/shared/contract/rows.ts";
import type { ModelAnswer, Models, Offer } from "../hands/models.ts";
import { makeCloudRig, provider } from "./testing/cloud-rig.ts";
import { openSimulatedProvider, type SimulatedProvider } from "./testing/simulated-provider.ts";

const NEVER = new AbortController().signal;
const open: SimulatedProvider[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});
async function simulate(): Promise<SimulatedProvider> {
  const one = await openSimulatedProvider();
  open.push(one);
  return one;
}

const offer = (name: string, live: Offer["live"] = {}): Offer => ({
  node: { id: `node_of_${name}`, name: `machine of ${name}` } as NodeRow, // all that is read of it
  model: { name, contextTokens: 4_096, slots: 2, sizeBytes: 1 },
  live,
});

interface Say {
  readonly text?: string;
  readonly confidence?: number;
  readonly fails?: ConstructorParameters<typeof GantryError>[0];
  /** Resolves when it may answer. */
  readonly until?: Promise<void>;
}

/** Machines of the house, each with one model and what it does. */
function house(
  says: Readonly<Record<string, Say>>,
  offers: readonly Offer[],
): {
  models: Partial<Models>;
  asked: { model: string | undefined; prompt: string; messages: number }[];
} {
  const asked: { model: string | undefined; prompt: string; messages: number }[] = [];
  return {
    asked,
    models: {
      offers: () => offers,
      async generate(wanted, request, onText): Promise<ModelAnswer> {
        const prompt = request.messages.at(-1)?.content ?? "";
        asked.push({ model: wanted, prompt, messages: request.messages.length });
        const {
          text = `of ${wanted}: ${prompt}`,
          confidence = 0.5,
          fails,
          until,
        } = says[wanted ?? ""] ?? {};
        await until;
        if (fails !== undefined) throw new GantryError(fails, `${wanted} is ${fails}`);
        onText(text);
        const [found] = offers.filter(({ model }) => model.name === wanted);
        if (found === undefined) throw new GantryError("not_found", "No such model");
        return {
          node: found.node,
          model: found.model,
          queuedMs: 0,
          generated: {
            text,
            finishReason: "stop",
            promptTokens: 1,
            completionTokens: 1,
            cachedTokens: 0,
            firstTokenMs: 1,
            totalMs: 2,
            confidence,
          },
        };
      },
    },
  };
}

describe("models as tiers", () => {
  it("[K10] a loaded model goes before one that must be loaded; the next one answers for one that fails", async () => {
    const { models, asked } = house({ small: { fails: "busy" } }, [
      offer("cold", { isLoaded: false }),
      offer("small", { tokensPerS: 90 }),
      offer("other", { tokensPerS: 1 }),
    ]);
    const rig = makeCloudRig([], { models });
    const { routing, text } = await rig.ask.ask(rig.question("why?"), NEVER);
    expect(asked.map(({ model }) => model)).toEqual(["small", "other"]);
    expect(text).toBe("of other: why?");
    expect(routing?.route).toMatchObject([
      { tier: "rule" },
      { tier: "exactCache" },
      { tier: "loaded", outcome: "failed", reason: "busy: small is busy" },
      { tier: "otherAgent", outcome: "taken" },
    ]);
  });

  it("one that is asked for by name is not replaced by another of this house", async () => {
    const { models, asked } = house({ small: { fails: "busy" } }, [offer("small"), offer("other")]);
    const rig = makeCloudRig([], { models });
    await expect(rig.ask.ask(rig.question("#small: why?"), NEVER)).rejects.toMatchObject({
      code: "busy",
    });
    expect(asked).toHaveLength(1);
  });

  it("[S8] where no machine of the house can, a provider answers, if the question may leave", async () => {
    const sim = await simulate();
    const { models } = house({ small: { fails: "model_failed" } }, [offer("small")]);
    const rig = makeCloudRig([provider("cloud", "openai", sim)], { models });
    const { routing } = await rig.ask.ask(rig.question("why?"), NEVER);
    expect(routing).toMatchObject({ tier: "frontier" });
    expect(routing?.route).toContainEqual(
      expect.objectContaining({ tier: "loaded", outcome: "failed" }),
    );
    const kept = rig.question("why?", { dataClass: "local-only", isFresh: true });
    await expect(rig.ask.ask(kept, NEVER)).rejects.toMatchObject({ code: "model_failed" });
    expect(sim.bodies).toHaveLength(1);
  });

  it("an answer that is not as sure as is wanted is left unsaid while somebody may be surer (MT3)", async () => {
    const says = { small: { confidence: 0.3 }, other: { confidence: 0.9 } };
    const offers = [offer("small", { tokensPerS: 90 }), offer("other", { tokensPerS: 1 })];
    const { models } = house(says, offers);
    const rig = makeCloudRig([], { models });
    let said = "";
    const onText = (text: string): void => void (said += text);
    const asked = rig.question("why?", { confidence: 0.8, onText });
    const { text, routing } = await rig.ask.ask(asked, NEVER);
    expect({ text, said }).toEqual({ text: "of other: why?", said: "of other: why?" });
    expect(routing?.route).toContainEqual({
      tier: "loaded",
      outcome: "skipped",
      reason: "it is 0.3 sure, and 0.8 is wanted",
    });
    const best = await rig.ask.ask(
      rig.question("and now?", { confidence: 0.95, conversation: "cnv_2" }),
      NEVER,
    );
    expect(best.text).toBe("of other: and now?"); // nobody is surer: the surest counts
    expect(best.routing?.reason).toContain("nobody was surer");
  });

  it("[S7] questions of one conversation are answered in order and know of each other; others do not wait", async () => {
    const { promise: until, resolve: go } = Promise.withResolvers<void>();
    const { models, asked } = house({ small: { until } }, [offer("small"), offer("quick")]);
    const rig = makeCloudRig([], { models });
    const first = rig.ask.ask(rig.question("one", { model: "small" }), NEVER);
    const second = rig.ask.ask(rig.question("two", { model: "quick" }), NEVER);
    const elsewhere = rig.question("three", { model: "quick", conversation: "cnv_2" });
    expect((await rig.ask.ask(elsewhere, NEVER)).text).toBe("of quick: three");
    expect(asked.map(({ prompt }) => prompt)).toEqual(["one", "three"]);
    go();
    expect((await first).text).toBe("of small: one");
    expect((await second).text).toBe("of quick: two");
    expect(asked.at(-1)).toEqual({ model: "quick", prompt: "two", messages: 3 });
  });

  it("what is to be translated is a text: no rule acts on it, and nothing of the conversation goes with it", async () => {
    const { models, asked } = house({}, [offer("small")]);
    const rig = makeCloudRig([], { models });
    await rig.ask.ask(rig.question("hello"), NEVER);
    const { text } = await rig.ask.ask(rig.question("translate to German: stop"), NEVER);
    expect(text).toBe("of small: stop");
    expect(asked.at(-1)).toMatchObject({ prompt: "stop", messages: 2 });
  });
});
