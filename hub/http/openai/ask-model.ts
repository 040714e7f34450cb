// How every door for other people's clients asks for an answer: the desk's chatCompletions, within its
// deadline, and within what one token may have under way.

import type { CompletionReply, CompletionRequest } from "@gantry/shared/contract/completions.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import type { Place } from "../../asking/waiting.ts";
import { within } from "../deadline.ts";
import type { DoorDeps } from "../door.ts";
import type { DeskRequest } from "../../ports.ts";
import { deadlineMsOf } from "../routes/plain.ts";
import type { Rates } from "./rates.ts";

export interface ModelDoor extends DoorDeps {
  readonly rates: Rates;
}

export interface AskOptions {
  readonly signal: AbortSignal;
  readonly onText?: (text: string) => void;
  /** Of who reads the text. */
  readonly pace?: Pace;
  readonly onPlace?: (place: Place) => void;
  /** Of several answers to one request; each is a question of its own. Default: 0. */
  readonly choice?: number;
}

/** `read`: the client's request, for who asks and under which Idempotency-Key. */
export function askModel(
  { desk, clock, rates }: ModelDoor,
  read: DeskRequest,
  body: CompletionRequest,
  { signal, onText, pace, onPlace, choice = 0 }: AskOptions,
): Promise<CompletionReply> {
  const { replay } = read;
  const own = replay && choice > 0 ? { replay: { ...replay, key: `${replay.key}:${choice}` } } : {};
  return rates.run(read.actor?.token ?? "", () =>
    within(clock, deadlineMsOf("chatCompletions"), signal, async (limited) => {
      const options = {
        signal: limited,
        ...(onText === undefined ? {} : { onText }),
        ...(pace === undefined ? {} : { pace }),
        ...(onPlace === undefined ? {} : { onPlace }),
      };
      const reply = await desk.call("chatCompletions", { ...read, ...own, body }, options);
      return reply as CompletionReply; // what the desk gives for this route
    }),
  );
}

/**
 * `count` answers at once, in order. With a seed each has the next one, so that all of them can be had
 * again; without, each draws its own, or they would all be the same.
 */
export function askChoices(
  door: ModelDoor,
  read: DeskRequest,
  request: CompletionRequest,
  count: number,
  options: (choice: number) => AskOptions,
): Promise<readonly CompletionReply[]> {
  if (count === 1) return askModel(door, read, request, options(0)).then((reply) => [reply]);
  const first = request.seed ?? Math.floor(door.random() * 2 ** 31);
  const asked = Array.from({ length: count }, (_, choice) =>
    askModel(door, read, { ...request, seed: first + choice }, { ...options(choice), choice }),
  );
  return Promise.all(asked);
}
