// A cable through the serialport package, which opens, locks and sets up the port; bytes go past it.
//
// SP1. serialport 13 on Node 26.4 and later delivers data only when another task of the event loop
//      runs (node-serialport #3148; fix: bindings-cpp PR #239), and takes two hops through the thread
//      pool for each read. So bytes are read and written here, on its descriptor, when its poller
//      says so: a round trip of 0.05 ms instead of stalls of half a second. That reaches into
//      private fields, so it is here, alone, with a test, and the package's version is pinned.
// SP2. It never runs in a worker thread: the package aborts the process there.
// SP3. What the kernel does not take at once waits here, at most WAITING_BYTES_MAX; a cable that
//      takes nothing any more is closed. `urgent` throws away what waits and goes first.

import { readSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { SerialPort } from "serialport";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Cable, CableEvents } from "../ports.ts";
import { serialNames } from "./serial-names.ts";

const DTR_PULSE_MS = 100;
const READ_BYTES = 4_096;
/** A link writes at most some 120 bytes ahead; a handshake some lines. */
const WAITING_BYTES_MAX = 16_384;
const NAMES_MAX = 8;
const READABLE = 1;
const WRITABLE = 2;

/** Rejects with port_busy when another program holds the port, else with unreachable. */
export function openSerial(path: string, baudRate: number, events: CableEvents): Promise<Cable> {
  return new Promise((resolve, reject) => {
    const port = new SerialPort({ path, baudRate, autoOpen: false });
    let isClosed = false;
    const closed = (why: string): void => {
      if (isClosed) return;
      isClosed = true;
      events.onClosed(why);
    };
    port.on("error", (error: Error) => closed(error.message));
    port.on("close", (error: Error | null) => closed(error?.message ?? "closed"));
    port.open((error) => {
      if (error !== null) {
        reject(openFault(path, error));
        return;
      }
      const native = nativeOf(port);
      if (native === undefined) {
        port.close();
        reject(new GantryError("unreachable", `This serialport has no poller for ${path}`));
        return;
      }
      resolve(makeCable(port, native, events, closed));
    });
  });
}

interface Poller {
  poll(events: number): void;
  on(event: "readable" | "writable", listener: (error: unknown) => void): void;
}

interface Native {
  readonly fd: number;
  readonly poller: Poller;
}

/** SP1: private, so it is checked before it is used. */
function nativeOf(port: SerialPort): Native | undefined {
  const { fd, poller } = (port.port ?? {}) as { fd?: unknown; poller?: Partial<Poller> };
  if (typeof fd !== "number" || typeof poller?.poll !== "function") return undefined;
  return { fd, poller: poller as Poller }; // an emitter, as the class that it is of says
}

function makeCable(
  port: SerialPort,
  { fd, poller }: Native,
  events: CableEvents,
  closed: (why: string) => void,
): Cable {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let waiting = "";

  function lose(why: string): void {
    closed(why);
    if (port.isOpen) port.close(() => undefined);
  }

  /** The native callback runs no tick and no microtask after it, and eats what is thrown in it. */
  const fromNative = (work: () => void) => (error: unknown) => {
    if (error !== null || !port.isOpen) return; // it is being closed
    try {
      work();
    } catch (thrown) {
      setImmediate(() => {
        throw thrown;
      });
      return;
    }
    setImmediate(() => undefined); // SP1
  };

  function read(): void {
    const sizeBytes = attempt(() => readSync(fd, buffer, 0, READ_BYTES, null));
    if (typeof sizeBytes === "string") return lose(sizeBytes);
    if (sizeBytes === 0) return lose("hung up");
    poller.poll(READABLE);
    if (sizeBytes !== undefined) events.onBytes(buffer.subarray(0, sizeBytes));
  }

  function flush(): void {
    const sizeBytes = attempt(() => writeSync(fd, waiting, null, "latin1"));
    if (typeof sizeBytes === "string") return lose(sizeBytes);
    waiting = waiting.slice(sizeBytes ?? 0);
    if (waiting === "") return;
    if (waiting.length > WAITING_BYTES_MAX) lose("it takes no more bytes"); // SP3
    else poller.poll(WRITABLE);
  }

  poller.on("readable", fromNative(read));
  poller.on("writable", fromNative(flush));
  poller.poll(READABLE);

  return {
    write(text) {
      if (!port.isOpen) return;
      const isClear = waiting === "";
      waiting += text;
      if (isClear || waiting.length > WAITING_BYTES_MAX) flush();
    },
    urgent(text) {
      if (!port.isOpen) return;
      waiting = text; // SP3
      flush();
    },
    async pulseReset() {
      await setDtr(port, false);
      await sleep(DTR_PULSE_MS);
      await setDtr(port, true);
    },
    close: () =>
      new Promise((resolve) => {
        if (port.isOpen) port.close(() => resolve());
        else resolve();
      }),
  };
}

/** What the call gave; undefined if it would have to wait; text if the port is gone. */
function attempt(call: () => number): number | undefined | string {
  try {
    return call();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "EAGAIN" || code === "EINTR") return undefined;
    if (code !== "") return code;
    throw error;
  }
}

/** A pseudo terminal has no DTR; that is no fault. */
const setDtr = (port: SerialPort, dtr: boolean): Promise<void> =>
  new Promise((resolve) => {
    if (port.isOpen) port.set({ dtr }, () => resolve());
    else resolve();
  });

function openFault(path: string, error: Error): GantryError {
  const isHeld = /lock|busy|EBUSY|temporarily unavailable/i.test(error.message);
  const what = isHeld ? "is held by another program" : "cannot be opened";
  const names = serialNames().map(({ name }) => name);
  const others =
    isHeld || names.length === 0 ? "" : `; there are ${names.slice(0, NAMES_MAX).join(", ")}`;
  const code = isHeld ? "port_busy" : "unreachable";
  return new GantryError(code, `${path} ${what}: ${error.message}${others}`, { cause: error });
}
