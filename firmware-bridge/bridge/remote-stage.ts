// How a job comes to a printer that prints by itself: the checked bytes are uploaded under the job's
// own name, `started` goes to the disk, and then one command leaves.
//
// RS1. The name holds the job and the hash of its bytes: after a crash it says whose print it is.
// RS2. The command to start is sent once. Whatever becomes of its answer, it is not sent again.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT, RETRY, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { attempt } from "@gantry/shared/flow/attempt.ts";
import { dialectOf } from "@gantry/shared/gcode/scan.ts";
import type { JobFile, PrintFile } from "../ports.ts";
import { makeRemoteJob } from "../protocols/remote.ts";
import { CHUNK_BYTES, type Cleared, readChunk } from "./preflight.ts";
import type { Stage, StartOrder } from "./preparation.ts";
import {
  type RemoteContext,
  type RemotePrint,
  requireReady,
  requireSession,
  sizeMmOf,
} from "./remote-state.ts";

export function remoteStage(context: RemoteContext): Stage<RemotePrint> {
  const { spec, ports, state, book, scope } = context;
  const { clock, log } = ports;

  async function deliver(
    order: StartOrder,
    file: JobFile,
    cleared: Cleared,
    signal: AbortSignal,
  ): Promise<string> {
    if (order.sizeBytes > LIMIT.gcodeBytes.max) {
      throw new GantryError("too_large", `The file has over ${LIMIT.gcodeBytes.max} bytes`);
    }
    const name = remoteNameOf(order);
    const source = printFileOf(file, cleared, order);
    await clearLeftovers(signal);
    await attempt(
      (limited) => requireSession(state, spec.id).upload(name, source, limited),
      RETRY.printerUpload,
      { clock, random: ports.random, signal },
    );
    return name;
  }

  /** What could not be removed when its job ended: some printers hold the last file for a while. */
  async function clearLeftovers(signal: AbortSignal): Promise<void> {
    for (const name of state.leftovers.splice(0)) {
      const limited = clock.timeout(TIMEOUT.printerAnswerMs, signal);
      await requireSession(state, spec.id)
        .remove(name, limited)
        .catch(() => log.info({ name }, "a file is left on the printer"));
    }
  }

  /** RS2 */
  async function command(print: RemotePrint, signal: AbortSignal): Promise<void> {
    const { job, remote } = print;
    try {
      const session = requireSession(state, spec.id);
      await session.begin(remote.name, clock.timeout(TIMEOUT.fabricationCommandMs, signal));
    } catch (error) {
      const record = toErrorRecord(error);
      log.warn({ job, code: record.code, why: record.message }, "the start has no good answer");
      if (isRefusal(error)) remote.refuse(record, clock.monotonic());
    }
  }

  return {
    printer: spec.id,
    state,
    book,
    scope,
    openJobFile: ports.openJobFile,
    jobOf: (print) => print,
    requireReady: () => requireReady(state, spec.id),
    limits: () => ({
      ...spec,
      sizeMm: sizeMmOf(spec, state),
      dialect: dialectOf(ports.remote.driver),
    }),
    deliver,
    begin({ job, token }, file, _cleared, row) {
      const remote = makeRemoteJob(row.remoteFile ?? job, clock.monotonic());
      const print = newPrint(job, token, remote);
      state.work = print;
      scope.start("close file", () => file.close());
      ports.onJob(row, "started");
      scope.start("begin", (signal) => command(print, signal));
      context.tell();
    },
    onJob: (row, phase) => ports.onJob(row, phase),
    tell: () => context.tell(),
  };
}

export const newPrint = (
  job: string,
  token: number,
  remote: RemotePrint["remote"],
): RemotePrint => ({
  kind: "printing",
  job,
  token,
  remote,
  isAsking: false,
  isEnding: false,
  cancelNextMs: 0,
});

/** The printer said no, as an adapter marks it. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof GantryError && error.details["isRefused"] === true;

/** RS1. Names that every printer takes: letters, digits, `-` and `_`, fewer than 100. */
export function remoteNameOf({ job, sha256: hash }: StartOrder): string {
  const safe = /^[\w-]{1,64}$/.test(job) ? job : sha256(job).slice(0, 32);
  return `gantry-${safe}-${hash.slice(0, 12)}.gcode`;
}

function printFileOf(file: JobFile, cleared: Cleared, order: StartOrder): PrintFile {
  return {
    sizeBytes: order.sizeBytes,
    sha256: order.sha256,
    async *chunks() {
      for (let offset = 0; offset < file.sizeBytes; offset += CHUNK_BYTES) {
        yield await readChunk(file, cleared, offset); // PF1: what was checked is what goes there
      }
    },
  };
}
