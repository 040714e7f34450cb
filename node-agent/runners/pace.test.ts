// A reader that is slower than the model, with a real child process.

import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { makePace } from "@gantry/shared/flow/pace.ts";
import { describe, expect, it, vi } from "vitest";
import { forkLlama } from "../adapters/llama-process.ts";
import { startModel } from "./infer.ts";
import { hasModelFiles, modelFile } from "./model-files.ts";

const never = new AbortController().signal;
const QUESTION = {
  requestId: "r1",
  messages: [{ role: "user" as const, content: "Once upon a time" }],
  maxTokens: 200,
};
const WAIT = { timeout: 10_000, interval: 5 };

const start = () =>
  startModel(
    {
      path: modelFile("stories260K.gguf"),
      name: "story",
      slots: 2,
      contextTokens: 512,
      threads: 1,
    },
    {
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
      fork: (onMessage) => forkLlama({ environment: {} }, onMessage),
    },
    never,
  );

describe.skipIf(!hasModelFiles)(
  "a slow reader (needs ../shared/models)",
  { timeout: 30_000 },
  () => {
    it("makes its model wait, another answer goes on meanwhile, and the text is the same in the end", async () => {
      await using model = await start();
      const whole = await model.generate(QUESTION, () => {}, never);
      const pace = makePace();
      let text = "";
      const slow = model.generate(
        QUESTION,
        (piece) => {
          text += piece;
          if (text.length === piece.length) pace.set(true); // after the first piece
        },
        never,
        pace,
      );
      await vi.waitFor(() => expect(text).not.toBe(""), WAIT);
      const other = await model.generate({ ...QUESTION, requestId: "r2" }, () => {}, never);
      expect(other.text).toBe(whole.text);
      expect(model.running).toBe(1); // as long an answer was made meanwhile, and this one was not
      expect(text.length).toBeLessThan(whole.text.length);
      pace.set(false);
      expect((await slow).text).toBe(whole.text);
      expect(text).toBe(whole.text);
    });

    it("that gives up while its model waits frees the slot", async () => {
      await using model = await start();
      const pace = makePace();
      const leaving = new AbortController();
      const slow = model.generate(QUESTION, () => pace.set(true), leaving.signal, pace);
      await vi.waitFor(() => expect(pace.isHeld).toBe(true), WAIT);
      leaving.abort();
      expect((await slow).finishReason).toBe("cancelled");
      expect(model.running).toBe(0);
    });
  },
);
