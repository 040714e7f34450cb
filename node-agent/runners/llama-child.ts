// The loop of a model's child process: reads ToChild, owns the engine, answers FromChild.
//
// C1. It outlives nobody: when the agent's end of the channel closes, the process kills itself.
//     By SIGKILL, because an ordinary exit runs destructors under llama.cpp's working threads.
// C2. The kernel's OOM killer takes this process before the agent (oom_score_adj).
// C3. Text leaves in at most one message per FLUSH_MS or FLUSH_TOKENS, but the first at once.

import { writeFileSync } from "node:fs";
import { type ErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { makePace, type PaceSetter } from "@gantry/shared/flow/pace.ts";
import { type Engine, openEngine } from "../adapters/llama-engine.ts";
import {
  type FromChild,
  isAboutMemory,
  type LoadOptions,
  type PromptOptions,
  type ToChild,
} from "./llama-protocol.ts";

// 10 ms and 32 tokens: faster than the eye, and at 2,000 tokens/s 100 messages/s, not 2,000.
const FLUSH_MS = 10;
const FLUSH_TOKENS = 32;
const OOM_SCORE = "500";

const running = new Map<
  number,
  { readonly controller: AbortController; readonly pace: PaceSetter }
>();
let engine: Engine | undefined;

process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.on("message", (message: ToChild) => void receive(message));
volunteerForOomKiller();

async function receive(message: ToChild): Promise<void> {
  switch (message.kind) {
    case "load":
      return load(message.options);
    case "generate":
      return generate(message.id, message.prompt);
    case "cancel":
      running.get(message.id)?.controller.abort();
      return undefined;
    case "hold":
      return running.get(message.id)?.pace.set(message.isHeld);
  }
}

async function load(options: LoadOptions): Promise<void> {
  try {
    engine = await openEngine(options);
    say({ kind: "ready", facts: engine.facts });
  } catch (error) {
    say({ kind: "refused", error: recordOf(error) });
  }
}

async function generate(id: number, prompt: PromptOptions): Promise<void> {
  const controller = new AbortController();
  const pace = makePace();
  running.set(id, { controller, pace });
  const chunks = coalesce((text) => say({ kind: "chunk", id, text }));
  try {
    if (engine === undefined) throw new GantryError("model_failed", "No model is loaded");
    const generation = await engine.generate(prompt, chunks.add, controller.signal, pace);
    chunks.flush();
    say({ kind: "done", id, generation });
  } catch (error) {
    chunks.flush();
    say({ kind: "failed", id, error: recordOf(error) });
  } finally {
    running.delete(id);
  }
}

interface Chunks {
  readonly add: (text: string) => void;
  readonly flush: () => void;
}

/** Gathers pieces of text into few messages (C3). */
function coalesce(send: (text: string) => void): Chunks {
  let held = "";
  let heldTokens = 0;
  let hasSent = false;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (held === "") return;
    send(held);
    held = "";
    heldTokens = 0;
    hasSent = true;
  };
  return {
    add(text) {
      held += text;
      heldTokens += 1;
      if (!hasSent || heldTokens >= FLUSH_TOKENS) flush();
      else timer ??= setTimeout(flush, FLUSH_MS);
    },
    flush,
  };
}

function say(message: FromChild): void {
  // A failure to send means that the agent is gone; `disconnect` follows (C1).
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** llama.cpp's own words help the operator and hold nobody's data: they are kept. */
function recordOf(error: unknown): ErrorRecord {
  if (error instanceof GantryError) return toErrorRecord(error);
  const words = error instanceof Error ? error.message : String(error);
  const code = isAboutMemory(words) ? "out_of_memory" : "model_failed";
  return { code, message: `llama.cpp failed: ${words}` };
}

function volunteerForOomKiller(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", OOM_SCORE);
  } catch {
    // Not Linux, or /proc is not ours: then the kernel chooses alone.
  }
}
