// Errors as this door says them: problem+json (RFC 9457), or OpenAI's shape under /v1.
// Status, title and hint come from the one table of shared/base/errors.ts.

import { ERRORS, type ErrorRecord, toErrorRecord } from "@gantry/shared/base/errors.ts";

const RETRY_AFTER_S = 1;

/** The body of problemSchema. */
export function problemOf(error: ErrorRecord, requestId: string): Record<string, unknown> {
  const kind = ERRORS[error.code];
  return {
    type: `urn:gantry:problem:${error.code}`,
    title: kind.title,
    status: kind.http,
    detail: error.message,
    code: error.code,
    hint: hintOf(error),
    requestId,
    retryable: kind.retry,
    ...(error.details === undefined ? {} : { details: error.details }),
  };
}

/** What to do about this very fault, where its thrower knew; else about its kind. */
function hintOf({ code, details }: ErrorRecord): string {
  const hint = details?.["hint"];
  return typeof hint === "string" ? hint : ERRORS[code].hint;
}

/** OpenAI's `{error: {message, type, param, code}}`; `code` is ours, save where clients know another. */
export function openAiErrorOf(error: ErrorRecord, requestId: string): Record<string, unknown> {
  const kind = ERRORS[error.code];
  return {
    error: {
      message: error.message,
      type: openAiType(kind.http),
      param: paramOf(error),
      code: error.code,
      hint: hintOf(error),
      requestId,
    },
  };
}

/** The parameter that is at fault: named by the OpenAI routes, else the first field of the schema. */
function paramOf({ details }: ErrorRecord): string | null {
  const param = details?.["param"];
  if (typeof param === "string") return param;
  const fields = details?.["fields"] as readonly { readonly path: string }[] | undefined; // input.ts
  return fields?.[0]?.path ?? null;
}

function openAiType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** Any thrown thing as a reply. `path` decides the shape. */
export function errorResponse(error: unknown, path: string, requestId: string): Response {
  const record = toErrorRecord(error);
  const status = ERRORS[record.code].http;
  const isOpenAi = path.startsWith("/v1/");
  const body = isOpenAi ? openAiErrorOf(record, requestId) : problemOf(record, requestId);
  const headers: Record<string, string> = {
    "content-type": isOpenAi ? "application/json" : "application/problem+json",
    ...retryAfter(record),
  };
  if (status === 401) headers["www-authenticate"] = 'Bearer realm="gantry"';
  const allow = record.details?.["allow"];
  if (record.code === "method_not_allowed" && typeof allow === "string") headers["allow"] = allow;
  return new Response(JSON.stringify(body), { status, headers });
}

/** Where waiting helps: 429 and 503. `details.retryAfterS` names the seconds, else one. */
function retryAfter(record: ErrorRecord): Record<string, string> {
  const { http, retry } = ERRORS[record.code];
  if (!retry || (http !== 429 && http !== 503)) return {};
  const seconds = record.details?.["retryAfterS"];
  return {
    "retry-after": String(typeof seconds === "number" ? Math.ceil(seconds) : RETRY_AFTER_S),
  };
}
