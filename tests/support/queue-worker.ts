// Test equipment: a program that works on a queue, as a process of its own that can be killed. Each job
// leaves one file of its name in the folder, which must not be there yet, and a line in `tries`.
//
//   node tests/support/queue-worker.ts '{"enrolled": ..., "token": ..., "queue": ..., "folder": ...}'

import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Enrolled, openClient } from "./enrol.ts";

interface Asked {
  readonly enrolled: Enrolled;
  readonly token: string;
  readonly queue: string;
  readonly folder: string;
  readonly credit: number;
  /** Each job takes so long. */
  readonly workMs: number;
}

const { enrolled, token, queue, folder, credit, workMs } = JSON.parse(
  process.argv[2] ?? "{}",
) as Asked; // of the test that starts it
const client = openClient(enrolled, { token });
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
await client.queues.work(queue, { credit, signal: stop.signal }, async ({ job, data }) => {
  await appendFile(join(folder, "tries"), `${job}\n`);
  await new Promise((resolve) => setTimeout(resolve, workMs));
  // The world outside knows the job by its key, and takes a second order of the same for the first.
  await writeFile(join(folder, job), JSON.stringify(data), { flag: "wx" }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    },
  );
  return { done: job };
});
await client.close();
