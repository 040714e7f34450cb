// What the log's entries say.

import type { Entry } from "../../../hub/consensus/types.ts";

/** Names a command by its number, padded so that sizes differ. */
export function encode(id: number): Uint8Array {
  const data = new Uint8Array(4 + (id % 7) * 3);
  new DataView(data.buffer).setUint32(0, id);
  return data;
}

/** The content of an entry as one number: of a command its id, -1 for the empty entry of a term. */
export function whatOf({ kind, data }: Entry): number {
  if (kind === "commands") {
    if (data.length === 0) return -1;
    return new DataView(data.buffer, data.byteOffset).getUint32(0);
  }
  let sum = 2;
  for (const byte of data) sum = (Math.imul(sum, 31) + byte) | 0;
  return -Math.abs(sum) - 2;
}
