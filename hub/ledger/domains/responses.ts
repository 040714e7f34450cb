// Responses that people's programs go on from.
//
// RS1. A response exists for the person who asked for it, and for nobody else.
// RS2. At most LIMIT.responses are kept: the oldest makes room. One is read for LIFE.responseMs.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { ResponseRow } from "@gantry/shared/contract/responses.ts";
import { checkNew, type Context } from "../context.ts";
import type { Rows } from "../rows.ts";

/** RS1, RS2; undefined for whatever is not there for this person, or not any more. */
export function responseOf(
  rows: Pick<Rows, "get">,
  id: string,
  person: string,
  nowMs: number,
): ResponseRow | undefined {
  const row = rows.get("response", id);
  if (row === undefined || row.person !== person) return undefined;
  return row.atMs + LIFE.responseMs > nowMs ? row : undefined;
}

export function responseKept(context: Context, command: CommandOf<"responseKept">): unknown {
  const { rows } = context;
  const { id, previous, input, response, actor: person, atMs } = command;
  checkNew(context, "response", id, "response");
  const made = rows.get("count", "responses") ?? 0;
  const slot = `responses/${made % LIMIT.responses.max}`;
  const oldest = rows.get("order", slot);
  if (oldest !== undefined) rows.remove("response", oldest);
  rows.cool("order", slot, id);
  rows.cool("count", "responses", made + 1);
  const row = { id, person, atMs, input, response };
  rows.cool("response", id, { ...row, ...(previous === undefined ? {} : { previous }) });
  return { id };
}

export function responseDropped(context: Context, command: CommandOf<"responseDropped">): unknown {
  const { rows, nowMs } = context;
  const { id, actor } = command;
  if (responseOf(rows, id, actor, nowMs) === undefined)
    throw new GantryError("not_found", `There is no response ${id}`);
  rows.remove("response", id);
  context.audit("response.dropped", id);
  return { id };
}
