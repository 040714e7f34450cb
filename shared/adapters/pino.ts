// The Logger port over pino: JSON lines on stdout, one fact each.
//
// PL2. Every line has a trace: that of its request, or, of what no request asked for, the process's own.
// PL1. A value registered as a secret never reaches the output, in whatever field or text it stands.

import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { traceIdOf } from "../base/trace.ts";
import type { LogFields, Logger } from "../flow/logger.ts";

const ownTrace = randomBytes(16).toString("hex");
const SECRET_CHARS_MIN = 6;
const secrets = new Set<string>();

/** Keeps `value` out of every later line of every logger. Shorter than 6 characters is ignored. */
export function registerSecret(value: string): void {
  if (value.length >= SECRET_CHARS_MIN) secrets.add(value);
}

/** `text` without any registered secret. */
export function redact(text: string): string {
  let clean = text;
  for (const secret of secrets) {
    clean = clean.replaceAll(secret, "[secret]");
    const escaped = JSON.stringify(secret).slice(1, -1);
    if (escaped !== secret) clean = clean.replaceAll(escaped, "[secret]");
  }
  return clean;
}

/**
 * Lines of one turn go to stdout together: in a worker each write is a message to the main thread. What
 * a thread that is ended by force had not written yet is lost.
 */
export function gatherLines(
  write: (text: string) => void = (text) => void process.stdout.write(text),
): (line: string) => void {
  let held = "";
  return (line) => {
    if (held === "")
      setImmediate(() => {
        const text = held;
        held = "";
        write(text);
      });
    held += line;
  };
}

/** `level`: error, warn, info, debug or silent. `bindings` stand in every line. */
export function makeLogger(
  level: string,
  bindings: LogFields,
  write: (line: string) => void = (line) => void process.stdout.write(line),
): Logger {
  const out = pino(
    {
      level,
      base: bindings,
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: (fields: object) => {
        const requestId = "requestId" in fields ? fields.requestId : undefined;
        return { trace: typeof requestId === "string" ? traceIdOf(requestId) : ownTrace }; // PL2
      },
    },
    { write: (line: string) => write(redact(line)) }, // PL1
  );
  return {
    error: (fields, message) => out.error(fields, message),
    warn: (fields, message) => out.warn(fields, message),
    info: (fields, message) => out.info(fields, message),
    debug: (fields, message) => out.debug(fields, message),
  };
}
