// Use cases of parts: from an order to files, and from G-code to a print that waits for its word.
//
// CU1. The same part is made once: an order is known by the hash of its program and its profile, and
//      gets the job that made it, or is making it, while its files are there (LIFE.partFilesMs).
// CU2. What goes to a printer is scanned here, for this printer, whoever made it.
// CU3. A job asks for machines that are there: what no machine can do is refused before it is queued.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { PARTS } from "@gantry/shared/cad/library.ts";
import { assertProfile, type SliceProfile } from "@gantry/shared/cad/slicing.ts";
import { assertFits } from "@gantry/shared/cad/mesh.ts";
import {
  type Made,
  madeSchema,
  type SliceWish,
  sliceWishSchema,
} from "@gantry/shared/contract/cad.ts";
import type { CommandBody, Reply } from "@gantry/shared/contract/commands.ts";
import type { CadNeed, DeviceRow, JobRow, NodeRow } from "@gantry/shared/contract/rows.ts";
import {
  type MakeOrder,
  type MakeView,
  PART_FILES,
  type PartFile,
  type PartParameter,
  type PartPiece,
} from "@gantry/shared/contract/schemas/cad.ts";
import type { PrintAccepted } from "@gantry/shared/contract/schemas/prints.ts";
import { canMake } from "../hands/can-make.ts";
import { act, type By, newId } from "../hub.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { designOf } from "./cad-orders.ts";
import { makeView, orderOf } from "./cad-views.ts";
import { byOf, type DeskParts, type MakeHands, paramOf } from "./context.ts";
import { printSubmitted } from "./making.ts";

/** What making a part needs of the desk. */
export type MakeParts = Pick<DeskParts, "hub" | "models" | "makes">;

const PIECE_BYTES = 1_048_576;
const ATTEMPTS_MAX = 3;
/** Earlier jobs of the same content that failed or whose files are gone: past these none is looked for. */
const EARLIER_MAX = 64;

export function cadParts(): unknown {
  const parts = PARTS.map(({ id, title, summary, parameters }) => ({
    id,
    title,
    summary,
    parameters: Object.entries(parameters).map(([name, spec]): PartParameter => {
      const { kind, title, default: standard } = spec;
      const base = { name, title, kind, default: standard };
      if (spec.kind === "flag") return base;
      if (spec.kind === "choice") return { ...base, options: [...spec.options] };
      if (spec.kind === "text") return { ...base, charsMax: spec.charsMax };
      const unit = { length: "mm", angle: "°", count: "" }[spec.kind];
      return { ...base, min: spec.min, max: spec.max, unit };
    }),
  }));
  return { parts };
}

export async function cadGenerated(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<MakeView> {
  const order = request.body as MakeOrder;
  return generate(parts, byOf(request), order, signal);
}

/** As the route; also for sentences. */
export async function generate(
  parts: MakeParts,
  by: By,
  order: MakeOrder,
  signal: AbortSignal,
): Promise<MakeView> {
  const device = deviceFor(parts, order.printer, order.slice !== undefined);
  const wish = order.slice === true ? sliceWishSchema.parse({}) : order.slice;
  const profile = wish === undefined || device === undefined ? undefined : profileOf(device, wish);
  const design = await designOf(order, parts.models, signal);
  const { source, isFree } = design;
  const about = {
    title: design.title,
    name: order.name ?? nameOf(design.title, design.parameters),
    summary: design.summary,
    ...(design.part === undefined ? {} : { part: design.part, parameters: design.parameters }),
    ...(device === undefined ? {} : { printer: device.id }),
  };
  const bodyKey = contentKey("cad", { source });
  const rendered = await madeBefore(parts, bodyKey, by.actor);
  if (rendered.hit !== undefined) {
    const made = madeOf(rendered.hit);
    if (profile === undefined) return viewOf(parts, rendered.hit, true);
    if (made !== undefined) return sliceMade(parts, by, about, made, profile, signal);
  }
  const input = { source, isFree, ...(profile === undefined ? {} : { profile }), about };
  const need: CadNeed = `${isFree ? "cad-free" : "cad"}${profile === undefined ? "" : "+slice"}`;
  // A body alone and a body with G-code are two orders: each is made once.
  const key = profile === undefined ? bodyKey : contentKey("cad+slice", { source, profile });
  return add(parts, by, { kind: "cad", need, input, key }, signal);
}

export const cadJob = (parts: DeskParts, request: DeskRequest): MakeView =>
  viewOf(parts, jobOf(parts, request), false);

export async function cadSliced(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<MakeView> {
  const row = jobOf(parts, request);
  const made = doneOf(row);
  await assertKept(parts, row);
  const { printer, slice } = request.body as { printer?: string; slice?: SliceWish };
  const { about } = orderOf(row);
  const device = deviceFor(parts, printer ?? about.printer, true);
  const profile = profileOf(device, slice ?? sliceWishSchema.parse({}));
  return sliceMade(parts, byOf(request), { ...about, printer: device.id }, made, profile, signal);
}

async function sliceMade(
  parts: MakeParts,
  by: By,
  about: object,
  { stl, mesh }: Made,
  profile: SliceProfile,
  signal: AbortSignal,
): Promise<MakeView> {
  assertFits(mesh.sizeMm, profile.sizeMm);
  const key = contentKey("slice", { stl: stl.sha256, profile });
  return add(
    parts,
    by,
    { kind: "slice", need: "slice", input: { stl, profile, about }, key },
    signal,
  );
}

/** A piece of one of its files; the door asks for one after the other. */
export async function cadFile(parts: DeskParts, request: DeskRequest): Promise<PartPiece> {
  const row = jobOf(parts, request);
  const file = paramOf(request, "file");
  const made = doneOf(row);
  if (!isPartFile(file)) throw new GantryError("not_found", `A part has: ${PART_FILES.join(", ")}`);
  const stored = made[file];
  if (stored === undefined) throw new GantryError("not_found", `${row.id} has no ${file}`);
  const { blobs } = handsOf(parts);
  const offset = Number(request.query["offset"] ?? 0);
  const bytes = await blobs.read(stored.sha256, offset, PIECE_BYTES).catch((error: unknown) => {
    throw error instanceof GantryError && error.code === "not_found" ? isGone(error) : error;
  });
  const ending = { stl: "stl", preview: "png", gcode: "gcode" }[file];
  const name = `${orderOf(row).about.name}.${ending}`;
  return { ...stored, name, base64: Buffer.from(bytes).toString("base64") };
}

/** CU2. The print waits for its confirmation as every print does. */
export async function cadPrinted(
  parts: DeskParts,
  request: DeskRequest,
  options: DeskCallOptions,
): Promise<PrintAccepted> {
  const row = jobOf(parts, request);
  const { gcode } = doneOf(row);
  if (gcode === undefined) throw new GantryError("conflict", `${row.id} is not sliced yet`);
  const { about } = orderOf(row);
  const body = request.body as { printer?: string; name?: string };
  const device = deviceFor(parts, body.printer ?? about.printer, true);
  await assertKept(parts, row);
  const facts = await handsOf(parts).scan(gcode, device, options.signal);
  const upload = { printer: device.id, name: body.name ?? about.name, gcode: facts };
  return printSubmitted(parts, { ...request, body: upload }, options);
}

// ── jobs by content ─────────────────────────────────────────────────────────────────────────────

const contentKey = (kind: string, content: object): string => `${kind}/${digestOf(content)}`;

interface Order {
  readonly kind: "cad" | "slice";
  readonly need: CadNeed;
  readonly input: Readonly<Record<string, unknown>>;
  readonly key: string;
}

/** CU1 and CU3. */
async function add(
  parts: MakeParts,
  by: By,
  { kind, need, input, key: content }: Order,
  signal: AbortSignal,
): Promise<MakeView> {
  const { hub } = parts;
  const { hit, key } = await madeBefore(parts, content, by.actor);
  if (hit !== undefined) return viewOf(parts, hit, hit.state === "done");
  assertMachine([...hub.rows.hot("node").values()], need);
  const body: CommandBody = {
    type: "jobAdded",
    job: newId(hub, "job"),
    kind,
    class: "high",
    effect: "pure",
    needs: need,
    input,
    attemptsMax: ATTEMPTS_MAX,
    // Of the node's own time-out there is one for each program; this is for a node that hangs.
    timeoutMs: TIMEOUT.cadMs * 2,
  };
  const { session: _session, ...own } = by; // the content is the key, in any session
  const replay = { key, requestSha256: "" };
  const { job } = (await act(hub, body, { ...own, replay }, signal)) as { job: string };
  return viewOf(parts, rowOf(parts, job), false);
}

/**
 * The job that made this, or makes it for the same person; else the key under which it is to be made:
 * the first one of which nothing is left.
 */
async function madeBefore(
  parts: MakeParts,
  content: string,
  person: string,
): Promise<{ readonly hit?: JobRow; readonly key: string }> {
  const { hub } = parts;
  for (let earlier = 0; earlier < EARLIER_MAX; earlier += 1) {
    const key = `made/${content}/${earlier}`;
    const replay = hub.rows.get("replay", key);
    if (replay === undefined || replay.atMs + LIFE.idempotencyMs < hub.stampMs()) return { key };
    const reply = replay.reply as Reply; // the ledger wrote it
    const job = reply.ok ? hub.rows.get("job", (reply.value as { job: string }).job) : undefined;
    if (job === undefined) continue;
    if ((job.state === "ready" || job.state === "leased") && job.by === person)
      return { hit: job, key };
    if (job.state === "done" && (await hasFiles(parts, job))) return { hit: job, key };
  }
  return { key: `made/${content}/${newId(hub, "req")}` };
}

async function hasFiles(parts: MakeParts, row: JobRow): Promise<boolean> {
  const made = madeOf(row);
  if (made === undefined) return false;
  const { blobs } = handsOf(parts);
  for (const file of PART_FILES) {
    const stored = made[file];
    if (stored === undefined) continue;
    // Reads through to the other hubs, which `has` does not.
    const found = await blobs.read(stored.sha256, 0, 1).catch(() => undefined);
    if (found === undefined) return false;
  }
  return true;
}

/** Throws gone. */
async function assertKept(parts: MakeParts, row: JobRow): Promise<void> {
  if (!(await hasFiles(parts, row))) throw isGone();
}

function isGone(cause?: GantryError): GantryError {
  const text = `Files of parts are kept ${LIFE.partFilesMs / 3_600_000} hours; make it again`;
  return new GantryError("gone", text, cause === undefined ? {} : { cause });
}

/** Throws capability_missing with what would be needed. */
function assertMachine(nodes: readonly NodeRow[], need: CadNeed): void {
  const alive = nodes.filter(({ state }) => state === "alive");
  if (alive.some((node) => canMake(node.capabilities, need))) return;
  const wanted = need.includes("+")
    ? "OpenSCAD and PrusaSlicer on one machine (or order the part first, then slice it)"
    : need === "slice"
      ? "PrusaSlicer"
      : need === "cad-free"
        ? "OpenSCAD on a machine that can shut a program in (see docs/operations.md)"
        : "OpenSCAD";
  throw new GantryError(
    "capability_missing",
    `No machine has ${wanted}: apt install openscad prusa-slicer`,
  );
}

// ── small things ────────────────────────────────────────────────────────────────────────────────

const isPartFile = (text: string): text is PartFile => PART_FILES.some((file) => file === text);

function handsOf({ makes }: MakeParts): MakeHands {
  if (makes === undefined) throw new GantryError("capability_missing", "No parts are made here");
  return makes;
}

function rowOf({ hub }: MakeParts, id: string): JobRow {
  const row = hub.rows.get("job", id);
  if (row !== undefined && (row.kind === "cad" || row.kind === "slice")) return row;
  throw new GantryError("not_found", `There is no part ${id}`);
}

const jobOf = (parts: DeskParts, request: DeskRequest): JobRow =>
  rowOf(parts, paramOf(request, "id"));

const viewOf = (parts: MakeParts, row: JobRow, isCached: boolean): MakeView =>
  makeView(row, parts.makes?.stepOf(row.id), isCached);

const madeOf = (row: JobRow): Made | undefined => madeSchema.safeParse(row.result).data;

function doneOf(row: JobRow): Made {
  if (row.state !== "done")
    throw new GantryError("conflict", `${row.id} is ${row.state}, not done`);
  const made = madeOf(row);
  if (made === undefined)
    throw new GantryError("data_damaged", `${row.id} has a result that is none`);
  return made;
}

/** The printer of this name, or the only one. */
function deviceFor(parts: MakeParts, named: string | undefined, isNeeded: true): DeviceRow;
function deviceFor(
  parts: MakeParts,
  named: string | undefined,
  isNeeded: boolean,
): DeviceRow | undefined;
function deviceFor(
  { hub }: MakeParts,
  named: string | undefined,
  isNeeded: boolean,
): DeviceRow | undefined {
  const devices = [...hub.rows.hot("device").values()];
  if (named !== undefined) {
    const found = devices.find(({ id }) => id === named);
    if (found === undefined) throw new GantryError("not_found", `There is no printer ${named}`);
    return found;
  }
  if (!isNeeded) return undefined;
  const [only, ...others] = devices;
  if (only !== undefined && others.length === 0) return only;
  const names = devices.map(({ id }) => id).join(", ");
  throw new GantryError(
    "bad_request",
    names === "" ? "There is no printer yet" : `Which printer? ${names}`,
    {
      details: { fields: [{ path: "printer", message: "is missing" }] },
    },
  );
}

/** Throws bad_request. */
function profileOf({ printer }: DeviceRow, wish: SliceWish): SliceProfile {
  const { sizeMm, nozzleMaxC, bedMaxC } = printer;
  const profile = { ...wish, sizeMm, nozzleMaxC, bedMaxC };
  assertProfile(profile);
  return profile;
}

/** "Box 40x30x20": the title and the first sizes. */
function nameOf(title: string, parameters: Readonly<Record<string, unknown>> | undefined): string {
  const text = Object.values(parameters ?? {}).find(
    (value) => typeof value === "string" && title.startsWith("Tag"),
  );
  if (typeof text === "string")
    return `Tag ${text}`
      .replaceAll(/[^\p{L}\p{N} ._()+-]/gu, "")
      .slice(0, 60)
      .trim();
  const sizes = Object.values(parameters ?? {}).filter((value) => typeof value === "number");
  return [title.split(" ").slice(0, 2).join(" "), sizes.slice(0, 3).join("x")].join(" ").trim();
}
