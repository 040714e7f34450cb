// From bytes to numbered commands, as queue.cpp of Marlin does it. Upholds SM1 and SM2 (marlin.ts).
// Pure.

import type { Random } from "@gantry/shared/base/prng.ts";
import { checksumOf } from "../protocols/marlin-line.ts";
import type { FaultBox } from "./faults.ts";

export interface Queued {
  readonly number: number | undefined;
  readonly command: string;
}

export interface LineReader {
  /** A byte from the wire. */
  arrive(byte: number): void;
  /** Moves whole lines into the queue while it has room. */
  read(): void;
  take(): Queued | undefined;
  waiting(): number;
  /** Bytes that came while the buffer was full. */
  dropped(): number;
  /** M110. */
  renumber(lastNumber: number | undefined): void;
  /** What was received and not taken is gone; the numbers stay. */
  clear(): void;
  /** As after power on. */
  reset(): void;
}

export interface LineReaderPorts {
  readonly faults: FaultBox;
  readonly random: Random;
  /** Bytes over its 128 are lost, as where they come faster than they are read. */
  readonly hasSmallBuffer: boolean;
  readonly hasEmergencyParser: boolean;
  say(text: string): void;
  /** The `ok` that belongs to no command. */
  sayBareOk(): void;
  onEmergency(command: "M108" | "M112" | "M410" | "M876"): void;
}

const RX_BYTES = 128;
export const QUEUE_LINES = 4;
const LINE_BYTES = 95;
const EMERGENCY_CHARS = 24;
/** A bad line has its changed bit among so many first bytes. */
const BAD_BYTES = 32;
const LF = 10;
const CR = 13;

export function makeLineReader(ports: LineReaderPorts): LineReader {
  const { faults } = ports;
  let rx: number[] = [];
  let partial = "";
  let emergencyText = "";
  let queue: Queued[] = [];
  let lastNumber = 0;
  let dropped = 0;
  let column = 0; // of the next byte
  let badColumn = -1;

  /** SM2 */
  function lineError(why: string): void {
    ports.say(`Error:${why}, Last Line: ${lastNumber}`);
    rx = [];
    partial = "";
    ports.say(`Resend: ${lastNumber + 1}`);
    ports.sayBareOk();
  }

  function enqueueLine(line: string): void {
    const semicolon = line.indexOf(";");
    const text = (semicolon === -1 ? line : line.slice(0, semicolon)).trim();
    if (text === "") return;
    const head = /^N(-?\d+)\s*/.exec(text);
    const star = text.lastIndexOf("*");
    const body = star === -1 ? text : text.slice(0, star);
    if (head === null) {
      queue.push({ number: undefined, command: body.trim() });
      return;
    }
    const command = body.slice(head[0].length).trim();
    const renumber = /^M110(?:\s*N(-?\d+))?/.exec(command);
    const number = Number(renumber?.[1] ?? head[1]);
    if (renumber === null && number !== lastNumber + 1) {
      if (number === lastNumber || number === lastNumber - 1) return;
      lineError("Line Number is not Last Line Number+1");
      return;
    }
    if (star === -1) {
      lineError("No Checksum with line number");
      return;
    }
    if (Number.parseInt(text.slice(star + 1), 10) !== checksumOf(body)) {
      lineError("checksum mismatch");
      return;
    }
    if (faults.spend("forceResend")) {
      lineError("checksum mismatch");
      return;
    }
    lastNumber = number;
    queue.push({ number, command });
  }

  function read(): void {
    while (queue.length < QUEUE_LINES && rx.length > 0) {
      const byte = rx.shift() ?? LF;
      if (byte !== LF && byte !== CR) {
        if (partial.length < LINE_BYTES) partial += String.fromCharCode(byte);
        continue;
      }
      const line = partial;
      partial = "";
      enqueueLine(line);
    }
  }

  function parseEmergency(byte: number): void {
    if (byte !== LF && byte !== CR) {
      if (emergencyText.length < EMERGENCY_CHARS) emergencyText += String.fromCharCode(byte);
      return;
    }
    const found = /^\s*(?:N-?\d+\s*)?(M108|M112|M410|M876)(?!\d)/.exec(emergencyText)?.[1];
    emergencyText = "";
    if (found === "M108" || found === "M112" || found === "M410" || found === "M876") {
      ports.onEmergency(found);
    }
  }

  /** badLinesPpm: the byte as it is read. */
  function spoiled(byte: number): number {
    if (column === 0) {
      const isBad = ports.random() * 1_000_000 < faults.now.badLinesPpm;
      badColumn = isBad ? Math.floor(ports.random() * BAD_BYTES) : -1;
    }
    const isHere = column === badColumn;
    column = byte === LF ? 0 : column + 1;
    return isHere ? byte ^ (1 << Math.floor(ports.random() * 8)) : byte;
  }

  function clear(): void {
    rx = [];
    queue = [];
  }

  return {
    arrive(sent) {
      const byte = faults.now.badLinesPpm === 0 ? sent : spoiled(sent);
      if (byte === LF && faults.spend("loseNewlines")) return;
      if (ports.hasEmergencyParser) parseEmergency(byte);
      if (ports.hasSmallBuffer && rx.length >= RX_BYTES) dropped += 1; // SM1
      else rx.push(byte);
    },
    read,
    take: () => queue.shift(),
    waiting: () => queue.length,
    dropped: () => dropped,
    renumber(number) {
      lastNumber = number ?? lastNumber;
    },
    clear,
    reset() {
      clear();
      partial = "";
      emergencyText = "";
      lastNumber = 0;
    },
  };
}
