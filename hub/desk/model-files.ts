// Use case: a machine fetches the file of a model from another one, through the hub, by its hash.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { ModelPiece } from "@gantry/shared/contract/schemas/models.ts";
import { newId } from "../hub.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { type DeskParts, paramOf } from "./context.ts";

/** Any machine that has it gives the next piece; who fetches checks the whole. Throws not_found. */
export async function modelFile(
  { hub, models, calls, link }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<ModelPiece> {
  const sha256 = paramOf(request, "sha256");
  const { offset = 0 } = request.query as { offset?: number };
  const holders = [...link().heard().keys()].filter((node) =>
    models.runtime(node)?.models.some((model) => model.sha256 === sha256),
  );
  let failure: unknown = new GantryError("not_found", "No machine has a model file of this hash");
  for (const node of holders) {
    const message = { type: "modelPiece" as const, id: newId(hub, "req"), sha256, offset };
    try {
      const answer = await calls.call(node, message, { timeoutMs: TIMEOUT.commandMs, signal });
      const { bytes, sizeBytes } = answer as { bytes: string; sizeBytes: number }; // hands/inbox.ts
      return { sha256, sizeBytes, base64: bytes };
    } catch (error) {
      if (signal.aborted) throw error;
      failure = error;
    }
  }
  throw failure;
}
