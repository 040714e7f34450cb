// Turns what came back, or did not, into a GantryError that says what to do.

import {
  ERRORS,
  type ErrorCode,
  type ErrorOptions,
  GantryError,
  isErrorCode,
} from "../base/errors.ts";

/** A reply that is not a success. Reads its body; never throws anything but its result. */
export async function problemOf(response: Response, address: string): Promise<GantryError> {
  const text = await response.text().catch(() => "");
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  const problem = parseObject(text);
  if (problem === undefined) {
    const what = `${address} answered ${response.status}, but not as a Gantry hub does`;
    return new GantryError(codeOfStatus(response.status), what);
  }
  // Under /v1 errors have OpenAI's shape: {error: {message, code}}.
  const { error } = problem;
  const inner = isObject(error) ? { ...error, detail: error["message"] } : problem;
  return problemFrom(withRetryAfter(inner, retryAfter), response.status);
}

/** What a proxy in between says in its header counts where the hub itself says nothing. */
function withRetryAfter(
  problem: Readonly<Record<string, unknown>>,
  retryAfterS: number,
): Readonly<Record<string, unknown>> {
  const { details } = problem;
  if (!(retryAfterS > 0) || (details !== undefined && !isObject(details))) return problem;
  return { ...problem, details: { retryAfterS, ...details } };
}

/** A problem+json document as an error; `status` counts when its code is not known here. */
export function problemFrom(
  problem: Readonly<Record<string, unknown>>,
  status: number,
): GantryError {
  const code = isErrorCode(problem["code"]) ? problem["code"] : codeOfStatus(status);
  const message = textOf(problem["detail"]) ?? textOf(problem["title"]) ?? ERRORS[code].title;
  const details = problem["details"];
  const options: ErrorOptions = isObject(details) ? { details } : {};
  return new GantryError(code, message, options);
}

/** What `fetch` threw. Our own cancellations and time-outs pass as they are. */
export function transportError(error: unknown, address: string, signal: AbortSignal): GantryError {
  if (error instanceof GantryError) return error;
  if (signal.aborted && signal.reason instanceof GantryError) return signal.reason;
  if (signal.aborted) return new GantryError("cancelled", "The request was cancelled");
  const why = causeOf(error);
  return new GantryError(
    "unreachable",
    `The hub at ${address} does not answer (${why}). Start it with npm start, or name another with --hub URL`,
    { cause: error },
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ENOTFOUND: "no such host name",
  EAI_AGAIN: "the host name cannot be looked up now",
  EHOSTUNREACH: "no way to the host",
  ENETUNREACH: "no way to the network",
  ETIMEDOUT: "no answer in time",
  UND_ERR_SOCKET: "the connection was closed",
  UND_ERR_CONNECT_TIMEOUT: "no answer in time",
};

/** fetch hides the reason in `cause`, and for a host with several addresses one level deeper. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const inner = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
  const code = isObject(inner) ? textOf(inner["code"]) : undefined;
  if (code !== undefined) return REASONS[code] ?? code;
  if (inner instanceof Error) return inner.message;
  return error instanceof Error ? error.message : "no reason given";
}

/** The first code of the table with this status: the most general one. */
function codeOfStatus(status: number): ErrorCode {
  if (status >= 502 && status <= 504) return "unreachable"; // a door that closes, or a proxy in between
  const codes = Object.keys(ERRORS).filter(isErrorCode);
  const same = codes.find((code) => ERRORS[code].http === status);
  if (same !== undefined) return same;
  return status >= 500 ? "unreachable" : "bad_request";
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Undefined when the text is not a JSON object. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
