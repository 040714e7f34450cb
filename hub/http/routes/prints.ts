// POST /api/fabrication/jobs: G-code as JSON, as a form, or as it is; scanned and stored as it comes.
//
// PR1. An unknown printer, a bad name and a role too low are refused before the body is read, where
//      the address or an earlier field names them.
// PR2. The desk hears of a print only after its bytes are on disk and the scanner has passed them all.
// PR3. Bytes cost memory only while they are on their way to disk; JSON alone is held whole, up to
//      JSON_BYTES_MAX.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { idSchema, nameSchema } from "@gantry/shared/contract/schemas/common.ts";
import { type DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import { printSubmitSchema } from "@gantry/shared/contract/schemas/prints.ts";
import type { GcodeFacts } from "@gantry/shared/contract/rows.ts";
import { dialectOf, type GcodeLimits } from "@gantry/shared/gcode/scan.ts";
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
  const limits = await scanLimitsOf(deps, c, submit.printer);
  await using upload = await makeUpload(deps.blobs, LIMIT.gcodeBytes.max);
  upload.scanWith(limits);
  await upload.write(new TextEncoder().encode(submit.gcode));
  return { printer: submit.printer, name: submit.name, gcode: await upload.finish() };
}

async function readRaw(deps: DoorDeps, c: DoorContext): Promise<Submission> {
  const { printer, name } = namesOf(c.req.query("printer"), c.req.query("name"));
  const limits = await scanLimitsOf(deps, c, printer);
  await using upload = await makeUpload(deps.blobs, LIMIT.gcodeBytes.max);
  upload.scanWith(limits);
  for await (const chunk of readChunks(c.req.raw, LIMIT.gcodeBytes.max)) await upload.write(chunk);
  return { printer, name, gcode: await upload.finish() };
}

/** Fields in any order; a printer named before the file lets the scan run along with the upload. */
async function readForm(deps: DoorDeps, c: DoorContext): Promise<Submission> {
  const fields = new Map(Object.entries(c.req.query()));
  const boundary = boundaryOf(c.req.header("content-type") ?? "");
  await using upload = await makeUpload(deps.blobs, LIMIT.gcodeBytes.max);
  let current: { readonly field: string; text: string } | undefined;
  let fileName: string | undefined;
  let hasFile = false;

  const scan = async (printer: string | undefined): Promise<void> => {
    if (printer === undefined || upload.isScanned) return;
    upload.scanWith(await scanLimitsOf(deps, c, validate(idSchema, printer, "printer")));
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
  await scan(printer);
  return { printer, name, gcode: await upload.finish() };
}

function namesOf(
  printer: string | undefined,
  name: string | undefined,
): { readonly printer: string; readonly name: string } {
  if (printer === undefined) throw missing("printer");
  if (name === undefined) throw missing("name");
  assertName(name);
  return { printer: validate(idSchema, printer, "printer"), name };
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

/** What a file for this printer may do. Throws not_found for an unknown printer. */
export async function scanLimitsOf(
  deps: DoorDeps,
  c: DoorContext,
  printer: string,
): Promise<GcodeLimits> {
  const request = {
    actor: c.get("actor"),
    requestId: c.get("requestId"),
    params: { id: printer },
    query: {},
    body: undefined,
  };
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
