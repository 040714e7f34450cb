// How a batch of messages becomes frames: one if it fits, else as few halves as it takes.

import { LIMIT } from "../base/policy.ts";
import { encodeLinkFrame } from "./frames.ts";

/**
 * Frames in the order of the messages, none over LIMIT.frameBytes. A single message that is larger
 * than a frame goes to `onTooLarge` instead: it can never be sent.
 */
export function encodeLinkFrames<T>(
  session: Uint8Array,
  messages: readonly T[],
  onTooLarge: (message: T) => void,
): Uint8Array[] {
  if (messages.length === 0) return [];
  const frame = encodeLinkFrame(session, messages);
  if (frame.length <= LIMIT.frameBytes.max) return [frame];
  const [only] = messages;
  if (messages.length === 1 && only !== undefined) {
    onTooLarge(only);
    return [];
  }
  const middle = messages.length >> 1;
  return [
    ...encodeLinkFrames(session, messages.slice(0, middle), onTooLarge),
    ...encodeLinkFrames(session, messages.slice(middle), onTooLarge),
  ];
}
