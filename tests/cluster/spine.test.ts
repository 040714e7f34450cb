// The spine on three hubs: a real agent, bridge and simulated printer, and `kill -9` of the LEADER at
// each step of a print and of a question. The person speaks to a hub that follows, and goes on with it.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { expectBalanced, expectOrderly } from "../e2e/books.ts";
import {
  askStreaming,
  auditTrail,
  clearBed,
  confirm,
  history,
  markedPart,
  PATIENCE_MS,
  printer,
  startsOf,
  submit,
  type Submitted,
  untilEnded,
  untilExecuted,
  untilIdle,
  watchEvents,
  type Watcher,
} from "../e2e/steps.ts";
import {
  askForAgain,
  expectOffered,
  expectUsedOnce,
  giveWord,
  isOf,
  untilClosed,
} from "../e2e/talk.ts";
import { type Appliance, MODELS, until } from "../support/appliance.ts";
import { type ClusterHub, startCluster, type TestCluster } from "../support/cluster.ts";
import { startWorkshop, type Workshop } from "../support/workshop.ts";

const MODEL = join(MODELS, "stories260K.gguf");
const hasModel = existsSync(MODEL);

interface Spine extends AsyncDisposable {
  readonly cluster: TestCluster;
  /** All hubs run, one leads; what a person at `door`, a hub that follows, sees. */
  stage(): Promise<{ a: Appliance; leader: ClusterHub; door: ClusterHub }>;
}

async function startSpine(): Promise<Spine> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startCluster(3));
  const env = hasModel ? { GANTRY_LLM_MODELS: MODEL } : {};
  const workshop: Workshop = stack.use(await startWorkshop(cluster, env));
  const held = stack.move();
  return {
    cluster,
    async stage() {
      for (const hub of cluster.hubs) if (!hub.isRunning) await hub.start();
      const leader = await cluster.leader();
      const [door] = await cluster.followers();
      if (door === undefined) throw new Error("nobody follows");
      return { a: seenAt(door, cluster, workshop), leader, door };
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

const none = (): never => {
  throw new Error("a cluster has no such part");
};

/** What the steps of the other tests need of an appliance. */
function seenAt(door: ClusterHub, cluster: TestCluster, workshop: Workshop): Appliance {
  return {
    url: door.url,
    dataDir: workshop.dataDir,
    token: cluster.token,
    mqttPort: 0,
    agentEndpoint: door.agentAddress,
    joinCodes: [],
    pid: none,
    output: () => cluster.hubs.map((hub) => hub.output().slice(-5_000)).join("\n"),
    start: none,
    kill: none,
    ended: none,
    api: (method, path, body, headers) => door.api(method, path, body, headers),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

describe("kill -9 of the leader", { timeout: 4 * PATIENCE_MS }, () => {
  let spine: Spine;
  let round = 0;
  beforeAll(async () => {
    spine = await startSpine();
  }, 2 * PATIENCE_MS);
  afterAll(() => spine[Symbol.asyncDispose]());
  beforeEach(async () => {
    round += 1;
    const { a } = await spine.stage();
    await until("an idle printer", async () => (await printer(a)).phase === "idle", PATIENCE_MS);
    await clearBed(a);
  }, 2 * PATIENCE_MS);

  // ── a print ──

  interface Scene {
    readonly a: Appliance;
    readonly marker: string;
    readonly asked: Submitted;
    readonly events: Watcher;
    readonly give: () => ReturnType<Appliance["api"]>;
  }
  const STEPS: Readonly<
    Record<string, (scene: Scene, kill: () => Promise<void>) => Promise<void>>
  > = {
    "after submit, before the word": async (_, kill) => kill(),
    "while the confirm request is on its way": async ({ give }, kill) => {
      const sent = give();
      await kill();
      expect((await sent).status, "served by the next leader").toBe(200);
    },
    "after the confirm reply": async ({ give }, kill) => {
      expect((await give()).status).toBe(200);
      await kill();
    },
    "after the lease": async ({ give, events, asked }, kill) => {
      await give();
      await events.until("a lease", ({ type, subject, data }) => {
        const isOurs = type === "print.changed" && subject === asked.job;
        return isOurs && (data as { lease?: unknown }).lease !== undefined;
      });
      await kill();
    },
    "while it heats": async ({ a, give, marker }, kill) => {
      await give();
      await untilExecuted(a, marker, "M140 S40");
      await kill();
    },
    "while it prints": async ({ a, give, marker }, kill) => {
      await give();
      await untilExecuted(a, marker, "G1 Z0.40 F600");
      await kill();
    },
    "after its last line, before the end is recorded": async ({ a, give, marker }, kill) => {
      await give();
      await untilExecuted(a, marker, "M84");
      await kill();
    },
  };

  it.for(Object.keys(STEPS))(
    "[K66 K76] a print, %s: begun once, asked for once, and done",
    async (step) => {
      const { a, leader } = await spine.stage();
      const marker = `leader-${round}`;
      const key = { "idempotency-key": `confirm-${round}` };
      const asked = await submit(a, marker, markedPart(marker, { layers: 12 }));
      using events = await watchEvents(a);
      const give = (): ReturnType<Appliance["api"]> => confirm(a, asked.confirmation, key);
      await STEPS[step]?.({ a, marker, asked, events, give }, () => leader.kill("SIGKILL"));

      const view = (await a.api("GET", `/api/confirmation/${asked.job}`)).body;
      const { id, phrase } = asked.confirmation;
      expect(view).toMatchObject({ id, phrase });
      expect((await give()).status, "the same request again").toBe(200);
      const anew = await confirm(a, asked.confirmation);
      expect(anew).toMatchObject({ status: 409, body: { code: "confirmation_used" } });
      expect(await untilEnded(a, asked.job)).toMatchObject({ state: "done", startedCount: 1 });
      expect(startsOf(a, marker)).toBe(1);
    },
  );

  // ── a question ──

  it.skipIf(!hasModel).for(["question.asked", "first words", "question.answered"])(
    "[K16 K63 K76] a question, at %s: on record, answered once, in order",
    async (step) => {
      const { a, leader } = await spine.stage();
      const conversation = `talk-${round}`;
      const prompt = `Once upon a time, in the year ${round}`;
      const key = { "idempotency-key": `question-${round}` };
      const body = { prompt, conversationId: conversation };
      using events = await watchEvents(a);
      const { firstText, ended } = askStreaming(a, body, key);
      await (step === "first words" ? firstText : events.until(step, isOf(step, conversation)));
      await leader.kill("SIGKILL");
      await ended;

      const [question, answer] = await untilClosed(a, conversation);
      expect(question?.text).toBe(prompt);
      expect(answer?.error?.code ?? answer?.routing?.tier).toBe("local");
      const onDisk = JSON.stringify(await history(a, conversation));
      const again = await askStreaming(a, body, key).ended;
      expect(again, "the same request again").toMatchObject({ messageId: answer?.id });
      expect(JSON.stringify(await history(a, conversation)), "nothing was added").toBe(onDisk);
      await expectOrderly(a, conversation);
    },
  );

  // ── the word ──

  it("[K39 K61 K66] the word given in a talk starts one print, with a new leader at T1 and at T5", async () => {
    const first = await spine.stage();
    const offer = await askForAgain(first.a);
    await first.leader.kill("SIGKILL"); // T1: asked, not yet said
    const summary = await expectOffered(first.a, offer);

    const { a, leader } = await spine.stage();
    // T5: said, the reply may be lost; the hub at the door lives and says so
    expect(await giveWord(a, offer, () => leader.kill("SIGKILL"))).toBeDefined();
    await expectUsedOnce(a, offer, summary);
    await untilIdle(a);
  });

  it("[K16 K63 K64] after all of it every word was asked for once and used once, and the books balance", async () => {
    const { a } = await spine.stage();
    const trail = await auditTrail(a);
    const objects = (action: string): string[] =>
      trail.filter((row) => row.action === action).map(({ object }) => object);
    const used = objects("confirmation.consumed");
    expect(new Set(used).size).toBe(used.length);
    expect(objects("confirmation.asked").toSorted()).toEqual(used.toSorted());
    await expectBalanced(a);
  });
});
