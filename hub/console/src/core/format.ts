// Values as people read them. Pure: the present comes in as `nowMs`; dates follow the browser's zone.

/** `42 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`; negative counts as 0. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [s, min, h, d] = [
    whole % 60,
    Math.floor(whole / 60) % 60,
    Math.floor(whole / 3_600) % 24,
    Math.floor(whole / 86_400),
  ];
  if (d > 0) return h === 0 ? `${d} d` : `${d} d ${h} h`;
  if (h > 0) return `${h} h ${String(min).padStart(2, "0")} min`;
  if (min > 0) return s === 0 ? `${min} min` : `${min} min ${s} s`;
  return `${s} s`;
}

/** A clock that counts down: `4:07`. */
export function countdown(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** `just now`, `12 s ago`, `3 min ago`, `2 h ago`, then days. A time to come is `just now`. */
export function ago(atMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - atMs) / 1_000);
  if (seconds < 3) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** `850 ms`, `3.4 s`, then as a duration. */
export function latency(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : duration(ms / 1_000);
}

/** Binary units, as `ls -h` counts: `812 B`, `4.2 KiB`, `117 MiB`. */
export function bytes(size: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = size < 1 ? 0 : Math.min(Math.floor(Math.log2(size) / 10), units.length - 1);
  const value = size / 1_024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/** Whole per cent, but never 100 before the end. */
export function percent(progress: number): string {
  return `${progress >= 1 ? 100 : Math.min(99, Math.floor(progress * 100))} %`;
}

/** `215 °C`; with a target other than 0: `198 / 215 °C`. */
export function heat(nowC: number, targetC: number): string {
  return targetC === 0
    ? `${Math.round(nowC)} °C`
    : `${Math.round(nowC)} / ${Math.round(targetC)} °C`;
}

/** `12.4 m` of filament from millimetres. */
export function metres(mm: number): string {
  return mm < 1_000 ? `${Math.round(mm)} mm` : `${(mm / 1_000).toFixed(1)} m`;
}

/** Dollars: `$0.00`, or as many places as show a first digit, at most 6. */
export function money(usd: number): string {
  if (usd === 0 || usd >= 0.01) return `$${usd.toFixed(2)}`;
  return `$${usd.toFixed(6).replace(/0+$/, "")}`;
}

/** `1 print`, `2 prints`. */
export function count(amount: number, noun: string, nouns = `${noun}s`): string {
  return `${amount} ${amount === 1 ? noun : nouns}`;
}

/** The first 12 characters of a hash: enough to compare by eye. */
export const shortHash = (hash: string): string => hash.slice(0, 12);

const dayAndTime = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "short",
});
const timeOnly = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export const dateTime = (at: string | number): string => dayAndTime.format(new Date(at));
export const timeOfDay = (at: string | number): string => timeOnly.format(new Date(at));

/** Words of a code for people: `bed_not_clear` is `bed not clear`. */
export const words = (code: string): string => code.replaceAll(/[_.]/g, " ");

/**
 * A file name as the name of a print: what contract/schemas/common.ts `nameSchema` does not allow becomes a
 * space; never empty, 120 characters at most.
 */
export function printName(fileName: string): string {
  const bare = fileName.replace(/\.(gcode|gco|g|nc)$/i, "");
  const allowed = bare.replaceAll(/[^\p{L}\p{N} ._()+-]+/gu, " ").replace(/^[^\p{L}\p{N}]+/u, "");
  const name = Array.from(allowed.trim()).slice(0, 60).join("").trim();
  return name === "" ? "print" : name;
}

export type Block = { readonly kind: "text" | "code"; readonly text: string };

/** An answer cut at its ``` fences; an open fence runs to the end, as it does while it streams. */
export function blocksOf(answer: string): readonly Block[] {
  return answer
    .split(/^```[^\n]*\n?/m)
    .map((text, index): Block => ({ kind: index % 2 === 0 ? "text" : "code", text: text.trim() }))
    .filter(({ text }) => text !== "");
}
