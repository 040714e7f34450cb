// The emergency stop. It waits for nothing: the frames leave before anything is written, to every
// node that has the printers, and the record follows.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RETRY } from "@gantry/shared/base/policy.ts";
import { act, type By, type Hub, newId } from "../hub.ts";
import type { AgentLink } from "../ports.ts";
import type { Calls } from "./calls.ts";

export interface Stopped {
  /** Printers whose bridge said that it has stopped them. */
  readonly stopped: readonly string[];
  /** Printers of which nobody said so: go there and use the switch. */
  readonly unreachable: readonly string[];
}

export type PressStop = (
  printer: string | undefined,
  by: By,
  signal: AbortSignal,
) => Promise<Stopped>;

export function makeStop(hub: Hub, calls: Calls, link: () => AgentLink): PressStop {
  return async (printer, by, signal) => {
    const devices = [...hub.rows.hot("device").values()].filter(
      ({ id }) => printer === undefined || id === printer,
    );
    const nodes = new Set([...devices.map(({ node }) => node), ...link().heard().keys()]);
    const answers = await Promise.all([...nodes].map((node) => stopNode(node)));
    const stopped = new Set(answers.flat());
    const unreachable = devices.map(({ id }) => id).filter((id) => !stopped.has(id));
    record([...stopped], unreachable);
    return { stopped: [...stopped], unreachable };

    async function stopNode(node: string): Promise<readonly string[]> {
      const id = newId(hub, "req");
      const message = { type: "stop" as const, id, ...(printer === undefined ? {} : { printer }) };
      try {
        const timeoutMs = RETRY.device.totalMs;
        const answer = await calls.call(node, message, { timeoutMs, isUrgent: true, signal });
        return answer as readonly string[]; // hands/inbox.ts gives the node's list
      } catch (error) {
        hub.log.error(
          { node, error: toErrorRecord(error) },
          "the emergency stop was not confirmed",
        );
        return [];
      }
    }

    function record(stoppedIds: readonly string[], unreachableIds: readonly string[]): void {
      const body = {
        type: "emergencyStopped" as const,
        devices: [...stoppedIds, ...unreachableIds],
      };
      act(hub, body, by, new AbortController().signal).catch((error: unknown) =>
        hub.log.error({ error: toErrorRecord(error) }, "the emergency stop is not on record"),
      );
    }
  };
}
