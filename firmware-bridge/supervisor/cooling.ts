// Takes a printer's port and switches its heaters off, with proof.
//
// CO1. Opening resets most boards, which is enough for them; the words go out all the same, at once
//      and again, for a board that was not reset, or swallowed them in the middle of a half line.
// CO2. Cold is what the printer itself reports: targets of 0 in an answer to M105.
// CO4. A mill or a laser is reset (0x18), which stops it and switches its tool off: its welcome proves it.
// CO3. One that does not report it within PLEAD_MS gets its reset line pulled.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { OpenCable } from "../ports.ts";
import { makeGrblDecoder } from "../protocols/grbl-codec.ts";
import { REALTIME } from "../protocols/grbl-realtime.ts";
import { makeMarlinDecoder, type Reading } from "../protocols/marlin-codec.ts";

const PLEAD_MS = 1_500;
const LIMIT_MS = 4_500;
const REPEAT_MS = 150;
const TICK_MS = 10;
/** M108 ends a wait for heat, behind which nothing else is heard. The line end closes a half line. */
const WORDS = "\nM108\nM104 S0\nM140 S0\nM105\n";

/** Resolves when the printer says that it is cold. Rejects with unreachable, port_busy or timeout. */
export async function coolDown(
  openCable: OpenCable,
  clock: Clock,
  signal: AbortSignal,
  firmware?: "grbl",
): Promise<void> {
  const decoder = makeMarlinDecoder();
  const grbl = makeGrblDecoder();
  let isCold = false;
  let hasSaid = false;
  let closed: string | undefined;
  const whyClosed = (): string | undefined => closed;
  const isProven = (): boolean => isCold;
  const cable = await openCable(
    {
      onBytes(bytes) {
        if (firmware === "grbl") {
          isCold ||= hasSaid && grbl.push(bytes).some(({ kind }) => kind === "welcome"); // CO4
          return;
        }
        for (const event of decoder.push(bytes)) {
          if (event.kind === "ok" && event.reading !== undefined) isCold = isOff(event.reading); // CO2
        }
      },
      onClosed: (why) => (closed = why),
    },
    signal,
  );
  try {
    const startMs = clock.monotonic();
    let saidMs = -Infinity;
    let isReset = false;
    while (!isProven()) {
      const nowMs = clock.monotonic();
      if (whyClosed() !== undefined) throw new GantryError("unreachable", `Lost: ${whyClosed()}`);
      if (nowMs - startMs > LIMIT_MS) {
        throw new GantryError("timeout", "The printer does not say that its heaters are off");
      }
      if (!isReset && nowMs - startMs > PLEAD_MS) {
        isReset = true;
        await cable.pulseReset(); // CO3
      }
      if (nowMs - saidMs >= REPEAT_MS) {
        saidMs = nowMs;
        hasSaid = true;
        cable.write(firmware === "grbl" ? REALTIME.reset : WORDS); // CO1
      }
      await clock.sleep(TICK_MS, signal);
    }
  } finally {
    await cable.close();
  }
}

const isOff = ({ nozzleTargetC, bedTargetC }: Reading): boolean =>
  nozzleTargetC === 0 && (bedTargetC ?? 0) === 0;
