// One satellite: a microphone, ears, a mouth and a loudspeaker around the state machine.
//
//   microphone -> frames of 32 ms -> voice detector -> stop ear (always)
//                                                   -> command ear (while listening)
//              -> 80 ms -> wake front-end -> wake phrase (while idle or speaking)
//
// VL1. Nothing here waits for the hub but the turn that asked it: frames go on being heard.
// VL2. A halt goes to the machines before anything else is done about it, and is told of in words after.
// VL3. Sound is kept nowhere: an utterance lives in the recogniser until its words are there.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import type { HazardClass } from "@gantry/shared/contract/roles.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { makeMailbox } from "@gantry/shared/flow/mailbox.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { earcon } from "./audio/earcons.ts";
import { loudnessDb, makeRechunker, type Pcm } from "./audio/pcm.ts";
import { FRAME_MS, FRAME_SAMPLES, makeSegmenter, UTTERANCE } from "./audio/segmenter.ts";
import { makeWakeScorer, type WakePhrase } from "./audio/wake-score.ts";
import type {
  Hearing,
  Loudspeaker,
  Microphone,
  Recogniser,
  VoiceDetector,
  VoiceMaker,
  WakeFrontEnd,
} from "./ports.ts";
import { ASLEEP, type Effect, type SatelliteEvent, step } from "./state/satellite.ts";
import { makeStopEar } from "./stop-ear.ts";
import { drawWord, type PendingWord, readBack } from "./words/confirm-words.ts";
import { typedForm, type Vocabulary } from "./words/grammar.ts";
import { makeSentenceSplitter } from "./words/sentences.ts";
import { speakable } from "./words/speakable.ts";

const WAKE_SAMPLES = 1_280;
const EARCON_HZ = 22_050;
const SENTENCES_MAX = 256;
const NAMES_EVERY_MS = 60_000;
const DUCK_AFTER_MS = 96;
const DUCK_DB = -20;
const BARGE_IN_MS = 288;
/** Loudness of what woke us: the last 1.3 s. */
const LOUD_FRAMES = 40;
const PRE_ROLL_FRAMES = 16;
/** 5 s: far longer than finding the loudest takes; then the oldest is dropped. */
const HELD_MAX = 156;

/** What waits for a word, as the hub tells it. */
export interface HubConfirmation {
  readonly id: string;
  readonly phrase: string;
  readonly summary: string;
  readonly hazardClass: HazardClass;
  readonly hazards: readonly string[];
}

/** What a satellite asks of the hub; voice/hub-client.ts is the real one. */
export interface VoiceHub {
  /** Whether this satellite is the loudest of those that heard it. True where the hub cannot be asked. */
  claim(loudnessDb: number, signal: AbortSignal): Promise<boolean>;
  ask(
    text: string,
    onText: (text: string) => void,
    signal: AbortSignal,
  ): Promise<HubConfirmation | undefined>;
  confirm(id: string, phrase: string, signal: AbortSignal): Promise<void>;
  withdraw(id: string, signal: AbortSignal): Promise<void>;
  /** The machines of this computer at once, the others by the hub. What to say of it. Never throws. */
  halt(): Promise<string>;
  names(signal: AbortSignal): Promise<Vocabulary>;
}

export interface SatelliteParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly microphone: Microphone;
  readonly loudspeaker: Loudspeaker;
  readonly detector: VoiceDetector;
  readonly recogniser: Recogniser;
  /** Left out: the command ear hears stop words in turns alone. */
  readonly stopEar?: Recogniser;
  readonly mouth: VoiceMaker;
  readonly hub: VoiceHub;
  /** Left out: any speech begins a turn (push to talk, or a quiet room). */
  readonly wake?: { readonly frontEnd: WakeFrontEnd; readonly phrases: readonly WakePhrase[] };
  readonly voice?: string | undefined;
  /** The microphone does not hear our loudspeaker: speech alone interrupts us. */
  readonly isEchoCancelled?: boolean;
  readonly tell: (told: Told) => void;
}

/** For a screen or a log of the satellite; words of people are in it, so it is printed only where asked. */
export type Told =
  | { readonly type: "state"; readonly state: string }
  | { readonly type: "wake"; readonly phrase: string; readonly score: number }
  | { readonly type: "heard"; readonly text: string; readonly tookMs: number }
  | { readonly type: "said"; readonly text: string }
  | { readonly type: "order"; readonly order: string }
  | { readonly type: "silenced" }
  | { readonly type: "fault"; readonly message: string };

/** Runs until the microphone ends or the signal aborts, and what was begun then is over. */
export async function runSatellite(parts: SatelliteParts, signal: AbortSignal): Promise<void> {
  const { clock, random, hub, loudspeaker, recogniser, mouth, tell, wake } = parts;
  const fault = (_: string, error: unknown): void =>
    tell({ type: "fault", message: error instanceof Error ? error.message : String(error) });
  await using scope = makeScope(fault, signal);
  const segmenter = makeSegmenter(UTTERANCE);
  const scorer = makeWakeScorer(wake?.phrases ?? []);
  const loud: Int16Array[] = [];
  /** What is said while the loudest satellite is found: "hey gantry, status" in one breath. */
  const held: { readonly frame: Int16Array; readonly probability: number }[] = [];
  let state = ASLEEP;
  let hearing: Hearing | undefined;
  let turnEnd = new AbortController();
  let bargeMs = 0;
  const busy = new Set<Promise<void>>();

  function dispatch(event: SatelliteEvent): void {
    const before = state.kind;
    const next = step(state, event, clock.monotonic());
    state = next.state;
    for (const effect of next.effects) perform(effect);
    if (state.kind !== before) tell({ type: "state", state: state.kind });
    if (state.kind !== "speaking") duck(0);
  }

  /** The rest of a turn runs beside the ears (VL1). */
  function begin(name: string, turn: number, task: (signal: AbortSignal) => Promise<void>): void {
    const own = turnEnd.signal;
    const done = Promise.withResolvers<void>();
    busy.add(done.promise);
    scope.start(name, async (scopeSignal) => {
      const both = AbortSignal.any([scopeSignal, own]);
      try {
        await task(both);
      } catch (error) {
        if (!both.aborted) {
          fault(name, error);
          dispatch({ type: "failed", turn, text: apology(error) });
        }
      } finally {
        busy.delete(done.promise);
        done.resolve();
      }
    });
  }

  function perform(effect: Effect): void {
    switch (effect.do) {
      case "halt": {
        const told = hub.halt(); // VL2
        tell({ type: "order", order: "halt" });
        turnEnd.abort();
        turnEnd = new AbortController();
        return begin("halt", effect.turn, async (signal) => {
          await say(effect.turn, [await told], signal);
        });
      }
      case "silence":
        turnEnd.abort();
        turnEnd = new AbortController();
        loudspeaker.silence();
        return tell({ type: "silenced" });
      case "earcon":
        return begin("earcon", state.turn, async (signal) => {
          await loudspeaker.play(once(earcon(effect.name, EARCON_HZ)), signal);
        });
      case "claim":
        return begin("claim", effect.turn, async (signal) => {
          const isOurs = await hub.claim(effect.loudnessDb, signal).catch(() => true);
          dispatch({ type: "claimed", turn: effect.turn, isOurs });
        });
      case "listen":
        hush();
        for (const { frame, probability } of held.splice(0)) segment(frame, probability);
        return;
      case "finish":
        return finish(effect.turn);
      case "drop":
        return hush();
      case "ask":
        return begin("ask", effect.turn, (signal) => ask(effect.turn, effect.text, signal));
      case "confirm":
        return begin("confirm", effect.turn, async (signal) => {
          await hub.confirm(effect.pending.id, effect.pending.phrase, signal);
          await sayAnswer(effect.turn, `Confirmed: ${effect.pending.summary}.`, signal);
        });
      case "withdraw":
        return begin("withdraw", effect.turn, async (signal) => {
          await hub.withdraw(effect.pending.id, signal);
          await sayAnswer(effect.turn, "Withdrawn. Nothing was started.", signal);
        });
      case "say":
        return begin("say", effect.turn, (signal) => say(effect.turn, [effect.text], signal));
    }
  }

  /** The command ear begins with a clean slate. */
  function hush(): void {
    hearing?.drop();
    hearing = undefined;
    segmenter.reset();
  }

  function finish(turn: number): void {
    const own = hearing;
    hearing = undefined;
    if (own === undefined) return dispatch({ type: "heard", turn, text: "" });
    const fromMs = clock.monotonic();
    begin("ear", turn, async (signal) => {
      const text = typedForm(await own.finish(signal));
      tell({ type: "heard", text, tookMs: clock.monotonic() - fromMs });
      dispatch({ type: "heard", turn, text });
    });
  }

  async function ask(turn: number, text: string, signal: AbortSignal): Promise<void> {
    const splitter = makeSentenceSplitter();
    const sentences = makeMailbox<string>(SENTENCES_MAX);
    // The phrase to be typed is not the one to be said.
    const put = (ready: readonly string[]): void => {
      for (const one of ready) if (!/\bsay: confirm\b/iu.test(one)) sentences.offer(one);
    };
    const spoken = speak(turn, sentences, signal);
    spoken.catch(() => {}); // awaited below
    try {
      const waits = await hub.ask(text, (piece) => put(splitter.push(piece)), signal);
      put(splitter.end());
      const pending = waits === undefined ? undefined : pendingOf(waits);
      if (pending !== undefined) sentences.offer(readBack(pending, waits?.hazards ?? []));
      dispatch({ type: "answered", turn, pending });
    } finally {
      sentences.close();
    }
    await spoken;
  }

  const pendingOf = ({ id, phrase, summary, hazardClass }: HubConfirmation): PendingWord => ({
    id,
    phrase,
    summary,
    hazardClass,
    word: drawWord(random),
    wrong: 0,
    untilMs: undefined,
  });

  async function sayAnswer(turn: number, text: string, signal: AbortSignal): Promise<void> {
    dispatch({ type: "answered", turn, pending: undefined });
    await say(turn, [text], signal);
  }

  const say = (turn: number, texts: readonly string[], signal: AbortSignal): Promise<void> =>
    speak(turn, each(texts), signal);

  async function speak(
    turn: number,
    texts: AsyncIterable<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const how = await loudspeaker.play(soundOf(turn, texts, signal), signal);
    if (how === "played") dispatch({ type: "spoken", turn });
  }

  async function* soundOf(
    turn: number,
    texts: AsyncIterable<string>,
    signal: AbortSignal,
  ): AsyncGenerator<Pcm> {
    for await (const text of texts) {
      const words = speakable(text);
      if (words === "") continue;
      dispatch({ type: "speaking", turn });
      tell({ type: "said", text: words });
      yield* mouth.speak(words, { voice: parts.voice }, signal);
    }
  }

  function duck(gainDb: number): void {
    if (gainDb === 0) bargeMs = 0;
    loudspeaker.duck(gainDb);
  }

  /** Speech over ours, where the microphone does not hear us. */
  function watchBargeIn(isSpeech: boolean): void {
    if (parts.isEchoCancelled !== true || state.kind !== "speaking") return;
    bargeMs = isSpeech ? bargeMs + FRAME_MS : 0;
    if (bargeMs === 0) return duck(0);
    if (bargeMs >= DUCK_AFTER_MS) loudspeaker.duck(DUCK_DB);
    if (bargeMs >= BARGE_IN_MS) dispatch({ type: "bargedIn" });
  }

  function command(frame: Int16Array, probability: number): void {
    const canWake = state.kind === "idle" && wake === undefined;
    if (canWake || state.kind === "claiming") {
      held.push({ frame, probability });
      const most = state.kind === "claiming" ? HELD_MAX : PRE_ROLL_FRAMES;
      if (held.length > most) held.shift();
    } else held.length = 0;
    if (canWake && probability >= UTTERANCE.startAt) {
      dispatch({ type: "wake", loudnessDb: roomDb() });
    }
    if (state.kind === "listening") segment(frame, probability);
  }

  function segment(frame: Int16Array, probability: number): void {
    for (const segment of segmenter.push(frame, probability)) {
      switch (segment.type) {
        case "begun":
          hearing = recogniser.begin();
          for (const one of segment.before) hearing.push(one);
          dispatch({ type: "speechBegan" });
          break;
        case "more":
          hearing?.push(segment.frame);
          break;
        case "ended":
          dispatch({ type: "speechEnded" });
          break;
        case "dropped":
          dispatch({ type: "speechDropped" });
          break;
      }
    }
  }

  const roomDb = (): number => Math.max(-120, ...loud.map(loudnessDb));

  const stopEar =
    parts.stopEar === undefined
      ? undefined
      : makeStopEar(
          parts.stopEar,
          (order) => dispatch({ type: "order", order }),
          (error) => fault("stop ear", error),
          scope,
        );
  const frames = makeRechunker(FRAME_SAMPLES);
  const windows = makeRechunker(WAKE_SAMPLES);
  if (recogniser.learn !== undefined) {
    scope.start("names", (signal) => keepNames(recogniser, hub, clock, signal));
  }

  for await (const piece of parts.microphone) {
    if (signal.aborted) break;
    for (const frame of frames(piece)) {
      const probability = await parts.detector.probability(frame);
      loud.push(frame);
      if (loud.length > LOUD_FRAMES) loud.shift();
      stopEar?.push(frame, probability);
      watchBargeIn(probability >= UTTERANCE.startAt);
      command(frame, probability);
      dispatch({ type: "time" });
    }
    for (const window of wake === undefined ? [] : windows(piece)) {
      const vector = await wake?.frontEnd.push(window);
      if (vector === undefined) continue;
      const { phrase, score } = scorer.push(vector);
      if (phrase === undefined) continue;
      tell({ type: "wake", phrase, score });
      dispatch({ type: "wake", loudnessDb: roomDb() });
    }
  }
  while (busy.size > 0 && !signal.aborted) await Promise.all(busy); // the last turn is said to its end
  hush();
}

/** Best effort: the grammar has the printers and files of now, or of the last time the hub was there. */
async function keepNames(
  recogniser: Recogniser,
  hub: VoiceHub,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const names = await hub.names(signal).catch(() => undefined);
    if (names !== undefined) await recogniser.learn?.(names, signal);
    await clock.sleep(NAMES_EVERY_MS, signal);
  }
}

function apology(error: unknown): string {
  if (!(error instanceof GantryError)) return "Something went wrong here.";
  return error.code === "unreachable" || error.code === "no_leader"
    ? "I cannot reach the hub."
    : `That did not work: ${error.message}`;
}

async function* once<T>(item: T): AsyncGenerator<T> {
  yield item;
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
