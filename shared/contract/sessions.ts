// Client sessions: a client numbers its requests 1, 2, 3 ..., and each number has its effect once,
// however often it is sent. The header is `Gantry-Session: ID/SEQ`.
//
// CS1. The number of the last request answered: the same reply again, refusal or not.
// CS2. A smaller number: `stale_sequence`. A number left out: `sequence_gap`. Nothing is done.
// CS3. A session not used for LIFE.clientSessionMs of the log's own time is over for good.

import type { RouteName } from "./routes.ts";

/** Carried by a command of a session. */
export interface SessionStamp {
  readonly id: string;
  /** From 1, without a gap. */
  readonly seq: number;
  /** Where given, another request under a number that was used is refused (`idempotency_mismatch`). */
  readonly requestSha256?: string;
}

export const SESSION_HEADER = "gantry-session";

/**
 * Routes that may be sent in a session: those that are exactly one command. The others are refused, for
 * their number would be missing afterwards.
 */
export const SESSION_ROUTES: ReadonlySet<RouteName> = new Set<RouteName>([
  "cacheCleared",
  "confirm",
  "confirmationCancelled",
  "bedCleared",
  "printSubmitted",
  "printPaused",
  "printResumed",
  "printCancelled",
  "printResolved",
  "jobAdded",
  "jobCancelled",
  "jobRequeued",
  "jobDropped",
  "flagSet",
  "flagDeleted",
  "tokenRevoked",
  "lockAcquired",
  "lockReleased",
  "lockWaitCancelled",
]);

const STAMP = /^([A-Za-z0-9_-]{1,64})\/([1-9]\d{0,14})$/;

/** Undefined if the header is not ID/SEQ. */
export function parseSessionStamp(text: string): { id: string; seq: number } | undefined {
  const [, id, seq] = STAMP.exec(text.trim()) ?? [];
  return id === undefined || seq === undefined ? undefined : { id, seq: Number(seq) };
}

export const formatSessionStamp = ({ id, seq }: SessionStamp): string => `${id}/${seq}`;
