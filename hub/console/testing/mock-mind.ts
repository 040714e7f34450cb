// Canned memories, known folders and kept answers of the mock hub.

import type {
  CacheEntryView,
  CacheStatusView,
  KnowledgeView,
  MemoryView,
} from "@gantry/shared/contract/schemas/memory.ts";

const AT = "2026-11-20T08:00:00.000Z";

const MEMORIES: readonly MemoryView[] = [
  {
    id: "mem_petg",
    kind: "preference",
    text: "Mara prints lids in PETG",
    state: "kept",
    said: 3,
    at: AT,
    changedAt: AT,
    source: { message: "msg_1", quote: "I print lids in PETG" },
  },
  {
    id: "mem_room",
    kind: "fact",
    text: "The big printer stands in room 4",
    state: "kept",
    said: 1,
    at: AT,
    changedAt: AT,
  },
];

const KNOWLEDGE: readonly KnowledgeView[] = [
  {
    id: "kno_manuals",
    name: "manuals",
    folder: "/srv/manuals",
    by: "mara",
    version: 4,
    documents: 31,
    refreshedAt: AT,
    faults: [
      {
        path: "old/scan.pdf",
        error: { code: "bad_request", message: "The PDF file cannot be read: it has no text" },
      },
    ],
  },
];

const STATUS: CacheStatusView = {
  size: 214,
  hits: 93,
  misses: 310,
  exactHits: 70,
  semanticHits: 23,
  savedMs: 184_000,
  vectors: 198,
  embedder: "minilm",
  dimensions: 384,
  threshold: 0.84,
  audits: { agree: 11, differ: 0, falseHitRate: 0, falseHitRateMost: 0.24 },
  dropped: { person: 1, audit: 0, prefix: 0, tag: 4, changed: 9 },
  refused: { number: 14, negation: 3 },
};

const ENTRIES: readonly CacheEntryView[] = [
  {
    key: "ans_petg",
    prompt: "what is PETG good for?",
    text: "For parts that must bend a little and not break.",
    model: "stories",
    hits: 6,
    depends: [],
    tags: ["tier:local"],
    at: AT,
    expiresAt: "2026-12-20T08:00:00.000Z",
  },
];

export function readMind(path: string): unknown {
  if (path === "/api/memory") return { memories: MEMORIES };
  if (path === "/api/knowledge") return { knowledge: KNOWLEDGE };
  if (path === "/api/cache") return STATUS;
  return path === "/api/cache/entries" ? { entries: ENTRIES } : undefined;
}
