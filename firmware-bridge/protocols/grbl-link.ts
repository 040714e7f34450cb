// The link to one Grbl: its receive buffer is kept full by counting characters. Pure: the shell
// passes bytes and time in and writes what `takeOutput` and `takeRealtime` give.
//
// GL1. Never more than `windowBytes` unanswered bytes, each line with its end: Grbl's buffer has 128,
//      and what does not fit is lost without a word.
// GL2. Each line gets exactly one `ok` or `error:N`, in order.
// GL3. A line that writes Grbl's EEPROM, or homes, travels alone: it loses bytes that come meanwhile.
// GL4. After an error the lines that are already in the buffer would still run. So the machine is held
//      at once and nothing more is sent; who goes on must reset.
// GL5. There are neither numbers nor sums. Where an answer was lost, nobody can say which line was:
//      that is a fault, found by a status that shows an empty buffer while lines are unanswered.
// GL6. Real-time bytes pass everything: stop, hold and resume work with a full buffer.

import { assert } from "@gantry/shared/base/assert.ts";
import type { GrblEvent, GrblStatus, Overrides } from "./grbl-codec.ts";
import { overrideBytes, rapidByte, REALTIME } from "./grbl-realtime.ts";

export interface GrblPolicy {
  /** At most 127. */
  readonly windowBytes: number;
  /** Between two `?`. */
  readonly askMs: number;
  /** Without a status for so long it is gone. */
  readonly silentMs: number;
  /** While it homes it answers nothing. */
  readonly homingMs: number;
  /** A buffer that is seen empty for so long, with lines unanswered, has lost an answer. */
  readonly lostMs: number;
}

export const GRBL_POLICY: GrblPolicy = {
  windowBytes: 127,
  askMs: 200,
  silentMs: 2_500,
  homingMs: 120_000,
  lostMs: 1_000,
};

/** Grbl's line buffer has 80 bytes, the closing zero among them. */
export const GRBL_LINE_BYTES_MAX = 79;
const RECEIVE_BYTES = 128;

export type GrblFault =
  | { readonly kind: "refused"; readonly tag: number; readonly code: number }
  | { readonly kind: "alarm"; readonly code: number }
  | { readonly kind: "restarted" }
  | { readonly kind: "silent" }
  | { readonly kind: "lost answer" };

export interface GrblLink {
  /** May a line of so many bytes, without its end, be sent now? */
  hasRoom(command: string): boolean;
  send(command: string, tag: number, nowMs: number): void;
  receive(event: GrblEvent, nowMs: number): void;
  /** To be called every 20 ms or so. */
  tick(nowMs: number): void;
  takeOutput(): string;
  /** To be written past everything else (GL6). */
  takeRealtime(): string;
  hold(): void;
  resume(): void;
  /** Percent; 10 to 200, of rapid 100, 50 or 25. Needs a status that told what they are now. */
  override(of: keyof Overrides, percent: number): boolean;
  /** Stops at once; what was under way is lost, and so is the position if it moved. */
  emergency(): string;
  /** The highest tag that was answered with `ok`. */
  ackedTag(): number;
  /** All that was sent was answered. What is planned may still move: see `status().state`. */
  isAnswered(): boolean;
  status(): GrblStatus | undefined;
  fault(): GrblFault | undefined;
  inFlightBytes(): number;
}

interface Flight {
  readonly bytes: number;
  readonly tag: number;
  readonly isAlone: boolean;
  readonly isHoming: boolean;
}

/** GL3. Settings, start-up lines, stored positions and offsets, restore. */
const WRITES = /^(?:\$\d+=|\$N\d=|\$RST=|G10(?!\d)|.*\bG(?:28|30)\.1)/;

/** From right after its welcome. */
export function makeGrblLink(policy: GrblPolicy = GRBL_POLICY): GrblLink {
  const flight: Flight[] = [];
  let bytesInFlight = 0;
  let output = "";
  let realtime = "";
  let ackedTag = 0;
  let status: GrblStatus | undefined;
  let overrides: Overrides = { feed: 100, rapid: 100, spindle: 100 };
  let fault: GrblFault | undefined;
  let askedMs = -Infinity;
  let heardMs: number | undefined;
  let emptySinceMs: number | undefined;

  function land(isGood: boolean, code: number): void {
    const sent = flight.shift(); // GL2
    if (sent === undefined) return;
    bytesInFlight -= sent.bytes;
    if (isGood) {
      ackedTag = Math.max(ackedTag, sent.tag);
      return;
    }
    realtime += REALTIME.hold; // GL4
    fault ??= { kind: "refused", tag: sent.tag, code };
  }

  /** GL5 */
  function lookForLost(seen: GrblStatus, nowMs: number): void {
    const isEmpty = seen.receiveFree === undefined || seen.receiveFree >= RECEIVE_BYTES;
    if (flight.length === 0 || seen.state !== "Idle" || !isEmpty) {
      emptySinceMs = undefined;
      return;
    }
    emptySinceMs ??= nowMs;
    if (nowMs - emptySinceMs >= policy.lostMs) fault ??= { kind: "lost answer" };
  }

  return {
    hasRoom(command) {
      if (fault !== undefined) return false;
      if (flight.length === 0) return true;
      if (isAlone(command) || flight.some((sent) => sent.isAlone)) return false; // GL3
      return bytesInFlight + command.length + 1 <= policy.windowBytes; // GL1
    },
    send(command, tag, nowMs) {
      assert(command.length <= GRBL_LINE_BYTES_MAX, "a line over Grbl's buffer");
      assert(this.hasRoom(command), "send without asking hasRoom");
      const bytes = command.length + 1;
      const isHoming = command === "$H";
      flight.push({ bytes, tag, isAlone: isAlone(command), isHoming });
      bytesInFlight += bytes;
      output += `${command}\n`;
      heardMs ??= nowMs;
      emptySinceMs = undefined;
    },
    receive(event, nowMs) {
      heardMs = nowMs;
      switch (event.kind) {
        case "ok":
          land(true, 0);
          emptySinceMs = undefined;
          break;
        case "error":
          land(false, event.code);
          break;
        case "alarm":
          fault ??= { kind: "alarm", code: event.code };
          break;
        case "welcome":
          fault ??= { kind: "restarted" };
          break;
        case "status":
          status = { ...event.status };
          overrides = event.status.overrides ?? overrides;
          if (event.status.state === "Alarm") fault ??= { kind: "alarm", code: 0 };
          lookForLost(event.status, nowMs);
          break;
        case "setting":
        case "message":
        case "noise":
          break;
      }
    },
    tick(nowMs) {
      heardMs ??= nowMs;
      const isHoming = flight.some((sent) => sent.isHoming);
      const patienceMs = isHoming ? policy.homingMs : policy.silentMs;
      if (nowMs - heardMs > patienceMs) fault ??= { kind: "silent" };
      if (nowMs - askedMs < policy.askMs || isHoming) return;
      askedMs = nowMs;
      realtime += REALTIME.status;
    },
    takeOutput() {
      const lines = output;
      output = "";
      return lines;
    },
    takeRealtime() {
      const bytes = realtime;
      realtime = "";
      return bytes;
    },
    hold() {
      realtime += REALTIME.hold;
    },
    resume() {
      if (fault === undefined) realtime += REALTIME.resume;
    },
    override(of, percent) {
      if (of === "rapid") {
        const byte = rapidByte(percent);
        realtime += byte ?? "";
        return byte !== undefined;
      }
      realtime += overrideBytes(of, overrides[of], percent);
      overrides = { ...overrides, [of]: percent };
      return true;
    },
    emergency() {
      output = "";
      realtime = "";
      fault ??= { kind: "alarm", code: 3 };
      return REALTIME.reset;
    },
    ackedTag: () => ackedTag,
    isAnswered: () => flight.length === 0,
    status: () => status,
    fault: () => fault,
    inFlightBytes: () => bytesInFlight,
  };
}

const isAlone = (command: string): boolean => command === "$H" || WRITES.test(command);

/** What the numbers of `error:` and `ALARM:` mean, for people; the rest are told by number. */
export const GRBL_ERRORS: Readonly<Record<number, string>> = {
  1: "a word has no letter",
  2: "a number cannot be read",
  3: "the $ command is not known",
  8: "that works only while it stands still",
  9: "it is locked by an alarm",
  11: "the line is too long",
  15: "the jog leaves the machine",
  20: "the command is not supported",
  22: "no feed rate was given",
  24: "two commands of one line want the same axes",
  33: "the arc cannot be computed",
};
export const GRBL_ALARMS: Readonly<Record<number, string>> = {
  1: "a limit switch was hit",
  2: "the move leaves the machine",
  3: "it was reset while it moved; the position is lost",
  4: "the probe was touched too early",
  5: "the probe touched nothing",
  6: "it was reset while it homed",
  8: "a limit switch stays on while it homes",
  9: "no limit switch was found while it homed",
};
