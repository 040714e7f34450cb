// Trace context: which request a piece of work belongs to, as W3C Trace Context names it (level 1,
// 2021-11-23). A request that brings no trace has one of its own, made of its id: whoever knows the id
// of a request knows its trace, on any hub and after any restart, and nothing has to be carried along.

import { sha256 } from "./digest.ts";

export interface TraceContext {
  readonly traceId: string;
  readonly parentId: string;
}

/** version 00, 32 and 16 hex digits that are not all 0, flags. Undefined for anything else. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const found = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?$/.exec(
    text ?? "",
  );
  if (found === null || (text ?? "").length > 200) return undefined;
  const [, version = "", traceId = "", parentId = ""] = found;
  const isLonger = (text ?? "").length > 55;
  if (version === "ff" || (version === "00" && isLonger)) return undefined;
  return /^0+$/.test(traceId) || /^0+$/.test(parentId) ? undefined : { traceId, parentId };
}

/** Sampled: whoever gets it may record it. */
export const formatTraceparent = (traceId: string, spanId: string): string =>
  `00-${traceId}-${spanId}-01`;

const CARRIED = /^trace-([0-9a-f]{32})-([0-9a-f]{16})$/;

/** The id of a request that came with a trace of somebody else. */
export const requestIdFor = ({ traceId, parentId }: TraceContext): string =>
  `trace-${traceId}-${parentId}`;

export const traceIdOf = (requestId: string): string =>
  CARRIED.exec(requestId)?.[1] ?? sha256(requestId).slice(0, 32);

/** Of the request itself; undefined where nobody called who has a span. */
export const parentOf = (requestId: string): string | undefined => CARRIED.exec(requestId)?.[2];

/** Of anything that has a name within its trace. */
export const spanIdOf = (name: string): string => sha256(`span ${name}`).slice(0, 16);
