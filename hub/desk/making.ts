// Use cases: devices, prints, the emergency stop, queued work.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type {
  CommandBody,
  ConfirmationDraft,
  PrintWish,
} from "@gantry/shared/contract/commands.ts";
import { HAZARD_POLICY, mayAct } from "@gantry/shared/contract/roles.ts";
import type {
  CommandFact,
  DeviceRow,
  JobClass,
  JobRow,
  PrintRow,
} from "@gantry/shared/contract/rows.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { WorkSpec } from "@gantry/shared/contract/registry-ops.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import type {
  PrintAccepted,
  PrintThumbnail,
  PrintView,
} from "@gantry/shared/contract/schemas/prints.ts";
import { limitsOf, rescan } from "../ask/library.ts";
import { draftPrint } from "../ask/rules.ts";
import { act, newId } from "../hub.ts";
import type { DeskCallOptions, DeskRequest, PrintUpload } from "../ports.ts";
import { draftFarmPrint } from "./farm.ts";
import { actorOf, byOf, type DeskParts, pageOf, paramOf } from "./context.ts";
import { addWork, deadRows, openRow, viewWork } from "./queues.ts";
import { confirmationView, deviceView, printView } from "./views.ts";

// ── devices ─────────────────────────────────────────────────────────────────────────────────────

export function devices(parts: DeskParts, { query }: DeskRequest): unknown {
  const views = [...parts.hub.rows.hot("device").values()].map((row) => viewDevice(parts, row));
  const { kind, online } = query;
  const wanted = views.filter(
    (view) =>
      (kind === undefined || view.kind === kind) &&
      (online === undefined || view.online === online),
  );
  return { devices: wanted };
}

export const device = (parts: DeskParts, request: DeskRequest): DeviceView =>
  viewDevice(parts, deviceOf(parts, request));

const viewDevice = ({ hub }: DeskParts, row: DeviceRow): DeviceView =>
  deviceView(hub.rows, row, hub.soft.printer(row.id));

function deviceOf({ hub }: DeskParts, request: DeskRequest): DeviceRow {
  const id = paramOf(request, "id");
  const row = hub.rows.get("device", id);
  if (row === undefined) throw new GantryError("not_found", `There is no device ${id}`);
  return row;
}

export async function bedCleared(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<DeviceView> {
  const { id } = deviceOf(parts, request);
  const { job } = (request.body as { job?: string } | undefined) ?? {};
  await act(
    parts.hub,
    { type: "bedCleared", device: id, ...(job === undefined ? {} : { job }) },
    byOf(request),
    signal,
  );
  return viewDevice(parts, deviceOf(parts, request));
}

export async function deviceReset(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { id: printer, node } = deviceOf(parts, request);
  const message = { type: "resetPrinter" as const, id: newId(parts.hub, "req"), printer };
  await parts.calls.call(node, message, { timeoutMs: TIMEOUT.fabricationCommandMs, signal });
  return { ok: true };
}

export async function stop(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { printer } = (request.body as { printer?: string } | undefined) ?? {};
  return parts.stop(printer, byOf(request), signal);
}

// ── prints ──────────────────────────────────────────────────────────────────────────────────────

export async function printSubmitted(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<PrintAccepted> {
  const { hub } = parts;
  const { isKept, farm, ...wanted } = request.body as PrintUpload;
  const body: CommandBody =
    farm !== undefined
      ? { type: "farmPrintSubmitted", ...draftFarmPrint(hub, wanted, farm) }
      : isKept === true
        ? { type: "printKept", job: newId(hub, "prt"), ...wanted }
        : { type: "printSubmitted", ...draftPrint(hub, wanted) };
  return submit(parts, body, request, signal);
}

/** The same file once more, for the same printer or another, by the ordinary way and its word. */
export async function printAgain(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<PrintAccepted> {
  const { hub, blobs } = parts;
  const { name, gcode, ...row } = printRow(parts, paramOf(request, "id"));
  const { printer = row.printer } = (request.body as { printer?: string } | undefined) ?? {};
  const device = hub.rows.get("device", printer);
  if (device === undefined) throw new GantryError("not_found", `There is no device ${printer}`);
  if (blobs === undefined) throw new GantryError("not_found", "There is no blob store here");
  await rescan(blobs, gcode, limitsOf(device), signal); // it may have been for another printer
  const draft = draftPrint(hub, { printer, name, gcode });
  return submit(parts, { type: "printSubmitted", ...draft }, request, signal);
}

async function submit(
  parts: DeskParts,
  body: CommandBody,
  request: DeskRequest,
  signal: AbortSignal,
): Promise<PrintAccepted> {
  const { hub } = parts;
  const value = await act(hub, body, byOf(request), signal);
  const { job } = value as { job: string }; // domains/prints.ts; a replay gives the first job
  const row = printRow(parts, job);
  const asked =
    row.confirmation === undefined ? undefined : hub.rows.get("confirmation", row.confirmation);
  return {
    job: { id: row.id, state: row.state },
    ...(asked === undefined ? {} : { confirmation: confirmationView(asked, hub.stampMs()) }),
  };
}

export function prints(parts: DeskParts, request: DeskRequest): unknown {
  const { rows } = parts.hub;
  const { items, next } = pageOf(request, rows.get("count", "prints") ?? 0, (place) => {
    const id = rows.get("order", `prints/${place}`);
    const row = id === undefined ? undefined : rows.get("print", id);
    return row === undefined ? undefined : viewPrint(parts, row);
  });
  return { jobs: items, ...(next === undefined ? {} : { next }) };
}

export const print = (parts: DeskParts, request: DeskRequest): PrintView =>
  viewPrint(parts, printRow(parts, paramOf(request, "id")));

/** Throws not_found where the slicer put no picture into the file. */
export async function printThumbnail(
  parts: DeskParts,
  request: DeskRequest,
): Promise<PrintThumbnail> {
  const { id, gcode } = printRow(parts, paramOf(request, "id"));
  const pictures = gcode.analysis?.thumbnails ?? [];
  const picture = request.query["size"] === "small" ? pictures.at(-1) : pictures[0];
  if (picture === undefined) throw new GantryError("not_found", `${id} has no picture`);
  if (parts.blobs === undefined) throw new GantryError("not_found", "There is no blob store here");
  const { sha256, format, sizeBytes } = picture;
  const bytes = await parts.blobs.read(sha256, 0, sizeBytes);
  return { format, sha256, base64: Buffer.from(bytes).toString("base64") };
}

const viewPrint = ({ hub }: DeskParts, row: PrintRow): PrintView =>
  printView(hub.rows, row, hub.soft.printer(row.printer), hub.stampMs());

function printRow({ hub }: DeskParts, id: string): PrintRow {
  const row = hub.rows.get("print", id);
  if (row === undefined) throw new GantryError("not_found", `There is no print job ${id}`);
  return row;
}

export const wishFor =
  (wish: PrintWish) =>
  async (
    parts: DeskParts,
    request: DeskRequest,
    { signal }: DeskCallOptions,
  ): Promise<PrintView> => {
    const job = paramOf(request, "id");
    await act(parts.hub, { type: "printWished", job, wish }, byOf(request), signal);
    return viewPrint(parts, printRow(parts, job));
  };

export async function printResolved(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<PrintView> {
  const job = paramOf(request, "id");
  const { outcome } = request.body as { outcome: "done" | "failed" };
  await act(parts.hub, { type: "printResolved", job, outcome }, byOf(request), signal);
  return viewPrint(parts, printRow(parts, job));
}

// ── queued work ─────────────────────────────────────────────────────────────────────────────────

type JobWanted =
  | {
      readonly kind: "command";
      readonly command: string;
      readonly args: Record<string, unknown>;
      readonly class: JobClass;
    }
  | { readonly kind: "embed"; readonly input: readonly string[]; readonly class: JobClass }
  | ({ readonly kind: "work"; readonly queue: string } & WorkSpec);

export async function jobAdded(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { hub } = parts;
  const wanted = request.body as JobWanted;
  if (wanted.kind === "work") {
    const { kind: _kind, queue, ...spec } = wanted;
    const [id = ""] = await addWork(parts, request, { queue, jobs: [spec] }, signal);
    return { job: { id, state: hub.rows.get("job", id)?.state ?? "done" } };
  }
  const row = await addJob(parts, request, wanted, signal);
  const asked =
    row.confirmation === undefined ? undefined : hub.rows.get("confirmation", row.confirmation);
  return {
    job: { id: row.id, state: row.state },
    ...(asked === undefined ? {} : { confirmation: confirmationView(asked, hub.stampMs()) }),
  };
}

async function addJob(
  parts: DeskParts,
  request: DeskRequest,
  wanted: Exclude<JobWanted, { kind: "work" }>,
  signal: AbortSignal,
): Promise<JobRow> {
  const { hub } = parts;
  const base = {
    type: "jobAdded" as const,
    job: newId(hub, "job"),
    class: wanted.class,
    attemptsMax: 3,
    timeoutMs: TIMEOUT.commandMs,
  };
  let body: CommandBody;
  if (wanted.kind === "embed") {
    body = {
      ...base,
      kind: "embed",
      effect: "pure",
      needs: "embed",
      input: { input: wanted.input },
    };
  } else {
    const fact = commandFact(parts, request, wanted.command);
    const confirmation = commandConfirmation(parts, fact);
    body = {
      ...base,
      kind: "command",
      effect: fact.effect,
      needs: `command:${fact.name}`,
      input: { command: fact.name, args: wanted.args },
      ...(confirmation === undefined ? {} : { confirmation }),
    };
  }
  const value = await act(hub, body, byOf(request), signal);
  return jobRow(parts, (value as { job: string }).job); // domains/jobs.ts
}

/** The command as a node that is alive lists it; the role that its hazard needs is checked here. */
export function commandFact({ hub }: DeskParts, request: DeskRequest, name: string): CommandFact {
  const alive = [...hub.rows.hot("node").values()].filter(({ state }) => state === "alive");
  const fact = alive
    .flatMap(({ capabilities }) => capabilities.commands)
    .find((command) => command.name === name);
  if (fact === undefined)
    throw new GantryError("command_not_listed", `No machine lists the command ${name}`);
  const { role } = HAZARD_POLICY[fact.hazard];
  if (!mayAct(actorOf(request).role, role)) {
    throw new GantryError("forbidden", `The command ${name} needs the role ${role}`);
  }
  return fact;
}

function commandConfirmation(
  { hub }: DeskParts,
  { name, summary, hazard }: CommandFact,
): ConfirmationDraft | undefined {
  if (!HAZARD_POLICY[hazard].confirms) return undefined;
  return {
    id: newId(hub, "cfm"),
    phrase: `confirm run ${name}`,
    summary: `Run ${name}: ${summary}`,
    hazardClass: hazard,
    hazards: [`the command's hazard class is ${hazard}`],
    expiresAtMs: hub.stampMs() + LIFE.confirmationMs,
  };
}

/** Waits for the end of the job, or for the moment in which it waits for a person. */
export async function exec(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<JobView> {
  const { command, args } = request.body as { command: string; args: Record<string, unknown> };
  const { id } = await addJob(
    parts,
    request,
    { kind: "command", command, args, class: "high" },
    signal,
  );
  await settled(parts, id, parts.hub.clock.timeout(TIMEOUT.commandMs + TIMEOUT.stopMs, signal));
  const row = jobRow(parts, id);
  if (row.error !== undefined && row.state === "failed") {
    const { code, message, details } = row.error;
    throw new GantryError(code, message, { details: { ...details, job: id } });
  }
  return viewJob(parts, row);
}

/** Resolves at the job's end, at `awaiting`, or when the signal aborts: the job goes on then. */
function settled(parts: DeskParts, id: string, signal: AbortSignal): Promise<void> {
  const isSettled = (): boolean => {
    const state = parts.hub.rows.get("job", id)?.state;
    return state !== "ready" && state !== "leased";
  };
  if (isSettled() || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = new AbortController();
    const finish = (): void => {
      done.abort();
      resolve();
    };
    signal.addEventListener("abort", finish, { once: true, signal: done.signal });
    parts.hub.feed.watch(() => (isSettled() ? finish() : undefined), done.signal);
  });
}

export function jobs(parts: DeskParts, request: DeskRequest): unknown {
  const { rows } = parts.hub;
  const { items, next } = pageOf(request, rows.get("count", "jobs") ?? 0, (place) => {
    const id = rows.get("order", `jobs/${place}`);
    const row = id === undefined ? undefined : rows.get("job", id);
    return row === undefined ? undefined : viewJob(parts, row);
  });
  return { jobs: items, ...(next === undefined ? {} : { next }) };
}

export function deadJobs(parts: DeskParts, request: DeskRequest): unknown {
  const { rows } = parts.hub;
  const { queue } = request.query as { queue?: string };
  const dead =
    queue === undefined
      ? [...rows.hot("order").values()]
      : deadRows(parts, { queue }).map(({ id }) => id);
  const { items, next } = pageOf(request, dead.length, (place) => {
    const id = dead[place];
    const row = id === undefined ? undefined : rows.get("job", id);
    return row === undefined ? undefined : viewJob(parts, row);
  });
  return { jobs: items, ...(next === undefined ? {} : { next }) };
}

export const job = (parts: DeskParts, request: DeskRequest): JobView =>
  viewJob(parts, jobRow(parts, paramOf(request, "id")));

const viewJob = viewWork;

function jobRow(parts: DeskParts, id: string): JobRow {
  const row = openRow(parts, id);
  if (row === undefined) throw new GantryError("not_found", `There is no job ${id}`);
  return row;
}

export async function jobCancelled(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<JobView> {
  const id = paramOf(request, "id");
  const work = parts.queues?.queues.runWork.get(id);
  await work?.owner.makeJob(work); // of a run's task without a row
  await act(parts.hub, { type: "jobCancelled", job: id }, byOf(request), signal);
  return viewJob(parts, jobRow(parts, id));
}

export async function jobRequeued(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<JobView> {
  const id = paramOf(request, "id");
  await act(parts.hub, { type: "jobRequeued", job: id }, byOf(request), signal);
  return viewJob(parts, jobRow(parts, id));
}

export async function jobDropped(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  await act(parts.hub, { type: "jobDropped", job: paramOf(request, "id") }, byOf(request), signal);
  return { ok: true };
}
