// A history: what clients asked of the cluster, when, and what they were told. One JSON line for each
// operation, in the format that independent checkers of linearizability can be fed with too:
//
//   {"client":"c1","op":"put","key":"k","value":"v","start":"123","end":"456","status":"ok"}
//
// `op` is put, get, del, cas or acquire; `start` and `end` are ns as strings, since they may pass 2^53.
//
// H1. `fail` means surely not done; `unknown` may be done at any time after its start, or never.

import { GantryError } from "@gantry/shared/base/errors.ts";

export type Status = "ok" | "fail" | "unknown";

interface Asked {
  readonly client: string;
  readonly key: string;
  /** Any unit, of one clock for the whole history. */
  readonly start: number;
  /** Means nothing when `status` is unknown. */
  readonly end: number;
  readonly status: Status;
}

export type Operation = Asked &
  (
    | { readonly op: "put"; readonly value: string }
    /** `value` is what was read; undefined: there is none. */
    | { readonly op: "get"; readonly value?: string | undefined }
    | { readonly op: "del" }
    /** Sets `value` if `old` is there (undefined: if nothing is); `swapped` says whether it was. */
    | {
        readonly op: "cas";
        readonly old?: string | undefined;
        readonly value: string;
        readonly swapped?: boolean | undefined;
      }
    /** The lock `key` was given with this fencing token. */
    | { readonly op: "acquire"; readonly token?: number | undefined }
  );

export function formatHistory(operations: readonly Operation[]): string {
  return operations
    .map((operation) => {
      const { start, end, ...rest } = operation;
      return `${JSON.stringify({ ...rest, start: String(start), end: String(end) })}\n`;
    })
    .join("");
}

/** Times are counted from the first start, so that ns since 1970 stay exact. Throws bad_json. */
export function parseHistory(text: string): Operation[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const raw = lines.map((line, index) => parseLine(line, index + 1));
  let first = raw[0]?.start ?? 0n;
  for (const { start } of raw) if (start < first) first = start;
  return raw.map(({ fields, start, end }) => {
    const times = { start: Number(start - first), end: Number(end - first) };
    return { ...fields, ...times } as unknown as Operation; // parseLine looked at every field
  });
}

interface RawLine {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly start: bigint;
  readonly end: bigint;
}

function parseLine(line: string, number: number): RawLine {
  const bad = (what: string): GantryError =>
    new GantryError("bad_json", `line ${number} of the history: ${what}`);
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch (error) {
    throw new GantryError("bad_json", `line ${number} of the history`, { cause: error });
  }
  const { op, status } = fields;
  if (!["put", "get", "del", "cas", "acquire"].includes(String(op))) throw bad("no such op");
  if (!["ok", "fail", "unknown"].includes(String(status))) throw bad("no such status");
  if (typeof fields["client"] !== "string" || typeof fields["key"] !== "string") {
    throw bad("client and key are strings");
  }
  if ((op === "put" || op === "cas") && typeof fields["value"] !== "string") {
    throw bad("a write has a value");
  }
  if (op === "cas" && status === "ok" && typeof fields["swapped"] !== "boolean") {
    throw bad("a cas that was answered says whether it swapped");
  }
  if (op === "acquire" && status === "ok" && typeof fields["token"] !== "number") {
    throw bad("a lock that was given has a token");
  }
  if (!/^\d+$/.test(String(fields["start"]))) throw bad("start is a number of ns");
  const hasEnd = /^\d+$/.test(String(fields["end"]));
  if (!hasEnd && status !== "unknown") throw bad("end is a number of ns");
  const start = BigInt(String(fields["start"]));
  return { fields, start, end: hasEnd ? BigInt(String(fields["end"])) : start };
}

/** One operation in words, for a verdict that a person reads. */
export function inWords(operation: Operation): string {
  const { client, key, start, end, status } = operation;
  const when = status === "unknown" ? `[${start}, ?]` : `[${start}, ${end}]`;
  switch (operation.op) {
    case "put":
      return `${when} ${client} put ${key} = ${operation.value}`;
    case "get":
      return `${when} ${client} get ${key} -> ${operation.value ?? "nothing"}`;
    case "del":
      return `${when} ${client} del ${key}`;
    case "cas": {
      const swapped = operation.swapped === undefined ? "?" : operation.swapped ? "yes" : "no";
      return `${when} ${client} cas ${key} ${operation.old ?? "nothing"} => ${operation.value}: ${swapped}`;
    }
    case "acquire":
      return `${when} ${client} acquire ${key} -> token ${operation.token ?? "?"}`;
  }
}
