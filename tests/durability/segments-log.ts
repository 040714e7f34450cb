// What the killed process writes, so that whoever opens its log can tell.

export const SEGMENT_BYTES = 32_768;
/** Entries; what is older is trimmed. */
export const KEPT = 40;

export const entryKey = (index: number): string => `e/${String(index).padStart(10, "0")}`;

/** 100 to 3,000 bytes that nobody else writes. */
export function entryAt(index: number): Uint8Array {
  const size = 100 + ((index * 7_919) % 2_900);
  return Buffer.alloc(size, `${index}:`);
}

export const numberOf = (value: number): Uint8Array => Buffer.from(String(value));
export const numberIn = (value: Uint8Array | undefined): number =>
  Number(Buffer.from(value ?? "0").toString());
