// What is remembered of people, what is known from folders, and answers that may be given again: their
// rows and the commands that change them.

import type { ErrorRecord } from "../base/errors.ts";
import type { Role } from "./roles.ts";

// ── memory ──────────────────────────────────────────────────────────────────────────────────────

export const MEMORY_KINDS = ["fact", "preference", "instruction"] as const;
export type MemoryKind = (typeof MEMORY_KINDS)[number];

/** `proposed`: waits for the person's word, and is told to no model. */
export const MEMORY_STATES = ["kept", "proposed", "superseded"] as const;
export type MemoryState = (typeof MEMORY_STATES)[number];

/** Where a fact comes from. A quote stands in the message, letter by letter. */
export type MemorySource =
  | { readonly type: "said"; readonly message: string; readonly quote: string }
  /** Written down by hand. */
  | { readonly type: "told" };

export interface MemoryDraft {
  readonly memory: string;
  readonly kind: MemoryKind;
  readonly text: string;
  /** What it is about, where there is one value of it: `my name`. */
  readonly about?: string;
  readonly source: MemorySource;
  readonly state: "kept" | "proposed";
  readonly expiresAtMs?: number;
  /** The older memory that this one takes the place of. */
  readonly replaces?: string;
  /** This is no news: the memory that says it already is confirmed by it. */
  readonly confirms?: string;
}

export interface MemoryRow {
  readonly id: string;
  readonly person: string;
  readonly kind: MemoryKind;
  readonly text: string;
  readonly about?: string;
  readonly source: MemorySource;
  readonly state: MemoryState;
  readonly atMs: number;
  readonly changedAtMs: number;
  readonly expiresAtMs?: number;
  /** How often it was said. */
  readonly said: number;
  readonly replaces?: string;
  readonly replacedBy?: string;
}

// ── knowledge ───────────────────────────────────────────────────────────────────────────────────

/** A folder of the hub's machine. */
export interface KnowledgeRow {
  readonly id: string;
  readonly name: string;
  readonly folder: string;
  readonly by: string;
  readonly atMs: number;
  /** Grows with each refresh that changed something. */
  readonly version: number;
  readonly refreshedAtMs?: number;
  /** Of the last refresh; files that could not be read keep their last version. */
  readonly faults: readonly KnowledgeFault[];
}

export interface KnowledgeFault {
  readonly path: string;
  readonly error: ErrorRecord;
}

export interface DocumentFacts {
  /** Within the folder, with `/`. */
  readonly path: string;
  /** Of the file. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** The blob of its text. */
  readonly text: string;
  readonly title: string;
  readonly format: "markdown" | "text" | "pdf" | "gcode";
}

/** `KNOWLEDGE/PATH`. */
export interface DocumentRow extends DocumentFacts {
  readonly knowledge: string;
  /** 1 for the first text that was read of it. */
  readonly version: number;
  readonly atMs: number;
}

// ── answers that may be given again ─────────────────────────────────────────────────────────────

/** What an answer was given to, and what it depends on. */
export interface CacheFacts {
  readonly key: string;
  readonly prompt: string;
  readonly expiresAtMs: number;
  /** Only questions of the same scope may have it by likeness. */
  readonly scope: string;
  /** Who asked; for the audit of whose answer was used. */
  readonly person: string;
  /** The least role that may have it. */
  readonly role: Role;
  /** Things it speaks of, each with the revision it had: `device:sim@12`. */
  readonly depends: readonly string[];
  readonly tags: readonly string[];
}

/** Why an answer is given again no more. */
export const CACHE_DROPS = ["person", "audit", "prefix", "tag", "changed"] as const;

export interface CacheBarRow {
  readonly atMs: number;
  readonly why: (typeof CACHE_DROPS)[number];
}

export type MemoryCommand =
  /** Of the actor, for themselves. */
  | { readonly type: "memoryKept"; readonly draft: MemoryDraft }
  | {
      readonly type: "memoryReviewed";
      readonly memory: string;
      readonly verdict: "keep" | "drop";
    }
  /** These, with what they replaced; left out: everything of the person. */
  | {
      readonly type: "memoryForgotten";
      readonly person: string;
      readonly memories?: readonly string[];
    }
  /** Those whose time is over by the ledger's own time. */
  | { readonly type: "memoriesExpired" }
  | {
      readonly type: "knowledgeAdded";
      readonly knowledge: string;
      readonly name: string;
      readonly folder: string;
    }
  | { readonly type: "knowledgeRemoved"; readonly knowledge: string }
  /** All of one refresh; refused if another one came first. */
  | {
      readonly type: "knowledgeRefreshed";
      readonly knowledge: string;
      readonly fromVersion: number;
      readonly read: readonly DocumentFacts[];
      readonly gone: readonly string[];
      readonly faults: readonly KnowledgeFault[];
    }
  /** Nobody gets it again; `pair`: nor any other answer for these two questions' likeness. */
  | {
      readonly type: "cacheDropped";
      readonly keys: readonly string[];
      readonly why: (typeof CACHE_DROPS)[number];
      readonly pair?: string;
    }
  /** An answer was made anew and compared with the one that was given again. */
  | { readonly type: "cacheAudited"; readonly key: string; readonly agrees: boolean };
