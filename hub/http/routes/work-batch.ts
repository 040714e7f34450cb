// POST /api/jobs:batch: many jobs of one queue, all or none of them. A JSON body names the queue; of
// NDJSON each line is a job, and ?queue= names it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { workBatchSchema } from "@gantry/shared/contract/schemas/queues.ts";
import { mediaTypeOf, readChunks, readJson } from "../body.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { requestOf, validate } from "../input.ts";
import { deadlineMsOf } from "./plain.ts";

const BODY_BYTES_MAX = 16_777_216;
const LINES = new Set(["application/x-ndjson", "application/jsonl", "application/ndjson"]);

export const workBatch =
  ({ desk, clock }: DoorDeps): Handler =>
  async (c) => {
    const isLines = LINES.has(mediaTypeOf(c.req.raw.headers));
    const sent = isLines ? await readLines(c) : await readJson(c.req.raw, BODY_BYTES_MAX);
    const body = validate(workBatchSchema, sent ?? {}, "");
    const request = requestOf(c, "workAdded", { params: {}, query: {}, body });
    const { signal } = c.req.raw;
    const reply = await within(clock, deadlineMsOf("workAdded"), signal, (limited) =>
      desk.call("workAdded", request, { signal: limited }),
    );
    return c.json(reply as object, 202); // hub/desk/queues.ts
  };

async function readLines(c: DoorContext): Promise<unknown> {
  const chunks = await Array.fromAsync(readChunks(c.req.raw, BODY_BYTES_MAX));
  const lines = new TextDecoder().decode(Buffer.concat(chunks)).split("\n");
  const jobs: unknown[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    if (jobs.length >= LIMIT.jobsInBatch.max) throw tooMany();
    jobs.push(parse(line, index + 1));
  }
  return { queue: c.req.query("queue"), jobs };
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new GantryError("bad_json", `Line ${number} is not JSON`, { cause });
  }
}

const tooMany = (): GantryError =>
  new GantryError("too_large", `${LIMIT.jobsInBatch.max} jobs are the most in one request`);
