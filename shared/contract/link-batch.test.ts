import { expect, test } from "vitest";
import { LIMIT } from "../base/policy.ts";
import { decodeLinkFrame, NO_SESSION } from "./frames.ts";
import { encodeLinkFrames } from "./link-batch.ts";

const unpack = (frames: readonly Uint8Array[]): unknown[] =>
  frames.flatMap((frame) => [...decodeLinkFrame(frame).messages]);

test("a batch that fits is one frame, none is no frame", () => {
  const messages = Array.from({ length: 1_000 }, (_, index) => ({ index }));
  const frames = encodeLinkFrames(NO_SESSION, messages, () => {});
  expect(frames).toHaveLength(1);
  expect(unpack(frames)).toEqual(messages);
  expect(encodeLinkFrames(NO_SESSION, [], () => {})).toEqual([]);
});

test("a larger batch keeps its order; a message larger than a frame is told and left out", () => {
  const large = "x".repeat(LIMIT.frameBytes.max);
  const messages = ["a".repeat(3_000_000), large, "b".repeat(3_000_000), "c"];
  const dropped: string[] = [];
  const frames = encodeLinkFrames(NO_SESSION, messages, (message) => dropped.push(message));
  expect(unpack(frames)).toEqual([messages[0], messages[2], "c"]);
  expect(dropped).toEqual([large]);
});
