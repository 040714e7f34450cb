// Errors as this door says them: problem+json (RFC 9457), or in the form of the protocol whose path it is.
// Status, title and hint come from the one table of shared/base/errors.ts.

import {
  type ErrorCode,
  ERRORS,
  type ErrorRecord,
  toErrorRecord,
} from "@gantry/shared/base/errors.ts";

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

/**
 * OpenAI's `{error: {message, type, param, code}}`. `code` is theirs where their clients look at it, and
 * `gantry_code` always ours.
 */
export function openAiErrorOf(error: ErrorRecord, requestId: string): Record<string, unknown> {
  const kind = ERRORS[error.code];
  return {
    error: {
      message: error.message,
      type: openAiType(kind.http),
      param: paramOf(error),
      code: openAiCode(error),
      gantry_code: error.code,
      hint: hintOf(error),
      requestId,
    },
  };
}

/** Codes of OpenAI's reference that programs act on; all others are ours. */
const OPENAI_CODES: Partial<Record<ErrorCode, string>> = {
  unauthenticated: "invalid_api_key",
  busy: "rate_limit_exceeded",
  rate_limited: "rate_limit_exceeded",
  budget_spent: "insufficient_quota",
};

function openAiCode({ code, details }: ErrorRecord): string {
  if (code === "not_found" && details?.["param"] === "model") return "model_not_found";
  if (code === "bad_request" && details?.["contextTokens"] !== undefined)
    return "context_length_exceeded";
  return OPENAI_CODES[code] ?? code;
}

/** Anthropic's `{type: "error", error: {type, message}}`. */
export function anthropicErrorOf(error: ErrorRecord, requestId: string): Record<string, unknown> {
  const type = anthropicType(ERRORS[error.code].http);
  const { message, code } = error;
  return {
    type: "error",
    error: { type, message, gantry_code: code, hint: hintOf(error) },
    request_id: requestId,
  };
}

function anthropicType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 404) return "not_found_error";
  if (status === 413) return "request_too_large";
  if (status === 429) return "rate_limit_error";
  if (status === 503) return "overloaded_error";
  return status < 500 ? "invalid_request_error" : "api_error";
}

/** Ollama's `{error}`. */
export const ollamaErrorOf = (error: ErrorRecord): Record<string, unknown> => ({
  error: error.message,
  gantry_code: error.code,
  hint: hintOf(error),
});

/** The parameter that is at fault: named by the OpenAI routes, else the first field of the schema. */
function paramOf({ details }: ErrorRecord): string | null {
  const param = details?.["param"];
  if (typeof param === "string") return param;
  if (typeof details?.["pointer"] === "string") return "response_format"; // of a JSON schema
  const own = details?.["field"];
  if (typeof own === "string") return PARAMS[own] ?? own;
  const fields = details?.["fields"] as readonly { readonly path: string }[] | undefined; // input.ts
  return fields?.[0]?.path ?? null;
}

/** Fields of a machine with a model, as callers know them. */
const PARAMS: Readonly<Record<string, string>> = {
  maxTokens: "max_tokens",
  topP: "top_p",
  logitBias: "logit_bias",
  presencePenalty: "presence_penalty",
  frequencyPenalty: "frequency_penalty",
};

function openAiType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

type Form = "problem" | "openai" | "anthropic" | "ollama";

const OLLAMA_PATHS: ReadonlySet<string> = new Set(
  ["tags", "ps", "show", "chat", "generate", "embed", "embeddings"].map((name) => `/api/${name}`),
);

function formOf(path: string): Form {
  if (path.startsWith("/v1/messages")) return "anthropic";
  if (path.startsWith("/v1/")) return "openai";
  return OLLAMA_PATHS.has(path) ? "ollama" : "problem";
}

function bodyOf(form: Form, record: ErrorRecord, requestId: string): Record<string, unknown> {
  switch (form) {
    case "problem":
      return problemOf(record, requestId);
    case "openai":
      return openAiErrorOf(record, requestId);
    case "anthropic":
      return anthropicErrorOf(record, requestId);
    case "ollama":
      return ollamaErrorOf(record);
  }
}

/** Any thrown thing as a reply. `path` decides the shape. */
export function errorResponse(error: unknown, path: string, requestId: string): Response {
  const record = toErrorRecord(error);
  const { http: status, retry } = ERRORS[record.code];
  const form = formOf(path);
  const headers: Record<string, string> = {
    "content-type": form === "problem" ? "application/problem+json" : "application/json",
    ...retryAfter(record),
  };
  // Their clients repeat every 5xx and 409 by themselves; this says which of them it makes sense for.
  if (form === "openai" || form === "anthropic") headers["x-should-retry"] = String(retry);
  if (status === 401) headers["www-authenticate"] = 'Bearer realm="gantry"';
  const allow = record.details?.["allow"];
  if (record.code === "method_not_allowed" && typeof allow === "string") headers["allow"] = allow;
  return new Response(JSON.stringify(bodyOf(form, record, requestId)), { status, headers });
}

/** Where waiting helps: 429 and 503. `details.retryAfterS` names the seconds, else one. */
function retryAfter(record: ErrorRecord): Record<string, string> {
  const { http, retry } = ERRORS[record.code];
  if (!retry || (http !== 429 && http !== 503)) return {};
  const seconds = record.details?.["retryAfterS"];
  const wait = typeof seconds === "number" ? seconds : RETRY_AFTER_S;
  return {
    "retry-after": String(Math.ceil(wait)),
    "retry-after-ms": String(Math.ceil(wait * 1_000)),
  };
}
