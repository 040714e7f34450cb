// One JSON log line as a line for people.

export interface LineStyle {
  readonly hasColour: boolean;
}

const COLOURS: Readonly<Record<string, string>> = { error: "31", warn: "33", info: "32" };
const LEVELS: Readonly<Record<number, string>> = {
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
};
/** Said by the prefix already, or of no use to people. */
const HIDDEN = new Set(["level", "time", "msg", "pid", "hostname", "program", "name", "part"]);
const VALUE_CHARS_MAX = 200;

/** `text` is one line without its end; what is not JSON is shown as it is. */
export function prettyLine(program: string, text: string, style: LineStyle): string {
  const record = parse(text);
  const head = program.padEnd(6);
  if (record === undefined) return `${" ".repeat(8)} ${head} ${text}`;
  const level = levelOf(record["level"]);
  const fields = Object.entries(record)
    .filter(([key]) => !HIDDEN.has(key))
    .map(([key, value]) => `${key}=${shown(value)}`);
  const colour = COLOURS[level];
  const word = level.padEnd(5);
  const painted = style.hasColour && colour ? `\u001B[${colour}m${word}\u001B[0m` : word;
  const said = typeof record["msg"] === "string" ? record["msg"] : "";
  return [clock(record["time"]), head, painted, said, fields.join(" ")].join(" ").trimEnd();
}

/** pino writes numbers, or words where it was told to. */
const levelOf = (level: unknown): string =>
  typeof level === "string" ? level : (LEVELS[Number(level)] ?? "info");

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

function clock(time: unknown): string {
  const date = new Date(typeof time === "string" || typeof time === "number" ? time : Number.NaN);
  return Number.isNaN(date.getTime()) ? " ".repeat(8) : date.toTimeString().slice(0, 8);
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}...` : text;
}
