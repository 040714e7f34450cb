// The port of the log. One line per fact, fields over sentences; the adapter writes JSON to stdout.

export type LogFields = Readonly<Record<string, unknown>>;

/** error: a human must act · warn: degraded · info: state changed · debug: the rest. */
export interface Logger {
  error(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
}

export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} };
