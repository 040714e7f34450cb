// What a satellite is doing and what it does next. Pure: sound, clocks and hubs are elsewhere
// (voice/satellite-loop.ts does what stands in `effects`).
//
// SM1. A halt is the first effect, in every state. "stop" makes us silent in every state in which we
//      speak or are about to; said after the wake word it is an order like any other, and goes to the hub.
// SM2. Each turn has a number. What comes from an earlier turn is of no effect.
// SM3. While we speak nobody gives orders or words: only the wake phrase, a stop word, or speech that
//      an echo canceller has let through (`bargedIn`).
// SM4. A confirmation is settled by judgeWord alone, and leaves the room with the turn it belongs to.

import { unreachable } from "@gantry/shared/base/assert.ts";
import type { Earcon } from "../audio/earcons.ts";
import { judgeWord, type PendingWord, VOICE_WORD_MS } from "../words/confirm-words.ts";
import { type LocalOrder, localOrderOf } from "../words/stop-words.ts";

/** After the wake phrase somebody must begin to speak within this time; after an answer, too. */
export const FOLLOW_UP_MS = 6_000;

export type SatelliteState =
  | { readonly kind: "idle"; readonly turn: number }
  | { readonly kind: "claiming"; readonly turn: number }
  | {
      readonly kind: "listening";
      readonly turn: number;
      /** It gives up then if nobody has begun to speak. */
      readonly untilMs: number;
      readonly isSpeech: boolean;
      readonly quietSinceMs: number;
      readonly pending: PendingWord | undefined;
    }
  | {
      readonly kind: "deciding";
      readonly turn: number;
      readonly quietSinceMs: number;
      readonly pending: PendingWord | undefined;
    }
  | {
      readonly kind: "speaking";
      readonly turn: number;
      readonly pending: PendingWord | undefined;
      /** A halt or a refusal is told and nothing more is waited for. */
      readonly isLast: boolean;
    };

export type SatelliteEvent =
  | { readonly type: "wake"; readonly loudnessDb: number }
  | { readonly type: "claimed"; readonly turn: number; readonly isOurs: boolean }
  | { readonly type: "speechBegan" }
  | { readonly type: "speechEnded" }
  /** It was a click. */
  | { readonly type: "speechDropped" }
  | { readonly type: "heard"; readonly turn: number; readonly text: string }
  | { readonly type: "speaking"; readonly turn: number }
  | { readonly type: "answered"; readonly turn: number; readonly pending: PendingWord | undefined }
  | { readonly type: "failed"; readonly turn: number; readonly text: string }
  | { readonly type: "spoken"; readonly turn: number }
  | { readonly type: "bargedIn" }
  | { readonly type: "order"; readonly order: LocalOrder }
  | { readonly type: "time" };

export type Effect =
  | { readonly do: "halt"; readonly turn: number }
  | { readonly do: "silence" }
  | { readonly do: "earcon"; readonly name: Earcon }
  | { readonly do: "claim"; readonly turn: number; readonly loudnessDb: number }
  /** The command ear is opened from here on, and the room before it is forgotten. */
  | { readonly do: "listen"; readonly turn: number }
  | { readonly do: "finish"; readonly turn: number }
  | { readonly do: "drop" }
  | { readonly do: "ask"; readonly turn: number; readonly text: string }
  | { readonly do: "confirm"; readonly turn: number; readonly pending: PendingWord }
  | { readonly do: "withdraw"; readonly turn: number; readonly pending: PendingWord }
  | { readonly do: "say"; readonly turn: number; readonly text: string };

export interface Step {
  readonly state: SatelliteState;
  readonly effects: readonly Effect[];
}

export const ASLEEP: SatelliteState = { kind: "idle", turn: 0 };

/** `nowMs` is monotonic. */
export function step(state: SatelliteState, event: SatelliteEvent, nowMs: number): Step {
  switch (event.type) {
    case "order":
      return obey(state, event.order);
    case "wake":
      return wake(state, event.loudnessDb);
    case "claimed":
      if (state.kind !== "claiming" || event.turn !== state.turn) return stay(state); // SM2
      if (!event.isOurs) return go({ kind: "idle", turn: state.turn });
      return go(
        listening(state.turn, nowMs, undefined),
        { do: "earcon", name: "listening" },
        { do: "listen", turn: state.turn },
      );
    case "bargedIn": {
      if (state.kind !== "speaking") return stay(state);
      const turn = state.turn + 1;
      return go(listening(turn, nowMs, undefined), { do: "silence" }, { do: "listen", turn });
    }
    case "speechBegan":
      return state.kind === "listening" ? go({ ...state, isSpeech: true }) : stay(state); // SM3
    case "speechDropped":
      return state.kind === "listening"
        ? go({ ...state, isSpeech: false }, { do: "drop" })
        : stay(state);
    case "speechEnded": {
      if (state.kind !== "listening" || !state.isSpeech) return stay(state);
      const { turn, quietSinceMs, pending } = state;
      return go({ kind: "deciding", turn, quietSinceMs, pending }, { do: "finish", turn });
    }
    case "heard":
      if (state.kind !== "deciding" || event.turn !== state.turn) return stay(state);
      return decide(state, event.text, nowMs);
    case "speaking":
      if (state.kind !== "deciding" || event.turn !== state.turn) return stay(state);
      return go({ kind: "speaking", turn: state.turn, pending: undefined, isLast: false });
    case "answered":
      if (event.turn !== state.turn) return stay(state);
      if (state.kind !== "speaking" && state.kind !== "deciding") return stay(state);
      return go({
        kind: "speaking",
        turn: state.turn,
        pending: event.pending,
        isLast: false,
      });
    case "failed":
      if (event.turn !== state.turn || state.kind === "idle") return stay(state);
      return go(
        { kind: "speaking", turn: state.turn, pending: undefined, isLast: true },
        { do: "earcon", name: "failed" },
        { do: "say", turn: state.turn, text: event.text },
      );
    case "spoken":
      return spoken(state, event.turn, nowMs);
    case "time":
      return state.kind === "listening" && !state.isSpeech && nowMs > state.untilMs
        ? go({ kind: "idle", turn: state.turn }, { do: "drop" })
        : stay(state);
    default:
      return unreachable(event);
  }
}

/** SM1. */
function obey(state: SatelliteState, order: LocalOrder): Step {
  const turn = state.turn + 1;
  if (order === "halt") {
    return go(
      { kind: "speaking", turn, pending: undefined, isLast: true },
      { do: "halt", turn },
      { do: "silence" },
      { do: "drop" },
      { do: "earcon", name: "stopped" },
    );
  }
  switch (state.kind) {
    case "speaking":
    case "deciding":
    case "claiming": {
      const pending = state.kind === "claiming" ? undefined : state.pending;
      const withdrawn: Effect[] =
        order === "cancel" && pending !== undefined ? [{ do: "withdraw", turn, pending }] : [];
      return go({ kind: "idle", turn }, { do: "silence" }, { do: "drop" }, ...withdrawn);
    }
    case "listening": // the command ear hears it, too, and knows what it is about
    case "idle":
      return stay(state);
    default:
      return unreachable(state);
  }
}

function wake(state: SatelliteState, loudnessDb: number): Step {
  switch (state.kind) {
    case "claiming":
    case "deciding":
    case "listening": // we listen already; what waits for a word goes on waiting
      return stay(state);
    case "idle":
    case "speaking": {
      const turn = state.turn + 1;
      const hush: Effect[] = state.kind === "speaking" ? [{ do: "silence" }] : [];
      return go({ kind: "claiming", turn }, ...hush, { do: "claim", turn, loudnessDb });
    }
    default:
      return unreachable(state);
  }
}

function decide(
  state: Extract<SatelliteState, { kind: "deciding" }>,
  text: string,
  nowMs: number,
): Step {
  const { turn, pending, quietSinceMs } = state;
  if (localOrderOf(text) === "halt") return obey(state, "halt");
  if (pending !== undefined) {
    const verdict = judgeWord(pending, text, nowMs, quietSinceMs); // SM4
    switch (verdict.kind) {
      case "given":
        return go({ ...state, pending: undefined }, { do: "confirm", turn, pending });
      case "refused":
        return go({ ...state, pending: undefined }, { do: "withdraw", turn, pending });
      case "expired":
        return tell(turn, "The time to confirm is over. Ask for it again.");
      case "wrong":
        return verdict.pending === undefined
          ? go({ ...state, pending: undefined }, { do: "withdraw", turn, pending })
          : tell(turn, `That was not the word. Say: confirm ${pending.word}.`, verdict.pending);
      case "deaf":
      case "other":
        break;
      default:
        unreachable(verdict);
    }
  }
  if (text === "") {
    return pending === undefined
      ? go({ kind: "idle", turn }, { do: "earcon", name: "failed" })
      : go(listening(turn, nowMs, pending), { do: "listen", turn });
  }
  return go(
    { ...state, pending: undefined },
    { do: "earcon", name: "understood" },
    { do: "ask", turn, text },
  );
}

const tell = (turn: number, text: string, pending?: PendingWord): Step =>
  go({ kind: "speaking", turn, pending, isLast: pending === undefined }, { do: "say", turn, text });

function spoken(state: SatelliteState, turn: number, nowMs: number): Step {
  if (state.kind !== "speaking" || turn !== state.turn) return stay(state); // SM2
  if (state.isLast) return go({ kind: "idle", turn });
  const { pending } = state;
  // The word may be given from the end of the read-back on (CW3 of confirm-words.ts).
  const timed = pending === undefined ? undefined : { ...pending, untilMs: nowMs + VOICE_WORD_MS };
  return go(listening(turn, nowMs, timed), { do: "listen", turn });
}

const listening = (
  turn: number,
  nowMs: number,
  pending: PendingWord | undefined,
): SatelliteState => ({
  kind: "listening",
  turn,
  untilMs: pending?.untilMs ?? nowMs + FOLLOW_UP_MS,
  isSpeech: false,
  quietSinceMs: nowMs,
  pending,
});

const stay = (state: SatelliteState): Step => ({ state, effects: [] });
const go = (state: SatelliteState, ...effects: Effect[]): Step => ({ state, effects });
