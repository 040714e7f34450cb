// The streams on which leased jobs leave for programs, by name and by queue. The leader's memory.

import type {
  LeasedWork,
  RegistryCall,
  RegistryWork,
} from "@gantry/shared/contract/registry-ops.ts";
import { roughChars } from "../workflow/json-size.ts";

export type Say = (work: Omit<RegistryWork, "type" | "id">) => "sent" | "absent" | "full";
export type Call<T extends RegistryCall["op"]> = Extract<RegistryCall, { op: T }>;

export const JOBS_PER_MESSAGE = 256;
const MESSAGE_BYTES = 262_144; // a job has LIMIT.jobBytes at most, and a frame 4 MiB

export interface Stream {
  readonly name: string;
  readonly queue: string;
  readonly credit: number;
  readonly say: Say;
  /** Its ends that are on their way into the log use no credit. */
  ending: number;
}

export interface Streams {
  get(name: string): Stream | undefined;
  has(name: string): boolean;
  all(): Iterable<Stream>;
  add(stream: Stream): void;
  /** Those that take more, whoever was served longest ago first. Undefined if there is none. */
  takers(queue: string): ReadonlySet<Stream> | undefined;
  /** It was served: the next look begins with another. */
  toTheEnd(stream: Stream): void;
  /** No more jobs for it. */
  drain(stream: Stream): void;
  /** False if it was gone already. */
  remove(stream: Stream): boolean;
  clear(): void;
}

export function makeStreams(): Streams {
  const streams = new Map<string, Stream>();
  const byQueue = new Map<string, Set<Stream>>();

  function drain(stream: Stream): void {
    const mine = byQueue.get(stream.queue);
    mine?.delete(stream);
    if (mine?.size === 0) byQueue.delete(stream.queue);
  }

  return {
    get: (name) => streams.get(name),
    has: (name) => streams.has(name),
    all: () => streams.values(),
    add(stream) {
      streams.set(stream.name, stream);
      const mine = byQueue.get(stream.queue) ?? new Set();
      byQueue.set(stream.queue, mine);
      mine.add(stream);
    },
    takers: (queue) => byQueue.get(queue),
    toTheEnd(stream) {
      const mine = byQueue.get(stream.queue);
      if (mine?.delete(stream) === true) mine.add(stream);
    },
    drain,
    remove(stream) {
      drain(stream);
      return streams.delete(stream.name);
    },
    clear() {
      streams.clear();
      byQueue.clear();
    },
  };
}

/** In messages that fit into a frame. False as soon as one does not leave. */
export function sayAll(stream: Stream, jobs: readonly LeasedWork[]): boolean {
  let from = 0;
  let bytes = 0;
  for (let place = 0; place < jobs.length; place += 1) {
    bytes += roughChars(jobs[place]?.data);
    if (bytes < MESSAGE_BYTES && place + 1 < jobs.length) continue;
    const isWhole = from === 0 && place + 1 === jobs.length;
    const some = isWhole ? jobs : jobs.slice(from, place + 1);
    if (stream.say({ jobs: some }) !== "sent") return false;
    from = place + 1;
    bytes = 0;
  }
  return true;
}
