// Which node answers: the one that holds the model and has the least waiting for each slot. A second
// node is tried only while nothing has been said yet, so that no text is ever said twice. After a change
// of leader nodes link again one by one: while none that could answer is there, one is waited for.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Generate, Generated } from "@gantry/shared/contract/link.ts";
import { generatedSchema } from "@gantry/shared/contract/link.ts";
import type { ModelFact, NodeRow } from "@gantry/shared/contract/rows.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import { type Hub, newId } from "../hub.ts";
import type { Calls } from "./calls.ts";

const NODES_TRIED_MAX = 2;
const LOOK_MS = 20;

export interface Offer {
  readonly node: NodeRow;
  readonly model: ModelFact;
}

export interface ModelAnswer {
  readonly generated: Generated;
  readonly node: NodeRow;
  readonly model: ModelFact;
}

export interface Models {
  /** Every model of every node that is alive. */
  offers(): readonly Offer[];
  /** Throws no_model, busy, model_failed, timeout, cancelled ... */
  generate(
    wanted: string | undefined,
    request: Omit<Generate, "model">,
    onText: (text: string) => void,
    signal: AbortSignal,
  ): Promise<ModelAnswer>;
  embed(texts: readonly string[], signal: AbortSignal): Promise<Embedded>;
}

export interface Embedded {
  readonly tag: string;
  readonly vectors: readonly (readonly number[])[];
  readonly tokens: number;
}

/** `isReady`: whether a node, by its id, has a session with this hub and is not left alone. */
export function makeModels(
  hub: Hub,
  calls: Calls,
  isReady: (node: string) => boolean = () => true,
): Models {
  const alive = (): readonly NodeRow[] =>
    [...hub.rows.hot("node").values()].filter(({ state }) => state === "alive");
  const offers = (): readonly Offer[] =>
    alive().flatMap((node) => node.capabilities.models.map((model) => ({ node, model })));
  const load = ({ node, model }: Offer): number => calls.inFlight(node.id) / model.slots;

  function candidates(wanted: string | undefined): readonly Offer[] {
    const all = offers();
    const named = wanted === undefined ? all : all.filter(({ model }) => model.name === wanted);
    if (named.length > 0) return named.toSorted((a, b) => load(a) - load(b));
    if (wanted === undefined || all.length === 0) {
      throw new GantryError("no_model", "No local model is configured on any machine");
    }
    const names = [...new Set(all.map(({ model }) => model.name))];
    throw new GantryError(
      "not_found",
      `No machine has the model ${wanted}; there are: ${names.join(", ")}`,
    );
  }

  /** Those that are ready first; resolves when there is one, or after TIMEOUT.leaseMs. */
  async function reachable(
    wanted: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly Offer[]> {
    const { clock } = hub;
    const deadlineMs = clock.monotonic() + TIMEOUT.leaseMs;
    for (;;) {
      const all = candidates(wanted);
      const ready = all.filter(({ node }) => isReady(node.id));
      if (ready.length > 0 || clock.monotonic() >= deadlineMs)
        return [...ready, ...all.filter((offer) => !ready.includes(offer))];
      await clock.sleep(LOOK_MS, signal);
    }
  }

  return {
    offers,
    async generate(wanted, request, onText, signal) {
      let hasSaid = false;
      let failure: unknown;
      for (const { node, model } of (await reachable(wanted, signal)).slice(0, NODES_TRIED_MAX)) {
        if (calls.inFlight(node.id) >= LIMIT.answersWaiting.max) {
          failure = new GantryError(
            "busy",
            `${node.name} has ${LIMIT.answersWaiting.max} answers waiting`,
            { details: { retryAfterS: 5 } },
          );
          continue;
        }
        try {
          const message = {
            type: "generate" as const,
            id: newId(hub, "req"),
            request: { ...request, model: model.name },
          };
          const result = await calls.call(node.id, message, {
            timeoutMs: TIMEOUT.answerMs,
            firstPieceMs: TIMEOUT.firstTokenMs,
            signal,
            onText(text) {
              hasSaid = true;
              onText(text);
            },
          });
          return { generated: generatedSchema.parse(result), node, model };
        } catch (error) {
          failure = error;
          if (hasSaid || signal.aborted || !isRetryable(error)) throw error;
          hub.log.warn(
            { node: node.id, model: model.name },
            "the model failed; another node is tried",
          );
        }
      }
      throw failure;
    },
    async embed(texts, signal) {
      const able = alive().filter(({ capabilities }) => capabilities.embedder !== undefined);
      const node = able.find(({ id }) => isReady(id)) ?? able[0];
      if (node === undefined)
        throw new GantryError("capability_missing", "No machine offers embeddings");
      const message = { type: "embed" as const, id: newId(hub, "req"), texts: [...texts] };
      const result = await calls.call(node.id, message, { timeoutMs: TIMEOUT.commandMs, signal });
      return result as Embedded; // built by hands/inbox.ts from a validated message
    },
  };
}
