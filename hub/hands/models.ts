// Which node answers: the one that holds the model and has the least waiting for each slot. After a change
// of leader nodes link again one by one: while none that could answer is there, one is waited for.
//
// MO1. Who asks waits for its turn in the model's queue (model-queue.ts) before any node hears of it.
// MO2. A second node is tried while nothing has been said, or where the same words come again: greedy
//      or with a seed. Then what was said is not said again, and an answer that goes on otherwise is
//      given up (asking/continuation.ts).

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Generate, Generated } from "@gantry/shared/contract/link.ts";
import { generatedSchema } from "@gantry/shared/contract/link.ts";
import type { ModelRuntimeView } from "@gantry/shared/contract/schemas/models.ts";
import type { ModelFact, NodeRow } from "@gantry/shared/contract/rows.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import { type Hub, newId } from "../hub.ts";
import { makeContinuation } from "../asking/continuation.ts";
import type { Place, Urgency } from "../asking/waiting.ts";
import type { Calls } from "./calls.ts";
import { makeModelRuntimes, type ModelRuntimes } from "./model-runtimes.ts";
import { makeModelQueue, type QueueFacts, type Turn } from "./model-queue.ts";

const NODES_TRIED_MAX = 2;
const LOOK_MS = 20;

export interface Offer {
  readonly node: NodeRow;
  readonly model: ModelFact;
  /** As its machine said last; left out: nothing is known of it. */
  readonly live?: LiveModel;
}

export interface LiveModel {
  /** Its machine has a session with this hub and is not left alone. */
  readonly isReady?: boolean;
  /** A question would find it in memory; missing: its machine has not said. */
  readonly isLoaded?: boolean;
  /** Of one answer, lately. */
  readonly tokensPerS?: number;
  /** Of a prompt that is read for the first time. */
  readonly prefillTokensPerS?: number;
  readonly loadMs?: number;
  /** Missing: it reads text alone. */
  readonly seesImages?: boolean;
}

export interface ModelAnswer {
  readonly generated: Generated;
  readonly node: NodeRow;
  readonly model: ModelFact;
  /** In the model's queue. */
  readonly queuedMs: number;
}

/** On whose behalf a model is asked, for its place in the queue. */
export interface Asker {
  /** Default: the hub itself, which shares its turns with all that names nobody. */
  readonly person?: string;
  /** Default: interactive. */
  readonly urgency?: Urgency;
  /** Machines in the order in which they are asked; others come after them. */
  readonly nodes?: readonly string[];
  /** Its turn must come within this, or it is refused at once; left out: it waits. */
  readonly patienceMs?: number;
  /** Of who reads the answer: while it is behind, the model waits. */
  readonly pace?: Pace;
  /**
   * Names the answer: asked for again under the same id, by this hub or the next leader, a node that has
   * it in hand goes on with it. For one answer at a time.
   */
  readonly answerId?: string;
  /** Told while it waits. */
  readonly onPlace?: (place: Place) => void;
}

export interface Models {
  /** Every model of every node that is alive. */
  offers(): readonly Offer[];
  /**
   * Throws no_model, model_failed, timeout, cancelled ..., and busy with details {position, etaMs,
   * retryAfterS} where the queue is full.
   */
  generate(
    wanted: string | undefined,
    request: Omit<Generate, "model">,
    onText: (text: string) => void,
    signal: AbortSignal,
    asker?: Asker,
  ): Promise<ModelAnswer>;
  /** What a machine said last of its models; undefined: nothing yet. */
  runtime(node: string): ModelRuntimeView | undefined;
  /** Each model that was asked since the hub leads. */
  queues(): readonly QueueFacts[];
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
  runtimes: Pick<ModelRuntimes, "of"> = makeModelRuntimes(),
): Models {
  const alive = (): readonly NodeRow[] =>
    [...hub.rows.hot("node").values()].filter(({ state }) => state === "alive");
  const offers = (): readonly Offer[] =>
    alive().flatMap((node) =>
      node.capabilities.models.map((model) => ({ node, model, live: liveOf(node, model) })),
    );
  function liveOf(node: NodeRow, model: ModelFact): LiveModel {
    const known = runtimes.of(node.id)?.models.find(({ name }) => name === model.name);
    if (known === undefined) return { isReady: isReady(node.id) };
    const { state, tokensPerS, prefillTokensPerS, loadMs } = known;
    return {
      isReady: isReady(node.id),
      isLoaded: state === "ready",
      ...(tokensPerS === undefined ? {} : { tokensPerS }),
      ...(prefillTokensPerS === undefined ? {} : { prefillTokensPerS }),
      ...(loadMs === undefined ? {} : { loadMs }),
    };
  }
  /** What a machine has under way for each slot; one that must load first counts as full. */
  const load = (offer: Offer): number =>
    calls.inFlight(offer.node.id) / offer.model.slots + (offer.live?.isLoaded === false ? 1 : 0);

  function candidates(wanted: string | undefined, nodes: readonly string[] = []): readonly Offer[] {
    const rank = ({ node }: Offer): number =>
      (nodes.indexOf(node.id) + nodes.length + 1) % (nodes.length + 1);
    const all = offers();
    const named = wanted === undefined ? all : all.filter(({ model }) => model.name === wanted);
    if (named.length > 0) return named.toSorted((a, b) => rank(a) - rank(b) || load(a) - load(b));
    if (wanted === undefined || all.length === 0) {
      throw noModel();
    }
    const names = [...new Set(all.map(({ model }) => model.name))];
    throw new GantryError(
      "not_found",
      `No machine has the model ${wanted}; there are: ${names.join(", ")}`,
      { details: { param: "model" } },
    );
  }

  /** Those that are ready first; resolves when there is one, or after TIMEOUT.leaseMs. */
  async function reachable(
    wanted: string | undefined,
    nodes: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly Offer[]> {
    const { clock } = hub;
    const deadlineMs = clock.monotonic() + TIMEOUT.leaseMs;
    for (;;) {
      const all = candidates(wanted, nodes);
      const ready = all.filter(({ node }) => isReady(node.id));
      if (ready.length > 0 || clock.monotonic() >= deadlineMs)
        return [...ready, ...all.filter((offer) => !ready.includes(offer))];
      await clock.sleep(LOOK_MS, signal);
    }
  }

  const slotsOf = (name: string): number =>
    offers()
      .filter(({ node, model }) => model.name === name && isReady(node.id))
      .reduce((sum, { model }) => sum + model.slots, 0);
  const queue = makeModelQueue(hub.clock, slotsOf);

  async function generate(
    wanted: string | undefined,
    request: Omit<Generate, "model">,
    onText: (text: string) => void,
    signal: AbortSignal,
    asker: Asker = {},
  ): Promise<ModelAnswer> {
    const name = wanted ?? candidates(undefined)[0]?.model.name;
    if (name === undefined) throw noModel();
    candidates(name); // one that nobody has is no reason to wait
    const { person = "hub", urgency = "interactive", patienceMs, onPlace } = asker;
    const promptChars = request.messages.reduce((sum, { content }) => sum + content.length, 0);
    const { maxTokens } = request;
    const turn = await queue.take(
      name,
      {
        person,
        urgency,
        promptChars,
        maxTokens,
        ...(patienceMs === undefined ? {} : { patienceMs }),
        ...(onPlace === undefined ? {} : { onPlace }),
      },
      signal,
    ); // MO1
    try {
      const isPatient = urgency === "workflow" || urgency === "batch";
      const told = isPatient ? { ...request, isPatient } : request;
      return await askNodes(name, told, onText, signal, turn, asker);
    } finally {
      turn.end();
    }
  }

  async function askNodes(
    name: string,
    request: Omit<Generate, "model">,
    onText: (text: string) => void,
    signal: AbortSignal,
    turn: Turn,
    { nodes = [], pace, answerId }: Asker,
  ): Promise<ModelAnswer> {
    const isRepeatable = request.temperature === 0 || request.seed !== undefined;
    const spoken = makeContinuation();
    const offered = await attempts(name, nodes, signal);
    const isAlone = offered[0]?.node === offered[1]?.node;
    let failure: unknown;
    for (const { node, model } of offered) {
      const differs = new AbortController();
      const either = AbortSignal.any([signal, differs.signal]);
      spoken.again();
      try {
        const message = {
          type: "generate" as const,
          id: answerId ?? newId(hub, "req"),
          request: { ...request, model: model.name },
          credit: LIMIT.chunkCredit.max,
        };
        const sentMs = hub.clock.monotonic();
        const result = await calls.call(node.id, message, {
          timeoutMs: TIMEOUT.answerMs,
          firstPieceMs: TIMEOUT.firstTokenMs,
          signal: either,
          ...(pace === undefined ? {} : { pace }),
          onText(text) {
            const fresh = spoken.piece(text);
            if (fresh === undefined) differs.abort();
            else if (fresh !== "") onText(fresh);
          },
        });
        const generated = generatedSchema.parse(result);
        if (failure !== undefined && !generated.text.startsWith(spoken.said)) throw failure; // MO2
        const tookMs = hub.clock.monotonic() - sentMs;
        turn.end({ tokens: generated.completionTokens, tookMs });
        return { generated, node, model, queuedMs: Math.round(turn.waitedMs) };
      } catch (error) {
        if (differs.signal.aborted && !signal.aborted) throw failure ?? error;
        if (isNotThere(error)) {
          failure ??= noModel(); // a machine that has just come back has not found its models yet
          continue;
        }
        const isOver = signal.aborted || !isRetryable(error) || (isAlone && isSlow(error));
        if (isOver || (spoken.said !== "" && !isRepeatable)) throw error;
        failure = error;
        hub.log.warn({ node: node.id, model: model.name }, "the model failed; another try is made");
      }
    }
    throw failure ?? noModel();
  }

  /** Another node if there is one, else the same one again: its model may have been started anew. */
  async function attempts(
    name: string,
    nodes: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly Offer[]> {
    const found = (await reachable(name, nodes, signal)).slice(0, NODES_TRIED_MAX);
    const [only, other] = found;
    return only === undefined || other !== undefined ? found : [only, only];
  }

  return {
    offers,
    generate,
    runtime: (node) => runtimes.of(node),
    queues: () => queue.facts(),
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

const noModel = (): GantryError =>
  new GantryError("no_model", "No local model is configured on any machine");

/** A second try at the same machine would wait as long again. */
const isSlow = (error: unknown): boolean =>
  error instanceof GantryError && (error.code === "timeout" || error.code === "busy");

const isNotThere = (error: unknown): boolean =>
  error instanceof GantryError && error.code === "capability_missing";
