// Spans of requests: what the hub, its runs, machines and printers did for each, kept in memory while
// there is room. Facts are in the ledger; this says how long they took.
//
// TR1. A bound on spans, on spans of one trace, and on things that are followed: the oldest is dropped.
// TR2. Recording never fails, never waits and never throws: who is traced does not notice.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import { parentOf, spanIdOf, traceIdOf } from "@gantry/shared/base/trace.ts";

export const SERVICES = ["hub", "node", "device"] as const;
export type Service = (typeof SERVICES)[number];

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId?: string;
  readonly service: Service;
  readonly name: string;
  /** Wall clock of this hub, ms since 1970. */
  readonly startMs: number;
  readonly endMs: number;
  readonly error?: string;
  readonly attributes: Readonly<Record<string, string | number>>;
}

export type SpanDraft = Omit<Span, "traceId" | "spanId" | "parentId"> & {
  /** What names it within its trace; left out: its service, name and start. */
  readonly key?: string;
};

export interface Traces {
  /** The trace of a request, under the span of who called. */
  ofRequest(requestId: string, draft: SpanDraft): void;
  /** What this id stands for (a run, a job, a print) was caused by the request; the first word counts. */
  link(subject: string, requestId: string): void;
  /** `subject` was caused by what `of` stands for: it is of the same trace, below it. */
  follow(subject: string, of: string): void;
  isFollowed(subject: string): boolean;
  /** Nothing happens where nobody follows it. The span of the subject itself has the key `subject`. */
  ofSubject(subject: string, draft: SpanDraft): void;
  read(traceId: string): readonly Span[];
  /** The newest last: each trace once, by its last span. */
  recent(count: number): readonly string[];
  /** Hears of each span as it is recorded. */
  listen(hear: (span: Span) => void): void;
}

interface Link {
  readonly traceId: string;
  readonly parentId: string;
}

export function makeTraces(
  bounds: { readonly spansMax?: number; readonly linksMax?: number } = {},
): Traces {
  const { spansMax = LIMIT.spans.max, linksMax = LIMIT.spanLinks.max } = bounds;
  const byTrace = new Map<string, Span[]>(); // the least lately recorded first
  const links = new Map<string, Link>();
  const listeners: ((span: Span) => void)[] = [];
  let count = 0;

  function keep(span: Span): void {
    const mine = byTrace.get(span.traceId) ?? [];
    byTrace.delete(span.traceId);
    byTrace.set(span.traceId, mine);
    mine.push(span);
    count += 1;
    if (mine.length > LIMIT.traceSpans.max) {
      mine.shift();
      count -= 1;
    }
    while (count > spansMax && byTrace.size > 1) {
      const [oldest] = byTrace;
      if (oldest === undefined) break;
      byTrace.delete(oldest[0]); // TR1
      count -= oldest[1].length;
    }
    for (const hear of listeners) hear(span);
  }

  function setLink(subject: string, link: Link): void {
    if (links.has(subject)) return;
    links.set(subject, link);
    const [oldest] = links.keys();
    if (links.size > linksMax && oldest !== undefined) links.delete(oldest); // TR1
  }

  function draftOf({ key, ...draft }: SpanDraft, link: Link, subject: string): Span {
    const name = key ?? `${draft.service} ${draft.name} ${draft.startMs}`;
    const isItself = key === subject;
    return {
      ...draft,
      traceId: link.traceId,
      spanId: spanIdOf(isItself ? subject : `${subject} ${name}`),
      parentId: isItself ? link.parentId : spanIdOf(subject),
    };
  }

  return {
    ofRequest(requestId, { key, ...draft }) {
      const own = spanIdOf(requestId);
      const caller = parentOf(requestId);
      const isItself = key === requestId;
      const parentId = isItself ? caller : own;
      keep({
        ...draft,
        traceId: traceIdOf(requestId),
        spanId: isItself ? own : spanIdOf(`${requestId} ${key ?? draft.name} ${draft.startMs}`),
        ...(parentId === undefined ? {} : { parentId }),
      });
    },
    link: (subject, requestId) =>
      setLink(subject, { traceId: traceIdOf(requestId), parentId: spanIdOf(requestId) }),
    follow(subject, of) {
      const link = links.get(of);
      if (link !== undefined) setLink(subject, { traceId: link.traceId, parentId: spanIdOf(of) });
    },
    isFollowed: (subject) => links.has(subject),
    ofSubject(subject, draft) {
      const link = links.get(subject);
      if (link !== undefined) keep(draftOf(draft, link, subject));
    },
    read: (traceId) => byTrace.get(traceId)?.toSorted((a, b) => a.startMs - b.startMs) ?? [],
    recent: (max) => [...byTrace.keys()].slice(-max),
    listen: (hear) => void listeners.push(hear),
  };
}

const SUBJECTS = ["run", "job", "question", "artifact"] as const;
const BATCH_LINKS = 100;

/** What a command is about was caused by its request. Of a batch, the first hundred. */
export function linkSubjects(traces: Traces, body: object, requestId: string): void {
  const members = body as Readonly<Record<string, unknown>>; // a command: JSON by its type
  for (const name of SUBJECTS) {
    const id = members[name];
    if (typeof id === "string") traces.link(id, requestId);
  }
  const { runs } = members;
  if (!Array.isArray(runs)) return;
  for (const draft of runs.slice(0, BATCH_LINKS)) linkSubjects(traces, draft as object, requestId);
}
