// POST /api/runs:batch: one JSON object a line in, one answer a line out, while lines still come in.
//
// RB1. Lines are read as they come, at most LINES_MAX at a time wait for the hub, and no line is longer
//      than LINE_BYTES: a body without an end costs no more memory than a short one.
// RB2. A line that is wrong is answered in its place; the others are started.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { type RunStart, runStartSchema } from "@gantry/shared/contract/schemas/runs.ts";
import { mediaTypeOf, readChunks } from "../body.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { requestOf, validate } from "../input.ts";
import { deadlineMsOf } from "./plain.ts";

const LINES_MAX = 1_000;
const LINE_BYTES = 131_072;
const BODY_BYTES_MAX = 67_108_864;
const MEDIA_TYPES = new Set(["application/x-ndjson", "application/jsonl", "application/ndjson"]);

export const runBatch =
  (deps: DoorDeps): Handler =>
  async (c) => {
    if (!MEDIA_TYPES.has(mediaTypeOf(c.req.raw.headers)))
      throw new GantryError("unsupported_media", "Send application/x-ndjson: one run a line");
    const signal = c.req.raw.signal;
    const batches = batchesOf(linesOf(c.req.raw));
    const first = await batches.next(); // what is refused as a whole has a status of its own
    let part = 0;
    const answerOf = async (lines: readonly string[]): Promise<string> => {
      part += 1;
      return answer(deps, c, lines, part, signal);
    };
    const head = first.done === true ? "" : await answerOf(first.value);
    const rest = async function* (): AsyncGenerator<string> {
      yield head;
      if (first.done === true) return;
      try {
        for await (const lines of batches) yield await answerOf(lines);
      } catch (error) {
        yield `${JSON.stringify({ error: toErrorRecord(error) })}\n`; // the status is sent already
      }
    };
    return new Response(ReadableStream.from(encoded(rest())), {
      status: 202,
      headers: { "content-type": "application/x-ndjson" },
    });
  };

async function* encoded(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const text of texts) yield encoder.encode(text);
}

type Line = { readonly start: RunStart } | { readonly error: unknown };

async function answer(
  { desk, clock }: DoorDeps,
  c: DoorContext,
  lines: readonly string[],
  part: number,
  signal: AbortSignal,
): Promise<string> {
  const read = lines.map(readLine);
  const runs = read.flatMap((line) => ("start" in line ? [line.start] : []));
  const input = { params: {}, query: {}, body: { runs } };
  const { replay, ...request } = requestOf(c, "runsStarted", input);
  // One key for the whole request: each part of it is a command of its own.
  const keyed =
    replay === undefined
      ? request
      : { ...request, replay: { ...replay, key: `${replay.key}#${part}` } };
  const reply =
    runs.length === 0
      ? { results: [] }
      : ((await within(clock, deadlineMsOf("runsStarted"), signal, (limited) =>
          desk.call("runsStarted", keyed, { signal: limited }),
        )) as { results: readonly unknown[] }); // hub/desk/runs.ts
  const results = reply.results.values();
  return read
    .map((line) => `${JSON.stringify("start" in line ? results.next().value : line)}\n`)
    .join("");
}

/** RB2. */
function readLine(text: string): Line {
  try {
    const start: RunStart = validate(runStartSchema, JSON.parse(text), "");
    if (start.workflow === undefined || start.graph !== undefined)
      throw new GantryError("bad_request", "workflow: a line names one; keep graphs first");
    return { start };
  } catch (error) {
    if (error instanceof SyntaxError)
      return { error: { code: "bad_json", message: "The line is not JSON" } };
    return { error: toErrorRecord(error) };
  }
}

async function* batchesOf(lines: AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let batch: string[] = [];
  let count = 0;
  let chars = 0;
  for await (const line of lines) {
    count += 1;
    if (count > LIMIT.runStarts.max)
      throw new GantryError("too_large", `${LIMIT.runStarts.max} runs are the most in one request`);
    batch.push(line);
    chars += line.length;
    if (batch.length < LINES_MAX && chars < LIMIT.batchBytes.max / 2) continue;
    yield batch;
    batch = [];
    chars = 0;
  }
  if (batch.length > 0) yield batch;
}

/** RB1. */
async function* linesOf(request: Request): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: false });
  let rest = "";
  for await (const chunk of readChunks(request, BODY_BYTES_MAX)) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    if (parts.some((part) => part.length > LINE_BYTES))
      throw new GantryError("too_large", `A line is over ${LINE_BYTES} characters`);
    rest = parts.pop() ?? "";
    for (const part of parts) if (part.trim() !== "") yield part;
  }
  if (rest.trim() !== "") yield rest;
}
