// How many answers of models one token has under way at this door, and how long they take: the bound
// that one program cannot pass, and the x-ratelimit headers that tell it how near it is.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { DoorContext, Handler } from "../door.ts";

export interface Rates {
  /** Throws busy when LIMIT.modelCalls of this token are under way. */
  run<T>(token: string, work: () => Promise<T>): Promise<T>;
  headersOf(token: string): readonly (readonly [name: string, value: string])[];
}

/** A new mean takes a fifth of the newest answer's time. */
const SHARE = 0.2;

export function makeRates(clock: Clock, max: number = LIMIT.modelCalls.max): Rates {
  const underWay = new Map<string, number>();
  let meanMs = 0;

  return {
    async run(token, work) {
      const count = underWay.get(token) ?? 0;
      if (count >= max) {
        const retryAfterS = Math.max(1, meanMs / 1_000);
        throw new GantryError("busy", `${count} answers for this token are under way`, {
          details: { retryAfterS },
        });
      }
      underWay.set(token, count + 1);
      const startMs = clock.monotonic();
      try {
        return await work();
      } finally {
        const tookMs = clock.monotonic() - startMs;
        meanMs = meanMs === 0 ? tookMs : meanMs * (1 - SHARE) + tookMs * SHARE;
        const left = (underWay.get(token) ?? 1) - 1;
        if (left === 0) underWay.delete(token);
        else underWay.set(token, left);
      }
    },
    headersOf(token) {
      const remaining = Math.max(0, max - (underWay.get(token) ?? 0));
      const resetMs = remaining > 0 ? 0 : Math.ceil(meanMs);
      return [
        ["x-ratelimit-limit-requests", String(max)],
        ["x-ratelimit-remaining-requests", String(remaining)],
        ["x-ratelimit-reset-requests", `${resetMs}ms`],
      ];
    },
  };
}

/** `handler`, with the headers on every reply; a refusal of `respond`'s gets them too. */
export const rated =
  (
    rates: Rates,
    handler: Handler,
    respond: (error: GantryError, c: DoorContext) => Response,
  ): Handler =>
  async (c) => {
    const token = c.get("actor")?.token ?? "";
    const reply = await answerOf(handler, c, respond);
    for (const [name, value] of rates.headersOf(token)) reply.headers.set(name, value);
    return reply;
  };

/** What is no GantryError is a bug, and the app's own affair. */
async function answerOf(
  handler: Handler,
  c: DoorContext,
  respond: (error: GantryError, c: DoorContext) => Response,
): Promise<Response> {
  try {
    return await handler(c);
  } catch (error) {
    if (error instanceof GantryError) return respond(error, c);
    throw error;
  }
}
