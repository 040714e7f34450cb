// POST /api/files/local: a file from a slicer, as OctoPrint takes it. The form has `file`, and maybe
// `print`, `select`, `path` and `filename`, in any order: PrusaSlicer and OrcaSlicer send
// print, path, file; Cura sends path, file, select, print.
//
// SU1. `print` true makes an ordinary print: scanned, queued, and waiting for the right person's word.
//      Anything else only keeps the file.
// SU2. A name is a name: one with a folder, `..` or a control character is refused, also in `path`.
//      Other characters that we do not use in names become `_`.
// SU3. Archives (3MF, UFP, gzip) and binary G-code are refused by their first bytes (upload.ts);
//      nothing is ever unpacked here, so no bomb and no path in one can do anything.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { nameSchema } from "@gantry/shared/contract/schemas/common.ts";
import type { PrintAccepted } from "@gantry/shared/contract/schemas/prints.ts";
import type { SlicerUpload } from "@gantry/shared/contract/schemas/slicers.ts";
import type { GcodeFacts } from "@gantry/shared/contract/rows.ts";
import type { PrintUpload } from "../../ports.ts";
import { mediaTypeOf, readChunks } from "../body.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { boundaryOf, readMultipart } from "../multipart.ts";
import { jsonReply } from "../routes/plain.ts";
import { scanLimitsOf } from "../routes/prints.ts";
import { makeUpload } from "../upload.ts";
import { askDesk, choosePrinter } from "./choose.ts";
import { withoutEnding } from "./files.ts";

const FIELD_BYTES_MAX = 1_000;
/** Room for the form around the file. */
const FORM_BYTES = 65_536;
const NAME_CHARS_MAX = 120;
const FORMS: Readonly<Record<string, string>> = {
  "3mf": "a 3MF archive",
  bgcode: "binary G-code",
  ufp: "a UFP archive",
  zip: "an archive",
  gz: "an archive",
  stl: "a model that is not sliced",
  obj: "a model that is not sliced",
};

export const slicerUploaded =
  (deps: DoorDeps): Handler =>
  async (c) => {
    if (mediaTypeOf(c.req.raw.headers) !== "multipart/form-data") {
      throw new GantryError("unsupported_media", "Send the file as multipart/form-data");
    }
    const printer = await choosePrinter(deps, c);
    const { name, gcode, fields } = await readForm(deps, c, printer);
    const isPrinted = isTrue(fields.get("print"));
    const body: PrintUpload = { printer, name, gcode, ...(isPrinted ? {} : { isKept: true }) }; // SU1
    const reply = await askDesk(deps, c, "printSubmitted", { body });
    return created(reply as PrintAccepted, name, isPrinted, isTrue(fields.get("select")));
  };

function created(
  { job, confirmation }: PrintAccepted,
  name: string,
  isPrinted: boolean,
  isSelected: boolean,
): Response {
  const file = `${name}.gcode`;
  const resource = `/api/files/local/${encodeURIComponent(file)}`;
  const body: SlicerUpload = {
    files: { local: { name: file, path: file, origin: "local", refs: { resource } } },
    done: true,
    effectiveSelect: isPrinted || isSelected,
    effectivePrint: isPrinted,
    job,
    ...(confirmation === undefined ? {} : { confirmation }),
  };
  const response = jsonReply(body, 201);
  response.headers.set("location", resource);
  return response;
}

interface Form {
  readonly name: string;
  readonly gcode: GcodeFacts;
  readonly fields: ReadonlyMap<string, string>;
}

async function readForm(deps: DoorDeps, c: DoorContext, printer: string): Promise<Form> {
  const limits = await scanLimitsOf(deps, c, printer);
  const boundary = boundaryOf(c.req.header("content-type") ?? "");
  await using upload = await makeUpload(deps.blobs, LIMIT.gcodeBytes.max);
  upload.scanWith(limits);
  const fields = new Map<string, string>();
  let field: string | undefined;
  let text = "";
  let name: string | undefined;

  await readMultipart(readChunks(c.req.raw, LIMIT.gcodeBytes.max + FORM_BYTES), boundary, {
    begin(part) {
      field = part.field === "file" ? undefined : part.field;
      text = "";
      if (field !== undefined) return;
      if (name !== undefined) throw new GantryError("bad_request", "The form has two files");
      name = jobNameOf(part.fileName ?? fields.get("filename") ?? "");
    },
    async data(bytes) {
      if (field === undefined) return upload.write(bytes);
      text += Buffer.from(bytes).toString("utf8");
      if (text.length > FIELD_BYTES_MAX) throw faulty(field.slice(0, 100), "is too long");
    },
    end() {
      if (field === undefined) return;
      if (field === "path") assertFolder(text);
      fields.set(field, text);
    },
  });
  if (name === undefined) throw faulty("file", "is missing");
  return { name, gcode: await upload.finish(), fields };
}

/** What people will see and say. Throws bad_name, or unsupported_media for what is no G-code. */
export function jobNameOf(fileName: string): string {
  if (/[/\\\p{Cc}]|\.\./u.test(fileName)) throw badName(fileName, "holds a path"); // SU2
  const ending = /\.([a-z0-9]{1,10})$/i.exec(fileName)?.[1]?.toLowerCase() ?? "";
  const form = Object.hasOwn(FORMS, ending) ? FORMS[ending] : undefined;
  if (form !== undefined) throw notGcode(form);
  const name = withoutEnding(fileName)
    .replaceAll(/[^\p{L}\p{N} ._()+-]/gu, "_")
    .replace(/^[^\p{L}\p{N}]+/u, "")
    .slice(0, NAME_CHARS_MAX)
    .trim();
  if (!nameSchema.safeParse(name).success) throw badName(fileName, "has no letter or digit");
  return name;
}

/** Folders are not kept, but a way out of one is not passed over either. */
function assertFolder(path: string): void {
  if (/\\|\p{Cc}|^\/|(^|\/)\.\.(\/|$)/u.test(path)) throw badName(path, "leaves its folder");
}

const isTrue = (text: string | undefined): boolean =>
  ["true", "yes", "y", "1"].includes((text ?? "").trim().toLowerCase());

const badName = (name: string, why: string): GantryError =>
  new GantryError("bad_name", `"${name.slice(0, 60)}" ${why}`, {
    details: { fields: [{ path: "file", message: why }] },
  });

const notGcode = (form: string): GantryError =>
  new GantryError("unsupported_media", `The file is ${form}`, {
    details: { hint: "Export plain G-code: switch off archives and binary G-code in the slicer." },
  });

const faulty = (path: string, message: string): GantryError =>
  new GantryError("bad_request", `${path} ${message}`, {
    details: { fields: [{ path, message }] },
  });
