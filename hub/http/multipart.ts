// multipart/form-data (RFC 7578) as it arrives, in constant memory.
//
// MP1. Bytes of a part go out as they come; only what may be the start of a delimiter is held back.
// MP2. A body that is not ended by its closing delimiter is an error: half a file is no file.

import { GantryError } from "@gantry/shared/base/errors.ts";

const HEADER_BYTES_MAX = 8_192;
const PARTS_MAX = 16;

export interface PartHeader {
  /** Of the form field. */
  readonly field: string;
  /** Undefined for a plain field. */
  readonly fileName: string | undefined;
}

export interface PartSink {
  begin(part: PartHeader): void | Promise<void>;
  data(bytes: Uint8Array): void | Promise<void>;
  end(): void | Promise<void>;
}

/** The boundary of a Content-Type. Throws bad_request. */
export function boundaryOf(contentType: string): string {
  const found = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  const boundary = found?.[1] ?? found?.[2];
  if (boundary === undefined) throw bad("has no boundary in its Content-Type");
  return boundary;
}

/** Feeds every part to `sink`, in order. Throws bad_request for what is no form. */
export async function readMultipart(
  chunks: AsyncIterable<Uint8Array>,
  boundary: string,
  sink: PartSink,
): Promise<void> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  let held = Buffer.from("\r\n"); // the first delimiter may stand at the very start
  let where: "preamble" | "delimiter" | "header" | "data" | "end" = "preamble";
  let parts = 0;

  /** Takes one step; false if it needs more bytes. */
  async function step(): Promise<boolean> {
    switch (where) {
      case "preamble":
      case "data":
        return skipTo(where === "data");
      case "delimiter":
        return afterDelimiter();
      case "header":
        return readHeader();
      case "end":
        held = Buffer.alloc(0);
        return false;
    }
  }

  async function skipTo(isData: boolean): Promise<boolean> {
    const at = held.indexOf(delimiter);
    const safe = at === -1 ? Math.max(0, held.length - delimiter.length + 1) : at; // MP1
    if (isData && safe > 0) await sink.data(held.subarray(0, safe));
    held = held.subarray(safe);
    if (at === -1) return false;
    held = held.subarray(delimiter.length);
    if (isData) await sink.end();
    where = "delimiter";
    return true;
  }

  function afterDelimiter(): boolean {
    if (held.length < 2) return false;
    const mark = held.toString("latin1", 0, 2);
    if (mark !== "--" && mark !== "\r\n") throw bad("has text after a delimiter");
    held = held.subarray(2);
    where = mark === "--" ? "end" : "header";
    return true;
  }

  async function readHeader(): Promise<boolean> {
    const at = held.indexOf("\r\n\r\n");
    if (at > HEADER_BYTES_MAX || (at === -1 && held.length > HEADER_BYTES_MAX)) {
      throw bad("has a part with too long a header");
    }
    if (at === -1) return false;
    parts += 1;
    if (parts > PARTS_MAX) throw bad(`has over ${PARTS_MAX} parts`);
    await sink.begin(parseHeader(held.toString("utf8", 0, at)));
    held = held.subarray(at + 4);
    where = "data";
    return true;
  }

  for await (const chunk of chunks) {
    held = held.length === 0 ? Buffer.from(chunk) : Buffer.concat([held, chunk]);
    while (await step());
  }
  if ((where as string) !== "end") throw bad("stops in the middle"); // MP2; `step` moved it
}

function parseHeader(text: string): PartHeader {
  const line = text.split("\r\n").find((header) => /^content-disposition:/i.test(header)) ?? "";
  const field = parameterOf(line, "name");
  if (!/^content-disposition:\s*form-data\b/i.test(line) || field === undefined) {
    throw bad("has a part without a name");
  }
  return { field, fileName: parameterOf(line, "filename") };
}

/** Browsers write `"` in a name as %22 (WHATWG, multipart/form-data encoding). */
function parameterOf(line: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^\\s;"]+))`, "i").exec(line);
  return (found?.[1] ?? found?.[2])?.replaceAll("%22", '"');
}

const bad = (why: string): GantryError => new GantryError("bad_request", `The form ${why}`);
