import fc from "fast-check";
import { expect, it } from "vitest";
import { GantryError } from "../base/errors.ts";
import { encodeWyoming, makeWyomingDecoder, WYOMING_BOUNDS, type WyomingEvent } from "./wyoming.ts";

const text = (line: string): Uint8Array => new TextEncoder().encode(line);
const outcomeOf = (bytes: Uint8Array): string => {
  try {
    return makeWyomingDecoder().push(bytes).length >= 0 ? "events" : "";
  } catch (error) {
    return error instanceof GantryError ? error.code : String(error);
  }
};

const event = fc.record({
  type: fc.stringMatching(/^[a-z-]{1,20}$/u),
  data: fc.dictionary(
    fc.stringMatching(/^[a-z]{1,8}$/u),
    fc.oneof(fc.string(), fc.integer(), fc.boolean()),
    { maxKeys: 4 },
  ),
  payload: fc.uint8Array({ maxLength: 300 }),
});

it("WY2: what is encoded comes out again, in pieces of any size", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 5 }),
      fc.integer({ min: 1, max: 64 }),
      (events, size) => {
        const bytes = Buffer.concat(
          events.map(({ type, data, payload }) => encodeWyoming(type, data, payload)),
        );
        const decoder = makeWyomingDecoder();
        const out: WyomingEvent[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          out.push(...decoder.push(bytes.subarray(at, at + size)));
        }
        expect(out.map((one) => ({ ...one, payload: [...one.payload] }))).toEqual(
          events.map((one) => ({ ...one, data: { ...one.data }, payload: [...one.payload] })),
        );
      },
    ),
  );
});

it("reads what other writers send: data in the line, in the second part, or both", () => {
  const decoder = makeWyomingDecoder();
  const inline = text('{"type":"transcript","data":{"text":"hello","name":"a"}}\n');
  const both = text(
    '{"type":"transcript","data":{"text":"old","name":"a"},"data_length":14}\n{"text":"new"} ',
  );
  expect(decoder.push(inline)).toMatchObject([{ data: { text: "hello", name: "a" } }]);
  expect(decoder.push(both.subarray(0, -1))).toMatchObject([{ data: { text: "new", name: "a" } }]);
  const empty = text('{"type":"describe","data_length":0,"payload_length":null}\n');
  expect(decoder.push(empty)).toMatchObject([{ type: "describe", data: {} }]);
});

it("WY1: lengths beyond the bounds are refused before a byte of them is waited for", () => {
  const { dataBytes, payloadBytes, lineBytes } = WYOMING_BOUNDS;
  expect(outcomeOf(text(`{"type":"a","data_length":${dataBytes + 1}}\n`))).toBe("bad_frame");
  expect(outcomeOf(text(`{"type":"a","payload_length":${payloadBytes + 1}}\n`))).toBe("bad_frame");
  expect(outcomeOf(text(`{"type":"a","payload_length":1e300}\n`))).toBe("bad_frame");
  expect(outcomeOf(text(`{"type":"a","payload_length":-1}\n`))).toBe("bad_frame");
  expect(outcomeOf(text(" ".repeat(lineBytes + 1)))).toBe("bad_frame");
  expect(outcomeOf(text("[]\n"))).toBe("bad_frame");
  expect(outcomeOf(text("{}\n"))).toBe("bad_frame");
  expect(outcomeOf(text("hello\n"))).toBe("bad_frame");
});

it("WY1: any bytes give events or bad_frame", () => {
  const frame = encodeWyoming("audio-chunk", { rate: 16_000, width: 2 }, new Uint8Array(40));
  const broken = fc
    .array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    .map((edits) => {
      const copy = frame.slice();
      for (const [at, value] of edits) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      expect(["events", "bad_frame"]).toContain(outcomeOf(bytes));
    }),
    { numRuns: 3_000 },
  );
});
