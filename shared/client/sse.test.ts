import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeSseParser, type SseEvent } from "./sse.ts";

const encoder = new TextEncoder();
const parse = (text: string): SseEvent[] => makeSseParser().push(encoder.encode(text));

/** Cuts `bytes` at the given places and feeds the pieces one by one. */
function parseInPieces(bytes: Uint8Array, cuts: readonly number[]): SseEvent[] {
  const parser = makeSseParser();
  const places = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...places].flatMap((from, index) =>
    parser.push(bytes.subarray(from, places[index] ?? bytes.length)),
  );
}

describe("makeSseParser", () => {
  it.each([
    ["one event", "data: a\n\n", [{ type: "message", data: "a", id: undefined }]],
    ["all fields", "id: 7\nevent: token\ndata: x\n\n", [{ type: "token", data: "x", id: "7" }]],
    [
      "several lines of data",
      "data: a\ndata:b\n\n",
      [{ type: "message", data: "a\nb", id: undefined }],
    ],
    ["CRLF", "event: e\r\ndata: a\r\n\r\n", [{ type: "e", data: "a", id: undefined }]],
    ["CR", "data: a\r\r", [{ type: "message", data: "a", id: undefined }]],
    ["a byte order mark", "\uFEFFdata: a\n\n", [{ type: "message", data: "a", id: undefined }]],
    ["comments and unknown fields", ": ping\nretry: 5\nx: y\n\n", []],
    [
      "an event without data",
      "event: e\n\ndata: a\n\n",
      [{ type: "message", data: "a", id: undefined }],
    ],
    ["an event that is not closed (SSE2)", "data: a\n", []],
    ["empty data", "data\n\n", [{ type: "message", data: "", id: undefined }]],
  ])("reads %s", (_, text, events) => {
    expect(parse(text)).toEqual(events);
  });

  it("gives each event its own id and ignores one with a NUL", () => {
    const ids = parse("id: 1\ndata: a\n\ndata: b\n\nid: 2\0\ndata: c\n\n").map((event) => event.id);
    expect(ids).toEqual(["1", undefined, undefined]);
  });

  it("keeps the last id, also of a block without data", () => {
    const parser = makeSseParser();
    parser.push(encoder.encode("id: 7\ndata: a\n\ndata: b\n\n"));
    expect(parser.lastId).toBe("7");
    expect(parser.push(encoder.encode("retry: 5\nid: 9\n\n"))).toEqual([]);
    expect(parser.lastId).toBe("9");
    parser.push(encoder.encode("id: 11\n"));
    expect(parser.lastId).toBe("9");
  });

  it("gives the same events for any split of the bytes (SSE1)", () => {
    const line = fc.tuple(
      fc.constantFrom("data: ", "data:", "event: ", "id: ", ": ", "data", ""),
      fc.string({ unit: "grapheme", maxLength: 6 }).map((text) => text.replaceAll(/[\r\n]/g, "")),
      fc.constantFrom("\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\r\r"),
    );
    const stream = fc.array(line, { maxLength: 12 }).map((lines) => lines.flat().join(""));
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 20 }), (text, cuts) => {
        const bytes = encoder.encode(text);
        expect(parseInPieces(bytes, cuts)).toEqual(parse(text));
        expect(parseInPieces(bytes, Array.from(bytes.keys()))).toEqual(parse(text));
      }),
    );
  });

  it("refuses an event without end (SSE3)", () => {
    const parser = makeSseParser();
    const megabyte = encoder.encode("x".repeat(1_048_576));
    parser.push(encoder.encode("data: "));
    expect(() => {
      for (let count = 0; count < 6; count += 1) parser.push(megabyte);
    }).toThrow("event of over");
  });
});
