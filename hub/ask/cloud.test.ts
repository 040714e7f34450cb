import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { dayOf, useOf } from "../ledger/domains/budgets.ts";
import { START_MS } from "../ledger/testing/rig.ts";
import { makeManualClock } from "../registry/testing/fake-hub.ts";
import { type CloudRig, makeCloudRig, PRICES, provider } from "./testing/cloud-rig.ts";
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
async function faultOf(work: Promise<unknown>): Promise<GantryError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof GantryError) return error;
  throw new Error(`no GantryError: ${String(error)}`);
}
const used = ({ rig }: CloudRig) => useOf(rig.rows, "appliance", dayOf(START_MS));
const chargedMicroUsd = (...from: SimulatedProvider[]): number =>
  from
    .flatMap(({ charges }) => charges)
    .reduce(
      (sum, { promptTokens, completionTokens }) =>
        sum +
        promptTokens * PRICES.inputUsdPerMillion +
        completionTokens * PRICES.outputUsdPerMillion,
      0,
    );

describe("a cloud provider", () => {
  it.each(["openai", "anthropic"] as const)(
    "[K14] answers by the way of %s, streamed, and the ledger has what it charged",
    async (api) => {
      const sim = await simulate();
      const rig = makeCloudRig([provider("cloud", api, sim)]);
      let streamed = "";
      const onText = (text: string): void => void (streamed += text);
      const message = await rig.ask.ask(rig.question("why is the sky blue?", { onText }), NEVER);
      expect(message.text).toBe("(simulated) you said: why is the sky blue?");
      expect(streamed).toBe(message.text);
      expect(message.routing).toMatchObject({ tier: "frontier", model: "cloud-model" });
      expect(message.usage?.costMicroUsd).toBe(chargedMicroUsd(sim));
      expect(used(rig)).toMatchObject({
        spentMicroUsd: chargedMicroUsd(sim),
        reservedMicroUsd: 0,
        uncertainMicroUsd: 0,
        calls: 1,
      });
      const spent = [...rig.rig.rows.hot("spend").values()];
      expect(spent).toMatchObject([{ tier: "frontier", costMicroUsd: chargedMicroUsd(sim) }]);
    },
  );

  it("[K10] is the last tier, and the answer says why each one before it was passed over", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "openai", sim)]);
    const { routing } = await rig.ask.ask(rig.question("why?"), NEVER);
    expect(routing?.route?.map(({ tier, outcome }) => `${tier} ${outcome}`)).toEqual([
      "rule skipped",
      "exactCache skipped",
      "loaded skipped",
      "otherAgent skipped",
      "mustLoad skipped",
      "cloud taken",
    ]);
    expect(routing?.route?.every(({ reason }) => reason.length > 5)).toBe(true);
    const again = await rig.ask.ask(rig.question("why?", { conversation: "cnv_2" }), NEVER);
    expect(again.routing).toMatchObject({ cached: true });
    expect(sim.charges).toHaveLength(1);
    expect(again.usage?.costMicroUsd).toBe(0);
  });

  it("never hears what must not leave: by class, by default, and after a restart", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "openai", sim)]);
    const told = await faultOf(
      rig.ask.ask(rig.question("@cloud: hello", { dataClass: "local-only" }), NEVER),
    );
    expect(told.code).toBe("forbidden");
    await faultOf(rig.ask.ask(rig.question("hello", { dataClass: "local-only" }), NEVER));
    const careful = makeCloudRig([provider("cloud", "openai", sim)], {
      defaultClass: "local-only",
    });
    await faultOf(careful.ask.ask(careful.question("hello"), NEVER));
    expect(sim.bodies).toEqual([]);
    await careful.ask.ask(careful.question("@cloud: hello"), NEVER); // by name is a word of its own
    expect(sim.bodies).toHaveLength(1);
    await careful.ask.ask(careful.question("hello", { model: "cloud-model" }), NEVER);
    expect(sim.bodies.splice(1)).toHaveLength(1);
    const kept = careful.question("hello", { model: "cloud-model", dataClass: "local-only" });
    await faultOf(careful.ask.ask({ ...kept, isFresh: true }, NEVER));
    expect(sim.bodies).toHaveLength(1);

    for (const text of ["hello again", "@cloud: hello again"]) {
      rig.rig.act({
        type: "questionAsked",
        conversation: "cnv_9",
        message: `msg_${text}`,
        text,
        role: "maker",
        ...(text.startsWith("@") ? { provider: "cloud" } : {}),
      });
    }
    await rig.nextReign().ask.resume(NEVER);
    expect(sim.bodies).toHaveLength(1);
    const failed = rig.rig.events.filter(({ type }) => type === "question.failed").slice(-2);
    const codes = failed.map(({ data }) => (data as { error: { code: string } }).error.code);
    expect(codes).toEqual(["no_model", "interrupted"]); // to be asked again by whoever asked
  });

  it("hears of a conversation only what it was told itself", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "openai", sim)]);
    await rig.ask.ask(rig.question("status"), NEVER); // answered by a rule, of the house
    await rig.ask.ask(rig.question("tell me of iron"), NEVER);
    await rig.ask.ask(rig.question("and of copper?"), NEVER);
    const { messages } = JSON.parse(sim.bodies.at(-1) ?? "") as { messages: unknown };
    expect(messages).toEqual([
      { role: "user", content: "tell me of iron" },
      { role: "assistant", content: "(simulated) you said: tell me of iron" },
      { role: "user", content: "and of copper?" },
    ]);
  });

  it("gets placeholders for personal data and secrets, which are themselves again in the answer", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "anthropic", sim)]);
    rig.rig.act({
      type: "tokenMade",
      token: "t",
      person: "grace",
      role: "maker",
      secretSha256: "s",
    });
    const text = "tell Grace at grace@example.org that the password is hunter22";
    let streamed = "";
    const message = await rig.ask.ask(
      rig.question(text, { onText: (piece) => void (streamed += piece) }),
      NEVER,
    );
    expect(message.text).toBe(`(simulated) you said: ${text}`);
    expect(streamed).toBe(message.text);
    expect(sim.bodies.join("")).not.toMatch(/grace|hunter22/i);
    expect(message.routing?.metadata).toMatchObject({ redactions: 3 });
  });

  it("[S8] is followed by the next one when it fails, and the reason is on record", async () => {
    const [ill, well] = [await simulate(), await simulate()];
    const cheap = provider("ill", "openai", ill);
    const rig = makeCloudRig([cheap, provider("well", "anthropic", well)]);
    ill.troubles.push({ kind: "status", status: 500 }, { kind: "status", status: 500 });
    const { routing, text } = await rig.ask.ask(rig.question("why?"), NEVER);
    expect(text).toContain("(simulated)");
    expect(routing?.model).toBe("well-model");
    expect(routing?.route).toContainEqual(
      expect.objectContaining({ outcome: "failed", target: "ill/ill-model" }),
    );
    expect(used(rig)).toMatchObject({ spentMicroUsd: chargedMicroUsd(well), reservedMicroUsd: 0 });
  });

  it("is left alone after five failures, and the next one is asked at once", async () => {
    const [ill, well] = [await simulate(), await simulate()];
    const rig = makeCloudRig([provider("ill", "openai", ill), provider("well", "openai", well)]);
    for (let n = 0; n < 20; n += 1) ill.troubles.push({ kind: "status", status: 503 });
    for (let n = 0; n < 4; n += 1) {
      await rig.ask.ask(rig.question(`why ${n}?`, { conversation: `cnv_${n}` }), NEVER);
    }
    expect(ill.bodies).toHaveLength(5);
    expect(well.charges).toHaveLength(4);
  });

  it("that says Retry-After is asked again if that is soon, else its word is passed on", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "openai", sim)]);
    sim.troubles.push({ kind: "status", status: 429, retryAfter: "1" });
    await rig.ask.ask(rig.question("soon?"), NEVER);
    expect(sim.bodies).toHaveLength(2);
    sim.troubles.push({ kind: "status", status: 429, retryAfter: "120" });
    const fault = await faultOf(rig.ask.ask(rig.question("late?"), NEVER));
    expect(fault.code).toBe("rate_limited");
    expect(fault.details).toMatchObject({ retryAfterS: 120 });
    expect(used(rig)).toMatchObject({ spentMicroUsd: chargedMicroUsd(sim), reservedMicroUsd: 0 });
  });

  it("that is cut off in mid-stream is a fault to retry, and its worst case counts", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "openai", sim)]);
    sim.troubles.push({ kind: "cut", afterPieces: 3 });
    let streamed = "";
    const fault = await faultOf(
      rig.ask.ask(rig.question("why?", { onText: (text) => void (streamed += text) }), NEVER),
    );
    expect(fault).toMatchObject({ code: "interrupted" });
    expect(fault.kind.retry).toBe(true);
    expect(streamed).toBe("(simulated) "); // nothing is said twice, by anybody
    const { spentMicroUsd, uncertainMicroUsd, reservedMicroUsd } = used(rig);
    expect(spentMicroUsd).toBeGreaterThanOrEqual(chargedMicroUsd(sim));
    expect(uncertainMicroUsd).toBe(spentMicroUsd);
    expect(reservedMicroUsd).toBe(0);
  });

  it("that hangs ends with its caller, and its worst case counts", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "openai", sim)]);
    sim.troubles.push({ kind: "hang" });
    const given = new AbortController();
    sim.onRequest = () => given.abort();
    const fault = await faultOf(rig.ask.ask(rig.question("why?"), given.signal));
    expect(fault.code).toBe("cancelled");
    expect(used(rig).uncertainMicroUsd).toBeGreaterThan(0);
    expect(used(rig).reservedMicroUsd).toBe(0);
  });

  it("that sends garbage, or is not there, is a fault; what never left costs nothing", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "openai", sim)]);
    sim.troubles.push({ kind: "garbage" });
    expect((await faultOf(rig.ask.ask(rig.question("a?"), NEVER))).code).toBe("model_failed");
    const before = used(rig).spentMicroUsd;
    await sim.close();
    open.splice(0);
    expect((await faultOf(rig.ask.ask(rig.question("b?"), NEVER))).code).toBe("unreachable");
    expect(used(rig)).toMatchObject({ spentMicroUsd: before, reservedMicroUsd: 0 });
  });

  it("whose key was rotated is asked with the new one at once; no key is in any log, error or row", async () => {
    const sim = await simulate();
    const folder = await mkdtemp(join(tmpdir(), "gantry-key-"));
    const keyFile = join(folder, "key");
    await writeFile(keyFile, "canary-first-key-0123456789\n");
    sim.keys = new Set(["canary-first-key-0123456789"]);
    const rig = makeCloudRig([provider("cloud", "openai", sim, { keyFile })]);
    await rig.ask.ask(rig.question("one"), NEVER);
    sim.keys = new Set(["canary-second-key-0123456789"]);
    const fault = await faultOf(rig.ask.ask(rig.question("two"), NEVER));
    expect(fault).toMatchObject({ code: "provider_off" });
    await writeFile(keyFile, "canary-second-key-0123456789\n");
    await rig.ask.ask(rig.question("three"), NEVER);
    expect(used(rig)).toMatchObject({ spentMicroUsd: chargedMicroUsd(sim), reservedMicroUsd: 0 });
    rig.rig.checkpoint();
    const everything = JSON.stringify([
      rig.rig.entries,
      rig.rig.events,
      rig.rig.audit(),
      rig.logged,
      fault.message,
      fault.details,
      String(fault.stack),
    ]);
    await rm(folder, { recursive: true });
    expect(everything).not.toContain("canary");
    expect(everything).toContain("provider_off");
  });

  it("is not asked when the budget has no room: a hard stop, with the time of the next day", async () => {
    const sim = await simulate();
    const none = makeCloudRig([provider("cloud", "openai", sim)], { budget: 0 });
    expect((await faultOf(none.ask.ask(none.question("@cloud: hi"), NEVER))).code).toBe(
      "budget_spent",
    );
    const rig = makeCloudRig([provider("cloud", "openai", sim)], { budget: 4_000 });
    await rig.ask.ask(rig.question("@cloud: one"), NEVER);
    rig.rig.act({ type: "budgetSet", budget: "person:ada", perDayMicroUsd: 100 });
    expect((await faultOf(rig.ask.ask(rig.question("@cloud: two"), NEVER))).code).toBe(
      "budget_spent",
    );
    expect(sim.bodies).toHaveLength(1);
  });

  it("gets pictures if it can see; where nobody can, that is said", async () => {
    const sim = await simulate();
    const picture = { mediaType: "image/png", base64: "iVBORw0KGgo=" } as const;
    for (const api of ["openai", "anthropic"] as const) {
      const rig = makeCloudRig([provider("cloud", api, sim)]);
      const asked = rig.question("what is this?", { pictures: [picture] });
      expect((await rig.ask.ask(asked, NEVER)).text).toContain("(1 pictures)");
    }
    const [blind] = provider("cloud", "openai", sim).models;
    const rig = makeCloudRig([
      provider("cloud", "openai", sim, {
        models: blind === undefined ? [] : [{ ...blind, seesImages: false }],
      }),
    ]);
    const fault = await faultOf(
      rig.ask.ask(rig.question("and this?", { pictures: [picture] }), NEVER),
    );
    expect(fault).toMatchObject({ code: "capability_missing" });
  });
});

describe("money over crashes", () => {
  it("a reservation of a reign that is over counts at its worst case, once", async () => {
    const sim = await simulate();
    const rig = makeCloudRig([provider("cloud", "openai", sim)]);
    sim.troubles.push({ kind: "hang" });
    const arrived = new Promise<void>((resolve) => {
      sim.onRequest = resolve;
    });
    const lost = rig.ask.ask(rig.question("why?"), NEVER);
    lost.catch(() => {}); // this hub is dead now
    await arrived;
    const reserved = used(rig).reservedMicroUsd;
    expect(reserved).toBeGreaterThan(0);
    const next = rig.nextReign();
    expect(await next.money.settleLeft(NEVER)).toBe(1);
    expect(await next.money.settleLeft(NEVER)).toBe(0);
    expect(used(next)).toMatchObject({
      spentMicroUsd: reserved,
      uncertainMicroUsd: reserved,
      reservedMicroUsd: 0,
    });
    expect(chargedMicroUsd(sim)).toBeLessThanOrEqual(reserved);
  });

  it("whatever crashes and fails when: never over the budget, and call by call what the provider charged", async () => {
    const budget = 9_000;
    const step = fc.constantFrom<"ok" | "error" | "cut" | "garbage" | "crash" | "stopped">(
      "ok",
      "ok",
      "error",
      "cut",
      "garbage",
      "crash",
      "stopped",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const sim = await openSimulatedProvider();
        let rig = makeCloudRig([provider("cloud", "openai", sim)], { budget });
        for (const [number, each] of steps.entries()) {
          const asked = rig.question(`why ${number}?`, { conversation: `cnv_${number}` });
          if (each === "error") {
            // twice: it is tried again once
            for (const status of [500, 502]) sim.troubles.push({ kind: "status", status });
          }
          if (each === "cut") sim.troubles.push({ kind: "cut", afterPieces: number % 5 });
          if (each === "garbage") sim.troubles.push({ kind: "garbage" });
          if (each === "stopped" || each === "crash") sim.troubles.push({ kind: "hang" });
          const stop = new AbortController();
          const arrived = new Promise<void>((resolve) => {
            sim.onRequest = resolve;
          });
          const answered = Promise.allSettled([rig.ask.ask(asked, stop.signal)]); // what it says is another test's
          if (each === "stopped" || each === "crash") await Promise.race([arrived, answered]);
          if (each === "stopped") stop.abort();
          if (each === "crash") {
            rig = rig.nextReign(); // nobody listens to the old one any more
            await rig.money.settleLeft(NEVER);
          } else await answered;
          sim.troubles.length = 0; // a call that the budget refused met none
          const { spentMicroUsd, reservedMicroUsd } = used(rig);
          expect(spentMicroUsd + reservedMicroUsd).toBeLessThanOrEqual(budget);
        }
        const settled = rig.rig
          .audit()
          .filter(({ action }) => action === "spend.settled")
          .map(({ object, detail }) => ({
            id: object,
            ...(detail as typeof detail & SettledDetail),
          }));
        expect(used(rig).reservedMicroUsd).toBe(0);
        expect(used(rig).spentMicroUsd).toBe(
          settled.reduce((sum, one) => sum + one.costMicroUsd, 0),
        );
        expect(new Set(settled.map(({ id }) => id)).size).toBe(settled.length);
        const wrong = settled.filter(({ id, how, costMicroUsd }) => {
          const charge = sim.charges.find(({ callId }) => callId === id);
          const came = charge === undefined ? 0 : chargedMicroUsd({ ...sim, charges: [charge] });
          return how === "worst" ? came > costMicroUsd : came !== costMicroUsd;
        });
        expect(wrong).toEqual([]);
        const unknown = sim.charges.filter(
          ({ callId }) => !settled.some(({ id }) => id === callId),
        );
        expect(unknown).toEqual([]);
        await sim.close();
      }),
      { numRuns: 25 },
    );
  });
});

interface SettledDetail {
  readonly how: string;
  readonly costMicroUsd: number;
}

it("[S53] an answer that is not begun within 30 s is given up, and the next provider gives it", async () => {
  const [silent, well] = [await simulate(), await simulate()];
  const clock = makeManualClock();
  const rig = makeCloudRig(
    [provider("silent", "openai", silent), provider("well", "openai", well)],
    {
      clock,
    },
  );
  silent.troubles.push({ kind: "hang" });
  const arrived = new Promise<void>((resolve) => {
    silent.onRequest = resolve;
  });
  const answered = rig.ask.ask(rig.question("why?"), NEVER);
  await arrived;
  await clock.pass(29_900);
  expect(well.bodies).toEqual([]);
  await clock.pass(200);
  const { routing } = await answered;
  expect(routing?.model).toBe("well-model");
  expect(routing?.route).toContainEqual(
    expect.objectContaining({
      outcome: "failed",
      target: "silent/silent-model",
      reason: expect.stringMatching(/^timeout: .*30000 ms/),
    }),
  );
});

it("[K55] what a schedule asks spends the budget of scheduled work, and stops cleanly when that is spent", async () => {
  const sim = await simulate();
  const rig = makeCloudRig([provider("cloud", "openai", sim)]);
  const { rows, events } = rig.rig;
  const budget = (perDayMicroUsd: number): unknown =>
    rig.rig.act({ type: "budgetSet", budget: "workload:scheduled", perDayMicroUsd });
  const scheduled = async (id: string): Promise<void> => {
    const text = `@cloud: report ${id}`;
    const asked = { conversation: "cnv_s", message: id, text, role: "maker" } as const;
    rig.rig.act({ type: "questionAsked", ...asked, provider: "cloud" });
    await rig.ask.answer(id, NEVER);
  };
  budget(100_000);
  await scheduled("msg_1");
  const { spentMicroUsd } = useOf(rows, "workload:scheduled", dayOf(START_MS));
  expect(spentMicroUsd).toBe(chargedMicroUsd(sim));
  budget(spentMicroUsd + 100); // what is left is no question's worst case
  await scheduled("msg_2");
  expect(sim.charges).toHaveLength(1);
  expect(rows.hot("question").size).toBe(0);
  const failed = events.filter(({ type }) => type === "question.failed");
  expect(failed).toMatchObject([{ data: { error: { code: "budget_spent" } } }]);
  await rig.ask.ask(rig.question("@cloud: a person asks"), NEVER); // has room of its own
  expect(sim.charges).toHaveLength(2);
});
