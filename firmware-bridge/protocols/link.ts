// The link to one Marlin: numbers, checksums, a window of bytes, resends, lost answers, time-outs.
// Pure: the shell passes bytes and time in and writes what `takeOutput` gives.
//
// LK1. Never more than `windowBytes` unanswered bytes: the emergency stop must not queue (measured:
//      5-8 ms with 120 bytes ahead, over a second with 1,000).
// LK2. While a blocking command is unanswered nothing else is sent: firmware without an emergency
//      parser is deaf once its queue is full.
// LK3. A lost answer is found by an unnumbered M105, which is always answered. A repeated line is
//      never used for that: Marlin drops the numbers N and N-1 without a word.
// LK4. An `ok` may be the late one of a Resend or carry a number that noise made. Proof that all
//      lines were accepted is only the answer to a numbered M105 behind them, for no other `ok`
//      brings temperatures. After a doubt nothing is sent before such a proof.
// LK5. Numbers start at FIRST_NUMBER, so a firmware that asks for a line far below was restarted.
// LK6. The firmware is the judge of duplicates: going back too far is harmless (it drops or refuses
//      what it has), going back too little is mended by its next Resend.

import { assert } from "@gantry/shared/base/assert.ts";
import type { MarlinEvent } from "./marlin-codec.ts";
import { formatLine } from "./marlin-line.ts";

export interface LinkPolicy {
  /** At most 120: Marlin's receive buffer has 128 bytes. */
  readonly windowBytes: number;
  /** Without `ok`, `busy` or `Resend` for this long an answer counts as lost. Over M113's 2 s. */
  readonly answerMs: number;
  /** How long an answer may take where one is due at once; then it is asked for, without an alarm. */
  readonly dueMs: number;
  /** Between two M105 that ask whether anybody is there. */
  readonly askMs: number;
  /** Unanswered M105 until the link is given up. */
  readonly asksMax: number;
  /** For a blocking command of a firmware that never said `busy`. */
  readonly blockingMs: number;
  /** Silence after a Resend, on top of the time the bytes in flight need on the wire. */
  readonly quietMs: number;
  /** Bytes a millisecond; baud / 10,000. */
  readonly wireBytesPerMs: number;
}

export const LINK_POLICY: LinkPolicy = {
  windowBytes: 120,
  answerMs: 2_500,
  dueMs: 100, // many times what the lines in flight need
  askMs: 1_150, // two of them are longer than the 2 s between two `busy`
  asksMax: 2, // 2.5 s + 2 x 1.15 s: an honest fault within 5 s
  blockingMs: 300_000,
  quietMs: 25,
  wireBytesPerMs: 11.52,
};

export const FIRST_NUMBER = 101;
/** Marlin asks for a line that was in flight; more than the window and its queue cannot be. */
const HISTORY_LINES = 512;
const BACK_LINES_MAX = 64;
const EQUAL_RESENDS_MAX = 10;
const ERRORS_NEAR_LINES = 100;

const BLOCKING: ReadonlySet<string> = new Set(
  "G4 G28 G29 G30 G32 G80 M109 M190 M191 M226 M303 M400 M600".split(" "),
);

export type LinkFault =
  | { readonly kind: "restarted" }
  | { readonly kind: "silent" }
  | { readonly kind: "resends"; readonly line: number }
  | { readonly kind: "fatal"; readonly text: string };

export interface LinkCounts {
  readonly lines: number;
  readonly resent: number;
  readonly asked: number;
}

export interface Link {
  /** True if `send` may be called: nothing waits and the window has room. */
  hasRoom(): boolean;
  /** Queues one line, gives its number. `tag`: grows along the job; `ackedTag` gives it back. */
  send(command: string, tag: number, nowMs: number): number;
  receive(event: MarlinEvent, nowMs: number): void;
  /** To be called every 20 ms or so while something is in flight. */
  tick(nowMs: number): void;
  /** What to write now, once. */
  takeOutput(): string;
  /** The emergency stop, to be written past every queue. The link is over after it. */
  emergency(): string;
  /** The highest line number that was answered. */
  ackedNumber(): number;
  /** The highest tag of a line that the firmware has accepted; 0 before. */
  ackedTag(): number;
  /** Everything sent was accepted and executed, for certain (LK4). Call `settle` to get there. */
  isSettled(): boolean;
  /** Asks for the proof, once what was sent is answered. Call it until `isSettled`. */
  settle(nowMs: number): void;
  fault(): LinkFault | undefined;
  counts(): LinkCounts;
  inFlightBytes(): number;
  /** An unanswered line waits for a person: M600. */
  needsPerson(): boolean;
}

interface Line {
  readonly number: number;
  readonly wire: string;
  readonly tag: number;
  readonly name: string;
}

/** `number` undefined: an unnumbered M105 (LK3). */
interface Flight {
  readonly number: number | undefined;
  readonly bytes: number;
  readonly isBlocking: boolean;
  readonly isReport: boolean;
  readonly needsPerson: boolean;
  readonly tag: number;
}

type Mode =
  | { readonly kind: "open" }
  /** After a Resend: the line falls silent before `backTo` is sent again. */
  | {
      readonly kind: "quiet";
      readonly untilMs: number;
      readonly backTo: number;
      /** Nothing else was in flight: the `ok` of the Resend is the last that comes. */
      readonly wasAlone?: boolean;
    };

const OPEN: Mode = { kind: "open" };

/** The firmware's last line number must be FIRST_NUMBER - 1 (`M110 N100`). */
export function makeLink(policy: LinkPolicy = LINK_POLICY): Link {
  const history: (Line | undefined)[] = Array.from({ length: HISTORY_LINES });
  const flight: Flight[] = [];
  let mode: Mode = OPEN;
  let nextNumber = FIRST_NUMBER;
  let cursor = FIRST_NUMBER; // the next one to be written, at most nextNumber
  let ackedNumber = FIRST_NUMBER - 1;
  let ackedTag = 0;
  let output = "";
  let bytesInFlight = 0;
  let signMs = 0; // last sign that lines are being worked off
  let asks = 0;
  let hasStray = false;
  let hasProbed = false; // since the last answer with a number
  let plannerFree = 0; // as of the last answer that told it
  let isInDoubt = false;
  let provenNumber = FIRST_NUMBER - 1;
  let isAdvanced = false;
  let saysBusy = false;
  let windowBytes = policy.windowBytes;
  let lastError = { number: -Infinity, repeats: 0 };
  let lowResend: number | undefined;
  let resent = 0;
  let asked = 0;
  let fault: LinkFault | undefined;

  const lineAt = (number: number): Line => {
    const line = history[number % HISTORY_LINES];
    assert(line?.number === number, `line ${number} is not in the history`);
    return line;
  };

  function mayWrite(bytes: number, isBlocking: boolean): boolean {
    if (fault !== undefined || mode.kind !== "open") return false;
    if (flight.length === 0) return true;
    if (isBlocking || flight.some((sent) => sent.isBlocking)) return false; // LK2
    return bytesInFlight + bytes <= windowBytes; // LK1
  }

  function fly(sent: Flight, wire: string, nowMs: number): void {
    if (flight.length === 0) signMs = nowMs;
    flight.push(sent);
    bytesInFlight += sent.bytes;
    output += wire;
  }

  function pump(nowMs: number): void {
    while (cursor < nextNumber) {
      const { number, wire, name, tag } = lineAt(cursor);
      const isBlocking = BLOCKING.has(name);
      if (!mayWrite(wire.length, isBlocking)) return;
      const isReport = name === "M105";
      const needsPerson = name === "M600";
      fly({ number, bytes: wire.length, isBlocking, isReport, needsPerson, tag }, wire, nowMs);
      cursor += 1;
    }
    if (isInDoubt && flight.length === 0 && mode.kind === "open") enqueue("M105", -1, nowMs); // LK4
  }

  function enqueue(command: string, tag: number, nowMs: number): void {
    const name = command.split(" ", 1)[0] ?? "";
    const wire = formatLine(nextNumber, command);
    history[nextNumber % HISTORY_LINES] = { number: nextNumber, wire, tag, name };
    nextNumber += 1;
    pump(nowMs);
  }

  /** Takes the first `count` entries out of flight. */
  function land(count: number): void {
    [hasStray, hasProbed] = [false, false];
    for (const sent of flight.splice(0, count)) {
      bytesInFlight -= sent.bytes;
      if (sent.number === undefined) continue;
      ackedNumber = Math.max(ackedNumber, sent.number);
      ackedTag = Math.max(ackedTag, sent.tag);
      if (windowBytes < policy.windowBytes) windowBytes += 1; // additive increase
    }
  }

  function onOk(event: Extract<MarlinEvent, { kind: "ok" }>, nowMs: number): void {
    if (event.n !== undefined) {
      plannerFree = event.p ?? 0;
      const index = flight.findIndex(({ number }) => number === event.n);
      isAdvanced = isAdvanced || index !== -1;
      if (index !== -1) land(index + 1); // a later ok answers for the lost ones before it
      return;
    }
    const head = flight[0];
    if (mode.kind === "quiet" && mode.wasAlone) mode = { ...mode, untilMs: nowMs };
    if (head === undefined || mode.kind === "quiet") return; // the ok of a Resend
    const report = flight.findIndex(({ isReport }) => isReport);
    if (event.reading !== undefined && report !== -1) {
      onReport(report, nowMs);
      return;
    }
    // Answers that a full planner held back come after a Resend, too: taken for that of an M105, they
    // would let its own answer, later, prove lines that it knows nothing of (seen: the last line lost).
    if (head.isReport) return;
    // With ADVANCED_OK a bare ok belongs to a Resend, or to a line that noise made unnumbered: then
    // nothing more will come of it.
    if (isAdvanced) hasStray = true;
    else land(1);
  }

  function onReport(index: number, nowMs: number): void {
    const number = flight[index]?.number;
    if (number === undefined) {
      // Answers to further M105 may follow; they must not be taken for the proof (LK4).
      mode = { kind: "quiet", untilMs: nowMs + policy.quietMs, backTo: cursor };
      return;
    }
    land(index + 1);
    provenNumber = number;
    isInDoubt = false;
  }

  function onResend(number: number, nowMs: number): void {
    const isTooLow = number < Math.max(FIRST_NUMBER, ackedNumber - BACK_LINES_MAX);
    if (isTooLow && number === lowResend) fault = { kind: "restarted" }; // LK5: said twice, no noise
    lowResend = isTooLow ? number : undefined;
    // A number that cannot be true is noise in the answer; the next line brings the right one.
    if (isTooLow || number > cursor) return;
    const isEqual = lastError.number === number;
    if (mode.kind === "quiet" && mode.backTo === number) {
      mode = { ...mode, untilMs: Math.max(mode.untilMs, nowMs + policy.quietMs) };
      return; // the answer to another line that was in flight
    }
    const repeats = isEqual ? lastError.repeats + 1 : 0;
    if (number - lastError.number <= ERRORS_NEAR_LINES) windowBytes = Math.ceil(windowBytes / 2);
    lastError = { number, repeats };
    if (repeats >= EQUAL_RESENDS_MAX) {
      fault = { kind: "resends", line: number };
      return;
    }
    hasStray = false;
    const untilMs = nowMs + policy.quietMs + bytesInFlight / policy.wireBytesPerMs;
    mode = { kind: "quiet", untilMs, backTo: number, wasAlone: flight.length <= 1 };
  }

  /** The line is quiet: everything in flight was either answered or thrown away by the firmware. */
  function goBack(backTo: number, nowMs: number): void {
    const kept = flight.findIndex(({ number }) => number === undefined || number >= backTo);
    if (kept !== 0) land(kept === -1 ? flight.length : kept);
    flight.length = 0;
    bytesInFlight = 0;
    resent += cursor - backTo;
    cursor = backTo;
    mode = OPEN;
    isInDoubt = true; // LK4
    pump(nowMs);
  }

  function ask(nowMs: number): void {
    if (asks >= policy.asksMax) {
      fault = { kind: "silent" };
      return;
    }
    asks += 1;
    signMs = nowMs;
    writeQuestion();
  }

  function writeQuestion(): void {
    asked += 1;
    // The leading line end closes a line whose own end was lost.
    const wire = "\nM105\n";
    if (!flight.some(({ number }) => number === undefined)) {
      const plain = { number: undefined, tag: 0, isBlocking: true, isReport: true };
      flight.push({ ...plain, needsPerson: false, bytes: wire.length });
      bytesInFlight += wire.length;
    }
    output += wire;
  }

  /**
   * With ADVANCED_OK the firmware said that it has room for moves, or it answered something that was
   * no line of ours: what is silent now has lost a line or its answer, and need not be waited for.
   */
  function isDue(nowMs: number): boolean {
    if (hasProbed || asks > 0 || nowMs - signMs < policy.dueMs) return false;
    return (hasStray || plannerFree > 1) && !flight.some(({ isBlocking }) => isBlocking);
  }

  function patienceMs(): number {
    if (asks > 0) return policy.askMs;
    const isBlocked = flight.some(({ isBlocking, number }) => isBlocking && number !== undefined);
    return isBlocked && !saysBusy ? policy.blockingMs : policy.answerMs;
  }

  return {
    hasRoom: () => cursor === nextNumber && !isInDoubt && mayWrite(24, false),
    send(command, tag, nowMs) {
      assert(nextNumber - cursor < BACK_LINES_MAX, "send without asking hasRoom");
      enqueue(command, tag, nowMs);
      return nextNumber - 1;
    },
    receive(event, nowMs) {
      switch (event.kind) {
        case "ok":
          onOk(event, nowMs);
          break;
        case "resend":
          onResend(event.n, nowMs);
          break;
        case "busy":
          saysBusy = true;
          if (event.why.startsWith("paused") && !flight.some(({ needsPerson }) => needsPerson)) {
            // Noise made M1, "wait for a person", of an unnumbered M105 (seen: `M1 5`).
            output += "\nM108\n";
          }
          break;
        case "error":
          break;
        case "wait": {
          // An idle firmware has no unanswered line: the answers were lost.
          if (mode.kind === "open" && flight.length > 0) {
            land(flight.length);
            isInDoubt = true;
          }
          break;
        }
        case "start":
          fault = { kind: "restarted" };
          break;
        case "fatal":
          fault = { kind: "fatal", text: event.text };
          break;
        case "reading":
        case "position":
        case "action":
        case "firmware":
        case "cap":
        case "area":
        case "echo":
        case "noise":
          return; // life, but no sign that lines are being worked off
      }
      signMs = nowMs;
      asks = 0;
      if (mode.kind === "quiet" && nowMs >= mode.untilMs) goBack(mode.backTo, nowMs);
      else pump(nowMs);
    },
    tick(nowMs) {
      if (fault !== undefined) return;
      if (mode.kind === "quiet") {
        if (nowMs >= mode.untilMs) goBack(mode.backTo, nowMs);
      } else if (flight.length > 0 && nowMs - signMs >= patienceMs()) {
        ask(nowMs);
      } else if (flight.length > 0 && isDue(nowMs)) {
        hasProbed = true;
        writeQuestion();
      } else {
        pump(nowMs);
      }
    },
    takeOutput() {
      const wire = output;
      output = "";
      return wire;
    },
    emergency() {
      output = "";
      fault ??= { kind: "fatal", text: "Emergency stop" };
      // Plain first: a basic firmware catches only a line that begins with M. Then numbered.
      return `\nM112\n${formatLine(nextNumber, "M112")}M104 S0\nM140 S0\n`;
    },
    ackedNumber: () => ackedNumber,
    ackedTag: () => ackedTag,
    isSettled: () => mode.kind === "open" && flight.length === 0 && provenNumber === nextNumber - 1,
    settle(nowMs) {
      if (cursor < nextNumber || flight.length > 0 || mode.kind !== "open") return;
      if (provenNumber < nextNumber - 1) enqueue("M105", -1, nowMs);
    },
    fault: () => fault,
    counts: () => ({ lines: nextNumber - FIRST_NUMBER, resent, asked }),
    inFlightBytes: () => bytesInFlight,
    needsPerson: () => flight.some(({ needsPerson }) => needsPerson),
  };
}
