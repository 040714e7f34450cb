// Makes what remembers: the knowledge of folders, the memory of people, and answers that may be given
// again; and hangs them into the path of a question.

import type { AskParts } from "../ask/ask.ts";
import { passed, taken, type Turn } from "../ask/tiers.ts";
import { makeKnowledgeFiles } from "../adapters/knowledge-files.ts";
import type { ClusterBlobs } from "../cluster/blobs.ts";
import { type AnswerCache, makeAnswerCache } from "../hands/cache.ts";
import { type Knowledge, makeKnowledge } from "../hands/knowledge.ts";
import type { Models } from "../hands/models.ts";
import { makeRecall, type RecallHands } from "../hands/recall.ts";
import type { Hub } from "../hub.ts";
import { isOrderToRemember } from "../memory/extract.ts";

export interface Mind {
  readonly knowledge: Knowledge;
  readonly recall: RecallHands;
  readonly cache: AnswerCache;
  readonly askParts: Pick<AskParts, "recall" | "tiers" | "learn" | "onEnded">;
  /** What only the leader does, by name. */
  readonly tasks: Readonly<Record<string, (signal: AbortSignal) => Promise<void>>>;
}

export interface MindParts {
  readonly hub: Hub;
  readonly models: Models;
  readonly blobs: ClusterBlobs;
  /** GANTRY_KNOWLEDGE. */
  readonly folders: readonly string[];
  readonly signal: AbortSignal;
}

export function makeMind({ hub, models, blobs, folders, signal }: MindParts): Mind {
  const files = makeKnowledgeFiles(folders);
  const knowledge = makeKnowledge({ hub, models, files, blobs });
  const recall = makeRecall({ hub, models, knowledge });
  const cache = makeAnswerCache(hub, models, signal);

  /** `Remember that ...` needs no model: what was understood is said back. */
  function remembered({ plan, say }: Turn): ReturnType<typeof taken> | undefined {
    if (!isOrderToRemember(plan.prefixed.text) || plan.question.model !== undefined)
      return undefined;
    const drafts = recall.learn(plan);
    if (drafts.length === 0) return undefined;
    const facts = drafts.map(({ text: fact }) => fact).join("; ");
    const text = `I will remember: ${facts}.`;
    say(text);
    const reason = "the sentence says what to remember";
    return taken({ text, tier: "rule", model: "memory", reason });
  }

  return {
    knowledge,
    recall,
    cache,
    askParts: {
      recall: recall.recall,
      tiers: {
        semanticCache: {
          tier: "semanticCache",
          async answer(turn, asked) {
            if (turn.plan.useAgent === true) return passed("the agent loop is asked for");
            return remembered(turn) ?? (await cache.tier.answer(turn, asked));
          },
        },
      },
      learn: (turn, decision, latencyMs) => ({
        memories: decision.cached === true ? [] : recall.learn(turn.plan),
        ...cache.learn(turn, decision, latencyMs),
      }),
      onEnded: (turn, decision) => cache.ended(turn, decision),
    },
    tasks: {
      memory: (reign) => recall.run(reign),
      knowledge: (reign) => knowledge.run(reign),
      "kept answers": (reign) => cache.run(reign),
    },
  };
}
