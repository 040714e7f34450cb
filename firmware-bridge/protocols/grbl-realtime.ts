// Grbl's bytes that act at once, past its buffer. They are never part of a line.

/** Sent as they are; the ones over 127 are single bytes on a latin-1 cable. */
export const REALTIME = {
  status: "?",
  hold: "!",
  resume: "~",
  reset: "\x18",
  door: "\x84",
  jogCancel: "\x85",
} as const;

const FEED = { exact: "\x90", up10: "\x91", down10: "\x92", up1: "\x93", down1: "\x94" };
const SPINDLE = { exact: "\x99", up10: "\x9a", down10: "\x9b", up1: "\x9c", down1: "\x9d" };
const RAPID: Readonly<Record<number, string>> = { 100: "\x95", 50: "\x96", 25: "\x97" };
export const OVERRIDE_MIN = 10;
export const OVERRIDE_MAX = 200;

/** The shortest bytes from one percentage to another, either from where it is or by way of 100. */
export function overrideBytes(of: "feed" | "spindle", from: number, to: number): string {
  const bytes = of === "feed" ? FEED : SPINDLE;
  const target = Math.min(OVERRIDE_MAX, Math.max(OVERRIDE_MIN, Math.round(to)));
  const direct = steps(bytes, target - from);
  const anew = bytes.exact + steps(bytes, target - 100);
  return direct.length <= anew.length ? direct : anew;
}

/** Grbl knows three rapids: 100, 50 and 25 %. Undefined for another one. */
export const rapidByte = (percent: number): string | undefined => RAPID[percent];

function steps(bytes: typeof FEED, change: number): string {
  const size = Math.abs(change);
  const [ten, one] = change < 0 ? [bytes.down10, bytes.down1] : [bytes.up10, bytes.up1];
  return ten.repeat(Math.floor(size / 10)) + one.repeat(size % 10);
}

/** True for a byte that Grbl takes out of the stream. */
export const isRealtime = (byte: number): boolean =>
  byte >= 0x80 || byte === 0x18 || byte === 0x21 || byte === 0x3f || byte === 0x7e;
