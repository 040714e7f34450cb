// Messages of a node as they come off the wire.

import { type NodeMessage, nodeMessageSchema } from "@gantry/shared/contract/link.ts";

export /** Undefined if it is no message of a node. `chunk`, one per token, and beats are checked by hand. */
function parseMessage(item: unknown): NodeMessage | undefined {
  if (isChunk(item) || isBeat(item)) return item;
  const parsed = nodeMessageSchema.safeParse(item);
  return parsed.success ? parsed.data : undefined;
}

const isChunk = (item: unknown): item is Extract<NodeMessage, { type: "chunk" }> =>
  typeof item === "object" &&
  item !== null &&
  "type" in item &&
  item.type === "chunk" &&
  "id" in item &&
  typeof item.id === "string" &&
  "text" in item &&
  typeof item.text === "string";

const isBeat = (item: unknown): item is Extract<NodeMessage, { type: "beat" }> =>
  typeof item === "object" &&
  item !== null &&
  "type" in item &&
  item.type === "beat" &&
  "seq" in item &&
  Number.isSafeInteger(item.seq) &&
  "digest" in item &&
  typeof item.digest === "string";
