// One table of everything that can go wrong, for every door.
//
// E1. A code never changes its meaning and is never reused; people and programs match on it.
// E2. A door turns a GantryError into its own form (problem+json, exit code, MQTT reject) from this
//     table alone; no door has statuses of its own.

/** How a code shows at each door. `retry`: the same call may succeed later without being changed. */
export interface ErrorKind {
  readonly http: number;
  readonly exit: number;
  readonly retry: boolean;
  readonly title: string;
  readonly hint: string;
}

// Exit codes follow sysexits.h where it has one: 64 usage, 66 no input, 69 unavailable, 70 bug,
// 74 I/O, 75 try again, 77 not permitted, 78 configuration.
const kind = (
  http: number,
  exit: number,
  retry: boolean,
  title: string,
  hint: string,
): ErrorKind => ({ http, exit, retry, title, hint });

export const ERRORS = {
  // What the caller sent.
  bad_request: kind(400, 64, false, "The request is not valid", "Look at `details` for the field."),
  bad_json: kind(400, 64, false, "The body is not JSON", "Send a JSON object with UTF-8 text."),
  bad_name: kind(400, 64, false, "The name is not allowed", "Use letters, digits, space, . _ -"),
  too_large: kind(413, 64, false, "The body is too large", "See /api/limits for the bound."),
  unsupported_media: kind(415, 64, false, "The media type is not read here", "Send JSON."),
  unauthenticated: kind(401, 77, false, "No valid token", "Send Authorization: Bearer TOKEN."),
  forbidden: kind(403, 77, false, "The token may not do this", "Ask an admin for another role."),
  bad_host: kind(421, 77, false, "This host name is not ours", "Add it to GANTRY_HTTP_NAMES."),
  bad_origin: kind(403, 77, false, "A page of another site sent this", "Open the hub's console."),
  not_found: kind(404, 66, false, "There is no such thing", "Check the id."),
  method_not_allowed: kind(405, 64, false, "This path has no such method", "See /api/discover."),
  conflict: kind(
    409,
    65,
    false,
    "The state does not allow this now",
    "Read it again, then decide.",
  ),
  revision_mismatch: kind(412, 65, false, "Somebody changed it first", "Read it again."),
  idempotency_mismatch: kind(
    409,
    65,
    false,
    "This Idempotency-Key belongs to another request",
    "Use a new key for a new request.",
  ),
  bad_selector: kind(400, 64, false, "The selector cannot be read", "`details.at` is the place."),
  bad_schedule: kind(400, 64, false, "The schedule cannot be read", "`details.field` says where."),
  budget_spent: kind(429, 75, false, "The budget of the day is spent", "Raise it, or wait."),
  // Patches of documents: `details` has the operation's number, its path and the reason.
  bad_patch: kind(
    400,
    64,
    false,
    "The patch is not valid",
    "`details.operation` is the faulty one.",
  ),
  patch_conflict: kind(
    409,
    65,
    false,
    "The patch does not fit this document",
    "Read the document again; `details.reason` says what is in the way.",
  ),
  sentence_unclear: kind(
    422,
    65,
    false,
    "No patch could be made of this sentence",
    "Say it in one of the forms of docs/workflows.md, or send operations.",
  ),
  // Workflows: `details.faults` has a code, a JSON pointer, a message and a hint for each fault.
  workflow_invalid: kind(422, 65, false, "The workflow is not valid", "Mend what `details` names."),
  egress_denied: kind(
    403,
    77,
    false,
    "A workflow may not call this address",
    "Ask an admin to list it in GANTRY_EGRESS_ALLOW.",
  ),
  // Sessions, locks and leadership.
  session_expired: kind(410, 75, false, "There is no such session", "Open a new session."),
  stale_sequence: kind(
    409,
    65,
    false,
    "A later request of this session was answered already",
    "Count on from the session's last number.",
  ),
  sequence_gap: kind(409, 65, false, "A number of this session is missing", "Send that one first."),
  lock_held: kind(409, 75, true, "Somebody holds this lock", "`details.holder` says who."),
  deadlock: kind(
    409,
    75,
    false,
    "Waiting for this lock would never end",
    "Release what you hold, then ask with a new Idempotency-Key; `details.cycle` says who waits for whom.",
  ),
  lock_wait_over: kind(
    408,
    75,
    false,
    "The wait for the lock is over",
    "Ask again with a new Idempotency-Key.",
  ),
  stale_term: kind(409, 70, false, "Another hub leads since", "Nothing was done."),
  gone: kind(410, 66, false, "It is no longer kept", "It was archived or has expired."),
  // Confirmations.
  phrase_mismatch: kind(409, 65, false, "That is not the phrase", "Type the phrase exactly."),
  confirmation_expired: kind(410, 66, false, "The confirmation has expired", "Ask for it again."),
  confirmation_used: kind(409, 65, false, "It was already confirmed", "Nothing more to do."),
  wrong_person: kind(403, 77, false, "Another person must confirm this", "Ask that person."),
  // G-code and printers.
  gcode_invalid: kind(422, 65, false, "The G-code is not acceptable", "`details` names the line."),
  gcode_out_of_bounds: kind(422, 65, false, "The G-code leaves the bed", "Slice it for this bed."),
  gcode_too_hot: kind(422, 65, false, "The G-code asks for too much heat", "Check temperatures."),
  gcode_forbidden: kind(422, 65, false, "The G-code has a forbidden command", "Remove the line."),
  gcode_truncated: kind(422, 65, false, "The G-code stops in the middle", "Export it again."),
  mesh_invalid: kind(
    422,
    65,
    false,
    "The model cannot be printed",
    "`details` says where and why.",
  ),
  not_understood: kind(
    422,
    65,
    false,
    "No part is known for these words",
    "`details.parts` lists what can be made; name one with its sizes.",
  ),
  bed_not_clear: kind(409, 65, false, "A part is still in the bed", "Clear it, then say so."),
  device_offline: kind(409, 75, true, "The device does not answer", "Check power and cable."),
  device_fault: kind(409, 65, false, "The device reports a fault", "Look at the device."),
  stale_token: kind(409, 70, false, "An older holder sent this", "Nothing was done."),
  // Models and hands.
  no_model: kind(
    503,
    69,
    false,
    "No local model is configured",
    "Run: npx gantry models pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf",
  ),
  no_speech: kind(
    503,
    69,
    false,
    "No machine offers speech",
    "Run on a machine with a microphone or a speech service: gantry voice",
  ),
  model_failed: kind(502, 69, true, "The model failed", "Try again; see the node's log."),
  model_invalid: kind(422, 65, false, "This is not a usable model file", "Pull it again."),
  out_of_memory: kind(507, 69, true, "The model needs more memory", "Choose a smaller model."),
  checksum_mismatch: kind(422, 65, false, "The bytes are not the promised ones", "Fetch again."),
  capability_missing: kind(409, 69, false, "No machine can do this", "See /api/registry."),
  command_not_listed: kind(403, 77, false, "This command is not on the list", "Ask an admin."),
  command_failed: kind(502, 70, false, "The command ended with an error", "See its output."),
  provider_off: kind(409, 69, false, "This provider is not configured", "Set its API key."),
  join_code_invalid: kind(403, 77, false, "The join code is not valid", "Make a new one."),
  join_code_used: kind(409, 77, false, "The join code was used already", "Make a new one."),
  bad_frame: kind(400, 65, false, "The frame cannot be read", "Both ends need one version."),
  superseded: kind(409, 70, false, "A newer start of this node took over", "Stop the older one."),
  // Load and world.
  busy: kind(429, 75, true, "The queue is full", "Wait for Retry-After seconds."),
  rate_limited: kind(429, 75, true, "Too many requests", "Wait for Retry-After seconds."),
  timeout: kind(504, 75, true, "It took too long", "Try again."),
  cancelled: kind(499, 75, false, "It was cancelled", "Nothing was done after that."),
  breaker_open: kind(503, 75, true, "The target failed repeatedly", "It is probed by itself."),
  starting: kind(503, 75, true, "The hub is starting", "See /readyz."),
  stopping: kind(503, 75, true, "The hub is stopping", "Try again in a moment."),
  no_leader: kind(503, 75, true, "There is no leader now", "Wait for Retry-After seconds."),
  not_leader: kind(421, 75, true, "This hub does not lead", "Ask the hub named in `details`."),
  removed: kind(
    503,
    69,
    false,
    "This hub was removed from its cluster",
    "Use another hub. To bring it back: gantry cluster add, and an empty data folder here.",
  ),
  unreachable: kind(503, 69, true, "It cannot be reached", "Is it running? See the address."),
  outcome_unknown: kind(
    503,
    75,
    true,
    "Nobody can say what became of it",
    "Ask again with the same Idempotency-Key.",
  ),
  interrupted: kind(503, 75, true, "A restart interrupted it", "Ask again."),
  disk_full: kind(507, 74, true, "The disk is full", "Free some room; writing resumes by itself."),
  io_error: kind(500, 74, true, "Reading or writing failed", "See the hub's log."),
  port_busy: kind(500, 69, false, "The port is in use", "Stop the other program."),
  data_dir_version: kind(500, 78, false, "Another version wrote the data", "Use that release."),
  release_too_old: kind(
    500,
    78,
    false,
    "A newer release wrote this log",
    "Install that release on this hub and start it; nothing was changed or skipped.",
  ),
  data_dir_locked: kind(500, 75, true, "Another process has the data", "Stop it first."),
  data_damaged: kind(500, 74, false, "The stored data is damaged", "Run gantry doctor."),
  bad_config: kind(500, 78, false, "The configuration is not valid", "Mend the named variables."),
  internal: kind(500, 70, false, "A fault in Gantry", "Report it with the request id."),
} as const satisfies Readonly<Record<string, ErrorKind>>;

export type ErrorCode = keyof typeof ERRORS;

export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === "string" && Object.hasOwn(ERRORS, value);

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Facts for a program: field paths, line numbers, seconds to wait. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** A fault of the world or of the caller, with a code from ERRORS. A bug is an AssertionError. */
export class GantryError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "GantryError";
    this.code = code;
    this.details = options.details ?? {};
  }

  get kind(): ErrorKind {
    return ERRORS[this.code];
  }
}

/** The shape in which an error crosses a process, a log entry or a door. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Any thrown thing as data. What is not a GantryError becomes `internal`: its text may hold secrets. */
export function toErrorRecord(error: unknown): ErrorRecord {
  if (error instanceof GantryError) {
    const { code, message, details } = error;
    return Object.keys(details).length === 0 ? { code, message } : { code, message, details };
  }
  return { code: "internal", message: ERRORS.internal.title };
}

export function fromErrorRecord(record: ErrorRecord): GantryError {
  const options = record.details === undefined ? {} : { details: record.details };
  return new GantryError(record.code, record.message, options);
}
