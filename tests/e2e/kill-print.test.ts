// The kill matrix of a print: `kill -9` of each process at each step, then everything is started
// again. The simulator's own log says how often the part was begun.
//
//   submit -> (asked) -> phrase -> (confirming) -> lease -> (leased) -> first line -> (heating)
//          -> layers -> (printing) -> last line -> (ending) -> recorded

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Appliance, type Part, until } from "../support/appliance.ts";
import { expectBalanced } from "./books.ts";
import {
  auditTrail,
  clearBed,
  confirm,
  markedPart,
  PATIENCE_MS,
  printer,
  startFast,
  startsOf,
  submit,
  type Submitted,
  untilEnded,
  untilExecuted,
  untilIdle,
  watchEvents,
  type Watcher,
} from "./steps.ts";

interface Scene {
  readonly a: Appliance;
  readonly marker: string;
  readonly asked: Submitted;
  readonly events: Watcher;
  /** Of the confirm request; a retry carries it again. */
  readonly key: string;
}

/** Brings the print to the step; gives up nothing that it has begun. */
type Step = (scene: Scene, kill: () => Promise<void>) => Promise<void>;

const give = ({ a, asked, key }: Scene): ReturnType<Appliance["api"]> =>
  confirm(a, asked.confirmation, { "idempotency-key": key });

const LAYERS = 12;

const BEFORE_ALL = "after submit, before the phrase";
const STEPS: Readonly<Record<string, Step>> = {
  [BEFORE_ALL]: async (_scene, kill) => kill(),
  "while the confirm request is on its way": async (scene, kill) => {
    const sent = give(scene).catch(() => undefined); // the reply may be lost
    await kill();
    await sent;
  },
  "after the confirm reply": async (scene, kill) => {
    expect((await give(scene)).status).toBe(200);
    await kill();
  },
  "after the lease": async (scene, kill) => {
    await give(scene);
    await scene.events.until("a lease", ({ type, subject, data }) => {
      const isOurs = type === "print.changed" && subject === scene.asked.job;
      return isOurs && (data as { lease?: unknown }).lease !== undefined;
    });
    await kill();
  },
  "while it heats": async (scene, kill) => {
    await give(scene);
    await untilExecuted(scene.a, scene.marker, "M140 S40");
    await kill();
  },
  "while it prints": async (scene, kill) => {
    await give(scene);
    await untilExecuted(scene.a, scene.marker, "G1 Z0.40 F600");
    await kill();
  },
  "after its last line, before the end is recorded": async (scene, kill) => {
    await give(scene);
    await untilExecuted(scene.a, scene.marker, "M84");
    await kill();
  },
};

const VICTIMS = ["hub", "agent", "bridge"] as const satisfies readonly Part[];
const MATRIX = VICTIMS.flatMap((victim) => Object.keys(STEPS).map((step) => ({ victim, step })));

describe("kill -9 on the path of a print", { timeout: 3 * PATIENCE_MS }, () => {
  let a: Appliance;
  let round = 0;
  beforeAll(async () => {
    a = await startFast();
  }, PATIENCE_MS);
  afterAll(() => a[Symbol.asyncDispose]());

  beforeEach(async () => {
    round += 1;
    await readyAgain(a);
  }, 2 * PATIENCE_MS);
  afterEach(async () => {
    for (const part of ["hub", "bridge", "agent"] as const)
      if (a.pid(part) === -1) await a.start(part);
  }, PATIENCE_MS);

  it.for(MATRIX)(
    "[K39 K42 K61 K66 K76 M32] $victim, $step: begun once or never, and nobody is asked twice",
    async ({ victim, step }) => {
      const marker = `kill-${round}`;
      const asked = await submit(a, marker, markedPart(marker, { layers: LAYERS }));
      using events = await watchEvents(a);
      const scene: Scene = { a, marker, asked, events, key: `confirm-${round}` };
      await STEPS[step]?.(scene, async () => {
        await a.kill(victim, "SIGKILL");
      });
      await a.start(victim);
      await expectSameConfirmation(scene);
      expect((await give(scene)).status, "the same request again").toBe(200);
      await agreesToNothingMore(scene);

      if (victim === "bridge") await untilIdle(a);
      const end = await untilEnded(a, asked.job);
      const starts = startsOf(a, marker);
      // A bridge that dies between the two has "started" on its disk, and not a byte on the wire.
      const mayHaveStarted = end.state === "done" ? [starts] : [starts, 1];
      expect(mayHaveStarted).toContain(end.startedCount);
      // A killed bridge leaves a part that nobody can vouch for: that is told, not tried again.
      const mayBeCutShort = victim === "bridge" && step !== BEFORE_ALL;
      expect(mayBeCutShort ? ["done", "interrupted"] : ["done"]).toContain(end.state);
      expect(end.state === "done" ? [1] : [0, 1]).toContain(starts);
    },
  );

  it("[K63 K64] after the whole matrix every confirmation was asked once, used once, and the books balance", async () => {
    const trail = await auditTrail(a);
    const times = (action: string): string[] =>
      trail.filter((row) => row.action === action).map(({ object }) => object);
    expect(times("confirmation.asked")).toHaveLength(MATRIX.length);
    expect(new Set(times("confirmation.consumed")).size).toBe(MATRIX.length);
    expect(times("confirmation.consumed")).toHaveLength(MATRIX.length);
    expect(times("print.ended")).toHaveLength(MATRIX.length);
    await expectBalanced(a);
  });
});

/** The id and the phrase of before; nothing else waits for this person. */
async function expectSameConfirmation({ a, asked }: Scene): Promise<void> {
  const view = (await a.api("GET", `/api/confirmation/${asked.job}`)).body;
  expect(view).toMatchObject({ id: asked.confirmation.id, phrase: asked.confirmation.phrase });
  const { confirmations } = (await a.api("GET", "/api/confirmations")).body;
  const waiting = confirmations.map(({ id }: { id: string }) => id);
  expect(waiting).toEqual(view.state === "pending" ? [asked.confirmation.id] : []);
}

/** The word was given; given anew, under another key, it does nothing. */
async function agreesToNothingMore({ a, asked }: Scene): Promise<void> {
  const again = await confirm(a, asked.confirmation);
  expect(again).toMatchObject({ status: 409, body: { code: "confirmation_used" } });
}

/** An idle printer with a free bed, whatever the row before has left. */
async function readyAgain(a: Appliance): Promise<void> {
  await until(
    "the printer to be ready again",
    async () => {
      const { phase } = await printer(a);
      if (phase === "stopped" || phase === "fault")
        await a.api("POST", "/api/devices/sim/reset", {});
      return phase === "idle";
    },
    PATIENCE_MS,
  );
  await clearBed(a);
}
