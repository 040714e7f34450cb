// A cable through the serialport package.
//
// SP1. serialport 13 on Node 26.4 and later delivers data only when another task of the event loop
//      runs (node-serialport #3148; fix: bindings-cpp PR #239). The hook on the poller wakes the
//      loop: round trips of 0.1 ms instead of stalls of half a second. It reaches into private
//      fields, so it is here, alone, with a test; it goes when PR #239 is released.
// SP2. It never runs in a worker thread: the package aborts the process there.

import { setTimeout as sleep } from "node:timers/promises";
import { SerialPort } from "serialport";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Cable, CableEvents } from "../ports.ts";

const DTR_PULSE_MS = 100;

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
    port.on("data", (bytes: Uint8Array) => events.onBytes(bytes));
    port.on("error", (error: Error) => closed(error.message));
    port.on("close", (error: Error | null) => closed(error?.message ?? "closed"));
    port.open((error) => {
      if (error !== null) {
        reject(openFault(path, error));
        return;
      }
      wakeLoop(port);
      resolve(makeCable(port));
    });
  });
}

function makeCable(port: SerialPort): Cable {
  return {
    write(text) {
      if (port.isOpen) port.write(text, "latin1");
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

/** A pseudo terminal has no DTR; that is no fault. */
const setDtr = (port: SerialPort, dtr: boolean): Promise<void> =>
  new Promise((resolve) => {
    if (port.isOpen) port.set({ dtr }, () => resolve());
    else resolve();
  });

interface Poller {
  on(event: "readable" | "writable" | "disconnect", listener: () => void): void;
}

/** SP1 */
function wakeLoop(port: SerialPort): void {
  const { poller } = (port.port ?? {}) as { poller?: Poller }; // private: checked before use
  if (poller === undefined) return;
  for (const event of ["readable", "writable", "disconnect"] as const) {
    poller.on(event, () => void setImmediate(() => undefined));
  }
}

function openFault(path: string, error: Error): GantryError {
  const isHeld = /lock|busy|EBUSY|temporarily unavailable/i.test(error.message);
  const what = isHeld ? "is held by another program" : "cannot be opened";
  const code = isHeld ? "port_busy" : "unreachable";
  return new GantryError(code, `${path} ${what}: ${error.message}`, { cause: error });
}
