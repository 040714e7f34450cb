import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatTraceparent,
  parentOf,
  parseTraceparent,
  requestIdFor,
  spanIdOf,
  traceIdOf,
} from "@gantry/shared/base/trace.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { linkSubjects, makeTraces, type SpanDraft } from "./traces.ts";

const draft = (name: string, startMs = 1, facts: Partial<SpanDraft> = {}): SpanDraft => ({
  service: "hub",
  name,
  startMs,
  endMs: startMs + 1,
  attributes: {},
  ...facts,
});
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";

describe("trace context", () => {
  it.each([
    ["the example of the standard", `00-${TRACE}-${PARENT}-01`, true],
    ["a later version with more", `cc-${TRACE}-${PARENT}-01-what`, true],
    ["version 00 with more", `00-${TRACE}-${PARENT}-01-what`, false],
    ["version ff", `ff-${TRACE}-${PARENT}-01`, false],
    ["a trace of zeros", `00-${"0".repeat(32)}-${PARENT}-01`, false],
    ["a parent of zeros", `00-${TRACE}-${"0".repeat(16)}-01`, false],
    ["capital letters", `00-${TRACE.toUpperCase()}-${PARENT}-01`, false],
    ["nothing", "", false],
  ])("%s", (_, text, isRead) => {
    expect(parseTraceparent(text)).toEqual(
      isRead ? { traceId: TRACE, parentId: PARENT } : undefined,
    );
  });

  it("any text is read or refused, and what is written is read", () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => void parseTraceparent(text)));
    expect(parseTraceparent(formatTraceparent(TRACE, PARENT))).toEqual({
      traceId: TRACE,
      parentId: PARENT,
    });
  });

  it("the id of a request carries the trace of who called, and any other id has one of its own", () => {
    const id = requestIdFor({ traceId: TRACE, parentId: PARENT });
    expect([traceIdOf(id), parentOf(id)]).toEqual([TRACE, PARENT]);
    expect(traceIdOf("req_1")).toMatch(/^[0-9a-f]{32}$/);
    expect([traceIdOf("req_1") === traceIdOf("req_2"), parentOf("req_1")]).toEqual([
      false,
      undefined,
    ]);
  });
});

it("what a request caused is below it, whoever did it and however far down", () => {
  const traces = makeTraces();
  const request = requestIdFor({ traceId: TRACE, parentId: PARENT });
  traces.ofRequest(request, draft("POST /api/runs", 1, { key: request }));
  linkSubjects(traces, { type: "runStarted", run: "run_1" }, request);
  traces.follow("job_1", "run_1");
  traces.ofSubject("job_1", draft("render", 3, { service: "node" }));
  traces.ofSubject("run_1", draft("run flow", 2, { key: "run_1" }));
  traces.ofSubject("job_of_others", draft("never"));
  const spans = traces.read(TRACE);
  expect(spans.map(({ name }) => name)).toEqual(["POST /api/runs", "run flow", "render"]);
  expect(spans.map(({ parentId }) => parentId)).toEqual([
    PARENT,
    spanIdOf(request),
    spanIdOf("job_1"),
  ]);
  expect(spans[1]?.spanId).toBe(spanIdOf("run_1"));
});

it("TR1: memory is bounded; the trace that was recorded longest ago goes first", () => {
  const traces = makeTraces({ spansMax: 100, linksMax: 10 });
  for (let at = 0; at < 300; at += 1) {
    traces.link(`run_${at}`, `req_${at}`);
    traces.ofRequest(`req_${at}`, draft("GET", at));
  }
  expect(traces.recent(1_000)).toHaveLength(100);
  expect(traces.read(traceIdOf("req_0"))).toEqual([]);
  expect(traces.read(traceIdOf("req_299"))).toHaveLength(1);
  expect([traces.isFollowed("run_0"), traces.isFollowed("run_299")]).toEqual([false, true]);
  const one = makeTraces();
  for (let at = 0; at < LIMIT.traceSpans.max + 50; at += 1) one.ofRequest("req_1", draft("x", at));
  expect(one.read(traceIdOf("req_1"))).toHaveLength(LIMIT.traceSpans.max);
});
