// Tells systemd how this program is: ready, alive, stopping (sd_notify of libsystemd, by node:ffi).
//
// SM1. Only the program itself speaks: the variables of systemd are taken out of the environment, so
//      that nothing it starts can vouch for it.
// SM2. Life is told from the main loop, never from a thread of its own: a loop that stands still tells
//      nothing, and systemd ends and starts the program (WatchdogSec of the unit).
// SM3. Without systemd (NOTIFY_SOCKET) nothing happens and nothing is loaded.

import { GantryError } from "../base/errors.ts";

/** Times within WatchdogSec that life is told. */
const BEATS = 4;

export interface ServiceManager {
  /** It does its work from now on: dependents start, and the watchdog counts. */
  ready(): void;
  /** It was told to end. Life is still told, so that a stop that hangs is ended by its own limit. */
  stopping(): void;
}

type Tell = (state: string) => void;

/**
 * Takes NOTIFY_SOCKET and the watchdog's variables out of `env`. Throws capability_missing where systemd
 * waits to be told and libsystemd cannot be loaded.
 */
export function openServiceManager(
  env: NodeJS.ProcessEnv,
  load: (socket: string) => Tell = loadLibrary,
): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env;
  const tell: Tell | undefined = socket === undefined ? undefined : load(socket); // SM3
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name]; // SM1
  const watchdogMs = Number(usec ?? 0) / 1_000;
  const isWatched = watchdogMs > 0 && (pid === undefined || Number(pid) === process.pid);
  return {
    ready() {
      tell?.("READY=1");
      if (tell === undefined || !isWatched) return;
      setInterval(() => tell("WATCHDOG=1"), watchdogMs / BEATS).unref(); // SM2
    },
    stopping() {
      tell?.("STOPPING=1");
    },
  };
}

function loadLibrary(socket: string): Tell {
  try {
    const ffi = process.getBuiltinModule("node:ffi");
    const { functions } = ffi.dlopen("libsystemd.so.0", {
      sd_notify: { arguments: ["int32", "string"], return: "int32" },
      setenv: { arguments: ["string", "string", "int32"], return: "int32" },
    });
    // The library reads the C environment, from which SM1 takes the name for everybody else.
    return (state) => {
      functions.setenv("NOTIFY_SOCKET", socket, 1);
      functions.sd_notify(1, state); // 1: and forget NOTIFY_SOCKET again
    };
  } catch (error) {
    const message = "systemd waits for this program, and libsystemd.so.0 cannot be loaded";
    throw new GantryError("capability_missing", message, { cause: error });
  }
}
