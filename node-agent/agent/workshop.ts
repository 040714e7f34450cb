// What a hub asks about the workshop of this machine, answered once: looks around, how printers are, adopting
// one, a picture.
//
// WK1. One look around at a time: whoever asks meanwhile gets the answer of that one.
// WK2. How printers are is said from what the bridge has told: a printer that hangs is waited for by nobody.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import { type Found, healthOf, type Picture } from "@gantry/shared/contract/workshop.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Outbox } from "./outbox.ts";
import type { Bridge } from "./ports.ts";

export interface WorkshopPorts {
  readonly bridge: () => Bridge;
  readonly printers: () => readonly Printer[];
  readonly outbox: Outbox;
  /** Throws GantryError. */
  readonly discover: (signal: AbortSignal) => Promise<readonly Found[]>;
  /** Of a camera at this address. Throws unreachable, timeout or too_large. */
  readonly takePicture: (url: string, signal: AbortSignal) => Promise<Picture>;
}

type Ask = Extract<HubMessage, { type: "workshop" }>;

export interface Workshop {
  take(message: Ask): void;
}

export function makeWorkshop(ports: WorkshopPorts, scope: Scope): Workshop {
  const { bridge, printers, outbox, discover, takePicture } = ports;
  let looking: Promise<readonly Found[]> | undefined;

  /** WK1 */
  function look(signal: AbortSignal): Promise<readonly Found[]> {
    looking ??= discover(signal).finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function answerOf({ asked }: Ask, signal: AbortSignal): Promise<unknown> {
    switch (asked.ask) {
      case "discover":
        return look(signal);
      case "health":
        return printers().map(healthOf); // WK2
      case "adopt":
        await bridge().order({ type: "adopt", adopt: asked.printer });
        return true;
      case "snapshot":
        return snapshotOf(asked.printer, signal);
    }
  }

  function snapshotOf(id: string, signal: AbortSignal): Promise<Picture> {
    const printer = printers().find((one) => one.id === id);
    if (printer === undefined) throw new GantryError("not_found", `There is no printer ${id} here`);
    const { webcamUrl } = printer;
    if (webcamUrl === undefined) {
      throw new GantryError("capability_missing", `Printer ${id} has no camera that it tells of`);
    }
    return takePicture(webcamUrl, signal);
  }

  return {
    take(message) {
      scope.start("workshop", async (signal) => {
        const { id } = message;
        try {
          const said = await answerOf(message, signal);
          outbox.tell({ type: "workshopSaid", id, said });
        } catch (error) {
          outbox.tell({ type: "failed", id, error: toErrorRecord(error) });
        }
      });
    },
  };
}
