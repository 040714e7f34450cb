// Test equipment: what a person does at the appliance, step by step, and the two oracles that nobody
// can talk round: the event stream as it comes, and the simulator's own log of executed lines.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeSseParser } from "@gantry/shared/client/sse.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { MessageView, QueryReply } from "@gantry/shared/contract/schemas/asking.ts";
import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import {
  type Appliance,
  type ApplianceOptions,
  startAppliance,
  until,
} from "../support/appliance.ts";
import { partGcode, type PartOptions } from "../support/part.ts";

/** A loaded machine may be this slow; no test waits for it on a quiet one. */
export const PATIENCE_MS = 60_000;

/** Heaters and wire far faster than real, so that a print takes about two seconds. */
export const FAST_PRINTER = { GANTRY_PRINTERS: "sim=sim:?speed=30&heat=20" };

export const startFast = (options: ApplianceOptions = {}): Promise<Appliance> =>
  startAppliance({ ...options, env: { ...FAST_PRINTER, ...options.env } });

export const ENDED = ["done", "failed", "cancelled", "interrupted", "unknown"] as const;

// ── printing ────────────────────────────────────────────────────────────────────────────────────

export async function printer(a: Appliance): Promise<DeviceView> {
  return (await a.api("GET", "/api/devices/sim")).body as DeviceView; // the route's reply schema
}

export const untilIdle = (a: Appliance): Promise<DeviceView> =>
  until(
    "an idle printer",
    async () => {
      const view = await printer(a).catch(() => undefined);
      return view?.online === true && view.phase === "idle" && view;
    },
    PATIENCE_MS,
  );

/** A part whose first line is a message of its own: the log of the simulator tells it from all others. */
export const markedPart = (marker: string, options: PartOptions = {}): string =>
  `M117 ${marker}\n${partGcode(options)}`;

export interface Submitted {
  readonly job: string;
  readonly confirmation: ConfirmationView;
}

export async function submit(a: Appliance, name: string, gcode: string): Promise<Submitted> {
  const { status, body } = await a.api("POST", "/api/fabrication/jobs", {
    printer: "sim",
    name,
    gcode,
  });
  if (status !== 202) throw new Error(`submit: ${status} ${JSON.stringify(body)}`);
  return { job: body.job.id, confirmation: body.confirmation };
}

export const confirm = (
  a: Appliance,
  { id, phrase }: { readonly id: string; readonly phrase: string | null },
  headers: Record<string, string> = {},
): ReturnType<Appliance["api"]> =>
  a.api("POST", `/api/confirmation/${id}/confirm`, { phrase }, headers);

export async function print(a: Appliance, job: string): Promise<PrintView> {
  return (await a.api("GET", `/api/fabrication/jobs/${job}`)).body as PrintView; // the reply schema
}

/** Waits through restarts of the hub too. */
export const untilPrint = (
  a: Appliance,
  job: string,
  what: string,
  fits: (view: PrintView) => boolean,
): Promise<PrintView> =>
  until(
    `print ${job} to be ${what}`,
    async () => {
      const view = await print(a, job).catch(() => undefined);
      return view !== undefined && view.id === job && fits(view) && view;
    },
    PATIENCE_MS,
  );

export const untilEnded = (a: Appliance, job: string): Promise<PrintView> =>
  untilPrint(a, job, "ended", ({ state }) => ENDED.some((end) => end === state));

export async function clearBed(a: Appliance): Promise<void> {
  const { status, body } = await a.api("POST", "/api/devices/sim/bed-cleared", {});
  if (status !== 200) throw new Error(`clear bed: ${status} ${JSON.stringify(body)}`);
}

/** Every line that the simulated firmware has executed, since the beginning. */
export function executedLines(a: Appliance): string[] {
  const path = join(a.dataDir, "sim", "sim.log");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.map((line) => line.replace(/^(?:N\d+|-) /, ""));
}

/** How often the firmware executed the first line of this part. */
export const startsOf = (a: Appliance, marker: string): number =>
  executedLines(a).filter((line) => line === `M117 ${marker}`).length;

/** What the firmware executed from the first line of this part on. */
export function linesAfter(a: Appliance, marker: string): string[] {
  const lines = executedLines(a);
  const at = lines.indexOf(`M117 ${marker}`);
  return at === -1 ? [] : lines.slice(at);
}

export const untilExecuted = (a: Appliance, marker: string, line: string): Promise<true> =>
  until(
    `${line} of ${marker} to be executed`,
    () => linesAfter(a, marker).includes(line) && true,
    PATIENCE_MS,
  );

// ── asking ──────────────────────────────────────────────────────────────────────────────────────

export const ask = (
  a: Appliance,
  prompt: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): ReturnType<Appliance["api"]> => a.api("POST", "/api/query", { prompt, ...more }, headers);

export async function history(a: Appliance, conversation: string): Promise<MessageView[]> {
  const { body } = await a.api("GET", `/api/conversations/${conversation}?limit=500`);
  return (body.messages ?? []) as MessageView[]; // the reply schema; absent when there is none yet
}

/** A token for another person, as its header. */
export async function tokenFor(
  a: Appliance,
  person: string,
  role: string,
): Promise<{ authorization: string }> {
  const { status, body } = await a.api("POST", "/api/tokens", { person, role });
  if (status !== 201) throw new Error(`token: ${status} ${JSON.stringify(body)}`);
  return { authorization: `Bearer ${body.token}` };
}

export interface Problem {
  readonly code: string;
}

/** A streamed question: its first piece of text, and its end however it comes. */
export interface Streaming {
  readonly firstText: Promise<unknown>;
  /** The data of the last event: the reply, or the problem. Undefined when the stream was cut off. */
  readonly ended: Promise<QueryReply | Problem | undefined>;
}

export function askStreaming(
  a: Appliance,
  body: Record<string, unknown>,
  headers: Record<string, string> = {},
): Streaming {
  const first = Promise.withResolvers<void>();
  let last: QueryReply | Problem | undefined;
  const run = async (): Promise<typeof last> => {
    const reply = await fetch(`${a.url}/api/query`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${a.token}`,
        "content-type": "application/json",
        ...headers,
      },
      body: JSON.stringify({ ...body, stream: true }),
    });
    const parser = makeSseParser();
    for await (const chunk of reply.body ?? []) {
      for (const { type, data } of parser.push(chunk)) {
        if (type === "token") first.resolve();
        else last = JSON.parse(data) as QueryReply | Problem; // QUERY_STREAM_EVENTS
      }
    }
    return last;
  };
  const ended = run()
    .catch(() => last)
    .finally(() => first.resolve());
  return { firstText: first.promise, ended };
}

/** Waits until a node offers this language model. */
export const untilModel = (a: Appliance, name: string): Promise<true> =>
  until(
    `the model ${name} on offer`,
    async () => {
      const { body } = await a.api("GET", "/v1/models");
      return ((body.data ?? []) as { id: string }[]).some(({ id }) => id === name) && true;
    },
    PATIENCE_MS,
  );

// ── events ──────────────────────────────────────────────────────────────────────────────────────

export interface Watcher extends Disposable {
  readonly seen: readonly LedgerEvent[];
  /** The first event that fits, seen already or still to come. */
  until(what: string, fits: (event: LedgerEvent) => boolean): Promise<LedgerEvent>;
}

/** Follows /api/events until it is disposed or the hub ends. Resolves when the stream is open. */
export async function watchEvents(a: Appliance): Promise<Watcher> {
  const gone = new AbortController();
  const reply = await fetch(`${a.url}/api/events`, {
    headers: { authorization: `Bearer ${a.token}` },
    signal: gone.signal,
  });
  const seen: LedgerEvent[] = [];
  const parser = makeSseParser();
  const read = async (): Promise<void> => {
    for await (const chunk of reply.body ?? []) {
      for (const { data, id } of parser.push(chunk)) {
        if (id !== undefined) seen.push(JSON.parse(data) as LedgerEvent); // ids are for ledger events
      }
    }
  };
  read().catch(() => undefined); // the hub was killed, or the watcher let go
  return {
    seen,
    until: (what, fits) => until(`event: ${what}`, () => seen.find(fits), PATIENCE_MS),
    [Symbol.dispose]: () => gone.abort(),
  };
}

// ── books ───────────────────────────────────────────────────────────────────────────────────────

/** Every message of every conversation of the owner. */
export async function allMessages(a: Appliance): Promise<MessageView[]> {
  const { body } = await a.api("GET", "/api/conversations?limit=500");
  const talks = body.conversations as { id: string }[];
  const pages = await Promise.all(talks.map(({ id }) => history(a, id)));
  return pages.flat();
}

export interface AuditEntry {
  readonly seq: number;
  readonly action: string;
  readonly object: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The whole audit trail, oldest first. */
export async function auditTrail(a: Appliance): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  let after = "";
  for (;;) {
    const { body } = await a.api("GET", `/api/audit?limit=500${after}`);
    entries.push(...(body.entries as AuditEntry[]));
    if (body.next === undefined) return entries.toReversed();
    after = `&after=${body.next}`;
  }
}
