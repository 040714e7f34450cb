// Test equipment: the path of a question over a ledger in memory, simulated providers, and no machine
// with a model but those that a test brings.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { makeTargets } from "@gantry/shared/flow/targets.ts";
import { makeProviders, type ProviderFile } from "../../adapters/provider-file.ts";
import type { Models } from "../../hands/models.ts";
import type { Hub } from "../../hub.ts";
import { type FakeHub, makeFakeHub } from "../../registry/testing/fake-hub.ts";
import { type Ask, type AskParts, makeAsk } from "../ask.ts";
import { makeCloud } from "../cloud.ts";
import { type CloudMoney, makeCloudMoney } from "../cloud-money.ts";
import type { Asking } from "../plan.ts";
import type { SimulatedProvider } from "./simulated-provider.ts";

export const PRICES = { inputUsdPerMillion: 2, outputUsdPerMillion: 10 };

export interface CloudRig extends FakeHub {
  readonly ask: Ask;
  readonly money: CloudMoney;
  /** Lines of the log. */
  readonly logged: string[];
  /** Another hub leads; gives the rig with its hands, over the same rows. */
  nextReign(): CloudRig;
  question(text: string, terms?: Partial<Asking>): Asking;
}

export interface CloudRigOptions {
  readonly defaultClass?: "local-only" | "may-leave";
  readonly models?: Partial<Models>;
  readonly tiers?: AskParts["tiers"];
  readonly clock?: Clock;
  readonly fake?: FakeHub;
  readonly term?: number;
  /** Millionths of a dollar a day; 0: none is set. */
  readonly budget?: number;
}

export const provider = (
  name: string,
  api: "openai" | "anthropic",
  { port }: SimulatedProvider,
  facts: Partial<ProviderFile["providers"][number]> = {},
): ProviderFile["providers"][number] => ({
  name,
  api,
  baseUrl: `http://127.0.0.1:${port}/v1`,
  addresses: [],
  models: [
    {
      name: `${name}-model`,
      contextTokens: 100_000,
      answerTokensMax: 4_096,
      seesImages: true,
      ...PRICES,
    },
  ],
  ...facts,
});

export function makeCloudRig(
  providers: readonly ProviderFile["providers"][number][],
  options: CloudRigOptions = {},
): CloudRig {
  const {
    defaultClass = "may-leave",
    fake = makeFakeHub(),
    term = 1,
    budget = 1_000_000,
  } = options;
  const logged: string[] = [];
  const line = (fields: object, message: string): void =>
    void logged.push(JSON.stringify({ ...fields, message }));
  const hub: Hub = {
    ...fake.hub,
    clock: { ...(options.clock ?? systemClock), now: () => fake.clock.now() }, // real time-outs, the ledger's dates
    log: { error: line, warn: line, info: line, debug: line },
  };
  if (budget > 0 && options.fake === undefined)
    fake.rig.act({ type: "budgetSet", budget: "appliance", perDayMicroUsd: budget });
  const keys = { openai: "key-of-the-simulation", anthropic: "key-of-the-simulation" };
  const made = makeProviders({ defaultClass, providers: [...providers] }, keys, hub.clock);
  const money = makeCloudMoney(hub, () => term);
  const targets = makeTargets(hub.clock);
  const cloud = makeCloud({ hub, ...made, money, targets });
  const models = {
    offers: () => [],
    queues: () => [],
    generate: () => Promise.reject(new GantryError("no_model", "No machine here")),
    ...options.models,
  } as Partial<Models> as Models; // what the path of a question uses of it
  const ask = makeAsk({
    hub,
    models,
    cloud,
    ...(options.tiers === undefined ? {} : { tiers: options.tiers }),
    library: { find: () => Promise.reject(new Error("no file here")) },
    stop: () => Promise.reject(new Error("nothing to stop here")),
  });
  return {
    ...fake,
    ask,
    money,
    logged,
    nextReign: () => makeCloudRig(providers, { ...options, fake, term: term + 1 }),
    question: (text, terms = {}) => ({
      actor: { person: "ada", role: "maker", token: "tok_1" },
      by: { actor: "ada", requestId: "req_1" },
      conversation: "cnv_1",
      text,
      isFresh: false,
      mayAct: true,
      sampling: { maxTokens: 200 },
      onText: () => {},
      ...terms,
    }),
  };
}
