// POST /api/fabrication/jobs: G-code as JSON, as a form, or as it is; scanned and stored as it comes.
//
// PR1. An unknown printer, a bad name and a role too low are refused before the body is read, where
//      the address or an earlier field names them.
// PR2. The desk hears of a print only after its bytes are on disk and the scanner has passed them all.
// PR3. Bytes cost memory only while they are on their way to disk; JSON alone is held whole, up to
//      JSON_BYTES_MAX.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { ANY_PRINTER } from "@gantry/shared/contract/farm.ts";
import { idSchema, nameSchema } from "@gantry/shared/contract/schemas/common.ts";
import { type DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import {
  FARM_FIELDS,
  type FarmPrinters,
  type FarmWish,
  farmWishSchema,
} from "@gantry/shared/contract/schemas/farm.ts";
import { printSubmitSchema } from "@gantry/shared/contract/schemas/prints.ts";
import type { GcodeFacts } from "@gantry/shared/contract/rows.ts";
import { dialectOf, type GcodeLimits } from "@gantry/shared/gcode/scan.ts";
import { pickLimits } from "../../farm/limits.ts";
import type { PrintUpload } from "../../ports.ts";
import { mediaTypeOf, readChunks, readJson } from "../body.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { requestOf, validate } from "../input.ts";
import { boundaryOf, readMultipart } from "../multipart.ts";
import { makeUpload } from "../upload.ts";
import { deadlineMsOf, jsonReply } from "./plain.ts";

/** Text of this size costs the worker about three times as much while it is read. */
const JSON_BYTES_MAX = 67_108_864;
const FIELD_BYTES_MAX = 1_000;

/** What printers of unknown make can stand: PTFE-lined hot ends and plain beds. */
const NOZZLE_MAX_C = 250;
const BED_MAX_C = 100;

interface Submission {
  readonly printer: string;
  readonly name: string;
  readonly gcode: GcodeFacts;
  readonly farm?: NonNullable<PrintUpload["farm"]>;
}

export const submitPrint =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const body: PrintUpload = await readSubmission(deps, c);
    const request = requestOf(c, "printSubmitted", { params: {}, query: {}, body });
    const reply = await within(
      deps.clock,
      deadlineMsOf("printSubmitted"),
      c.req.raw.signal,
      (signal) => deps.desk.call("printSubmitted", request, { signal }),
    );
    return jsonReply(reply, 202);
  };

function readSubmission(deps: DoorDeps, c: DoorContext): Promise<Submission> {
  const type = mediaTypeOf(c.req.raw.headers);
  if (type === "multipart/form-data") return readForm(deps, c);
  if (type === "text/x.gcode" || type === "application/octet-stream") return readRaw(deps, c);
  return readJsonJob(deps, c);
}

async function readJsonJob(deps: DoorDeps, c: DoorContext): Promise<Submission> {
  const body = await readJson(c.req.raw, JSON_BYTES_MAX);
  const name = (body as { readonly name?: unknown } | undefined)?.name;
  if (typeof name === "string") assertName(name);
  const submit = validate(printSubmitSchema, body ?? {}, "");
  const { printer, name: called, gcode: text, ...wish } = submit;
  const farm = farmOf(printer, wish);
  const limits = await scanLimitsOf(deps, c, printer, farm?.dialect);
  await using upload = await makeUpload(deps.blobs, LIMIT.gcodeBytes.max);
  upload.scanWith(limits);
  await upload.write(new TextEncoder().encode(text));
  return { printer, name: called, gcode: await upload.finish(), ...inFarm(farm, limits) };
}

async function readRaw(deps: DoorDeps, c: DoorContext): Promise<Submission> {
  const { printer, name } = namesOf(c.req.query("printer"), c.req.query("name"));
  const farm = farmOf(printer, wishIn(Object.entries(c.req.query())));
  const limits = await scanLimitsOf(deps, c, printer, farm?.dialect);
  await using upload = await makeUpload(deps.blobs, LIMIT.gcodeBytes.max);
  upload.scanWith(limits);
  for await (const chunk of readChunks(c.req.raw, LIMIT.gcodeBytes.max)) await upload.write(chunk);
  return { printer, name, gcode: await upload.finish(), ...inFarm(farm, limits) };
}

/** Fields in any order; a printer named before the file lets the scan run along with the upload. */
async function readForm(deps: DoorDeps, c: DoorContext): Promise<Submission> {
  const fields = new Map(Object.entries(c.req.query()));
  const boundary = boundaryOf(c.req.header("content-type") ?? "");
  await using upload = await makeUpload(deps.blobs, LIMIT.gcodeBytes.max);
  let current: { readonly field: string; text: string } | undefined;
  let fileName: string | undefined;
  let hasFile = false;

  let limits: GcodeLimits | undefined;
  const scan = async (printer: string | undefined): Promise<void> => {
    if (printer === undefined || limits !== undefined) return;
    const id = validate(idSchema, printer, "printer");
    limits = await scanLimitsOf(deps, c, id, farmOf(id, wishIn(fields))?.dialect);
    upload.scanWith(limits);
  };
  await scan(fields.get("printer")); // PR1

  await readMultipart(readChunks(c.req.raw, LIMIT.gcodeBytes.max + 65_536), boundary, {
    async begin(part) {
      current = part.field === "file" ? undefined : { field: part.field, text: "" };
      if (part.field !== "file") return;
      if (hasFile) throw new GantryError("bad_request", "The form has two files");
      hasFile = true;
      fileName = part.fileName;
      if (!fields.has("name") && fileName !== undefined) assertName(fileName);
      await scan(fields.get("printer"));
    },
    async data(bytes) {
      if (current === undefined) return upload.write(bytes);
      current.text += Buffer.from(bytes).toString("utf8");
      if (current.text.length > FIELD_BYTES_MAX) throw tooLong(current.field);
    },
    end() {
      if (current !== undefined) fields.set(current.field, current.text);
    },
  });

  if (!hasFile) throw missing("file");
  const { printer, name } = namesOf(fields.get("printer"), fields.get("name") ?? fileName);
  const farm = farmOf(printer, wishIn(fields));
  await scan(printer);
  return { printer, name, gcode: await upload.finish(), ...inFarm(farm, limits) };
}

function namesOf(
  printer: string | undefined,
  name: string | undefined,
): { readonly printer: string; readonly name: string } {
  if (name === undefined) throw missing("name");
  assertName(name);
  return { printer: validate(idSchema, printer ?? ANY_PRINTER, "printer"), name };
}

/** What is asked of a printer, of a form's or an address's fields; an empty one asks nothing. */
const wishIn = (fields: Iterable<readonly [string, string]>): unknown =>
  Object.fromEntries(
    [...fields].filter(([name, text]) => text !== "" && FARM_FIELDS.includes(name)),
  );

/** Throws bad_request for needs that are none, and for needs beside a printer that is named. */
function farmOf(printer: string, asked: unknown): FarmWish | undefined {
  const wish = validate(farmWishSchema, asked, "");
  if (printer === ANY_PRINTER) return wish;
  const [field] = Object.keys(wish);
  if (field === undefined) return undefined;
  throw new GantryError(
    "bad_request",
    `${field} is for prints of the farm: leave out the printer`,
    {
      details: { fields: [{ path: field, message: "goes with no printer, or any" }] },
    },
  );
}

function inFarm(
  farm: FarmWish | undefined,
  limits: GcodeLimits | undefined,
): Pick<Submission, "farm"> {
  if (farm === undefined) return {};
  return { farm: { ...farm, dialect: limits?.dialect === "klipper" ? "klipper" : "marlin" } };
}

/** Names are shown and spoken, never used as a path; a path in disguise is refused, not cleaned. */
function assertName(name: string): void {
  const result = nameSchema.safeParse(name);
  if (result.success && !name.includes("..")) return;
  const message = result.error?.issues[0]?.message ?? "must not have two dots in a row";
  throw new GantryError(
    "bad_name",
    `"${name.slice(0, 60)}" is not a name for a print: ${message}`,
    {
      details: { fields: [{ path: "name", message }] },
    },
  );
}

/**
 * What a file for this printer may do, or for any of the farm, of that dialect. Throws not_found for
 * an unknown printer, conflict where the farm has none.
 */
export async function scanLimitsOf(
  deps: DoorDeps,
  c: DoorContext,
  printer: string,
  dialect?: FarmWish["dialect"],
): Promise<GcodeLimits> {
  const request = {
    actor: c.get("actor"),
    requestId: c.get("requestId"),
    params: { id: printer },
    query: {},
    body: undefined,
  };
  if (printer === ANY_PRINTER) {
    const all = (await within(deps.clock, TIMEOUT.proposeMs, c.req.raw.signal, (signal) =>
      deps.desk.call("farmPrinters", { ...request, params: {} }, { signal }),
    )) as FarmPrinters; // the desk gives the reply of its schema
    return pickLimits(all.limits, dialect);
  }
  const view = (await within(deps.clock, TIMEOUT.proposeMs, c.req.raw.signal, (signal) =>
    deps.desk.call("device", request, { signal }),
  )) as DeviceView; // the desk gives the reply of its schema
  return {
    sizeMm: view.sizeMm,
    nozzleMaxC: view.nozzleMaxC ?? NOZZLE_MAX_C,
    bedMaxC: view.bedMaxC ?? BED_MAX_C,
    dialect: dialectOf(view.type),
  };
}

const missing = (path: string): GantryError =>
  new GantryError("bad_request", `${path} is missing`, {
    details: { fields: [{ path, message: "is missing" }] },
  });

const tooLong = (path: string): GantryError =>
  new GantryError("bad_request", `${path} is over ${FIELD_BYTES_MAX} bytes`, {
    details: { fields: [{ path, message: "is too long" }] },
  });
