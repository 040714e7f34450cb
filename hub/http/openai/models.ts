// GET /v1/models and /v1/models/ID.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { ModelView } from "@gantry/shared/contract/completions.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { readParams, requestOf } from "../input.ts";
import { jsonReply } from "../routes/plain.ts";

/** The desk gives `readonly ModelView[]` for the route `models`; `model` is picked from them here. */
export async function viewsOf(
  { desk, clock }: DoorDeps,
  c: DoorContext,
): Promise<readonly ModelView[]> {
  const request = requestOf(c, "models", { params: {}, query: {}, body: undefined });
  const views = await within(clock, TIMEOUT.proposeMs, c.req.raw.signal, (signal) =>
    desk.call("models", request, { signal }),
  );
  return views as readonly ModelView[]; // what the desk gives for this route
}

export const models =
  (deps: DoorDeps): Handler =>
  async (c) =>
    jsonReply({ object: "list", data: (await viewsOf(deps, c)).map(modelOf) }, 200);

export const model =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const { id = "" } = readParams(c, "model");
    const view = (await viewsOf(deps, c)).find((candidate) => candidate.id === id);
    if (view !== undefined) return jsonReply(modelOf(view), 200);
    throw new GantryError("not_found", `There is no model "${id}"; see /v1/models`, {
      details: { param: "model" },
    });
  };

const modelOf = (view: ModelView): unknown => ({
  id: view.id,
  object: "model",
  created: Math.floor(view.createdAtMs / 1_000),
  owned_by: "gantry",
  gantry: {
    node: view.node,
    contextTokens: view.contextTokens,
    kind: view.kind,
    ...(view.sizeBytes === undefined ? {} : { sizeBytes: view.sizeBytes }),
    ...(view.slots === undefined ? {} : { slots: view.slots }),
  },
});
