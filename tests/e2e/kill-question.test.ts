// The kill matrix of a question: `kill -9` of each process at each step, then everything is started
// again. What was acknowledged is there, in its order, answered or honestly failed exactly once.
//
//   ask -> on record (recorded) -> first words (streaming) -> one entry with the answer (answered)

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Appliance, MODELS, type Part, until } from "../support/appliance.ts";
import { expectBalanced, expectOrderly } from "./books.ts";
import {
  ask,
  askStreaming,
  auditTrail,
  history,
  PATIENCE_MS,
  startFast,
  untilIdle,
  untilModel,
  watchEvents,
  type Watcher,
} from "./steps.ts";
import { askForAgain, expectOffered, expectUsedOnce, giveWord, isOf, untilClosed } from "./talk.ts";

const MODEL = join(MODELS, "stories260K.gguf");
/** What a question may honestly end with when the hands that it was in are gone. */
const CUT_OFF = ["unreachable", "model_failed", "interrupted", "no_model"];
const VICTIMS = ["hub", "agent", "bridge", "model child"] as const;
type Victim = (typeof VICTIMS)[number];

interface Scene {
  readonly a: Appliance;
  readonly conversation: string;
  readonly events: Watcher;
  readonly firstText: Promise<unknown>;
}

/** Resolves at the moment in which the victim is to die. */
const STEPS: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  "on record, before the answer": ({ events, conversation }) =>
    events.until("the question", isOf("question.asked", conversation)),
  "while the model streams": ({ firstText }) => firstText,
  "after the answer is recorded": ({ events, conversation }) =>
    events.until("the answer", isOf("question.answered", conversation)),
};
const MATRIX = VICTIMS.flatMap((victim) => Object.keys(STEPS).map((step) => ({ victim, step })));

describe.skipIf(!existsSync(MODEL))(
  "kill -9 on the path of a question",
  { timeout: 3 * PATIENCE_MS },
  () => {
    let a: Appliance;
    let round = 0;
    beforeAll(async () => {
      a = await startFast({ env: { GANTRY_LLM_MODELS: MODEL } });
      await untilModel(a, "stories260K");
    }, 2 * PATIENCE_MS);
    afterAll(() => a[Symbol.asyncDispose]());

    it.for(MATRIX)(
      "[K5 K16 K63 K76 M32] $victim, $step: on record, answered or failed once, in order",
      async ({ victim, step }) => {
        round += 1;
        const conversation = `talk-${round}`;
        const prompt = `Once upon a time, in the year ${round}`;
        const key = { "idempotency-key": `question-${round}` };
        await untilModel(a, "stories260K");
        using events = await watchEvents(a);
        const body = { prompt, conversationId: conversation };
        const { firstText, ended } = askStreaming(a, body, key);
        await STEPS[step]?.({ a, conversation, events, firstText });
        await kill(a, victim);
        await ended;

        const [question, answer] = await untilClosed(a, conversation);
        expect(question?.text).toBe(prompt);
        const mayFail = victim === "agent" || victim === "model child";
        const outcome = answer?.error?.code ?? answer?.routing?.tier;
        expect(["local", ...(mayFail ? CUT_OFF : [])]).toContain(outcome);
        const onDisk = JSON.stringify(await history(a, conversation));
        expect(await askStreaming(a, body, key).ended, "the same request again").toMatchObject(
          answer?.error === undefined ? { messageId: answer?.id } : { code: answer.error.code },
        );
        expect(JSON.stringify(await history(a, conversation)), "nothing was added").toBe(onDisk);

        await untilModel(a, "stories260K");
        const next = await until(
          "the model to answer again",
          async () => {
            const reply = await ask(a, `And then ${round}?`, { conversationId: conversation });
            return reply.status === 200 && reply;
          },
          PATIENCE_MS,
        );
        expect(next.body.routing.tier).toBe("local");
        await expectOrderly(a, conversation);
      },
    );

    it("[K39 K61 K66] a word given in a talk, cut off by a killed hub, starts one print", async () => {
      await untilIdle(a);
      const offer = await askForAgain(a);
      await a.kill("hub", "SIGKILL"); // T1: asked, not yet said
      await a.start("hub");
      const summary = await expectOffered(a, offer);

      await giveWord(a, offer, () => a.kill("hub", "SIGKILL")); // T5: said, the reply is lost
      await a.start("hub");
      await expectUsedOnce(a, offer, summary);

      const trail = await auditTrail(a);
      expect(trail.filter(({ action }) => action === "confirmation.asked")).toHaveLength(2);
      expect(trail.filter(({ action }) => action === "confirmation.consumed")).toHaveLength(2);
    });

    it("[K16 K63 K64] after the whole matrix decisions, answers, tokens and money agree", async () => {
      await expectBalanced(a);
    });
  },
);

/** Kills and starts again what does not come back by itself. */
async function kill(a: Appliance, victim: Victim): Promise<void> {
  if (victim === "model child") {
    for (const pid of modelChildren(a)) process.kill(pid, "SIGKILL");
    return;
  }
  const part: Part = victim;
  await a.kill(part, "SIGKILL");
  await a.start(part);
}

/** Child processes of the agent that hold a model. */
function modelChildren(a: Appliance): number[] {
  const agent = a.pid("agent");
  const isModel = (pid: string): boolean => {
    try {
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      return (
        Number(parent) === agent && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("llama")
      );
    } catch {
      return false; // it ended while we looked
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isModel(name))
    .map(Number);
}

/** The last question of the talk has its answer or its failure. */
