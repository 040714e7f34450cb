import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sseParser } from "./sse.ts";

const readAll = (chunks: readonly string[]) => {
  const parser = sseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
};

describe("reading server-sent events", () => {
  it.each([
    ["data: a\n\n", [{ type: "message", id: undefined, data: "a" }]],
    ["event: token\ndata: {}\n\n", [{ type: "token", id: undefined, data: "{}" }]],
    [
      "id: 7\ndata: a\n\ndata: b\n\n",
      [
        { type: "message", id: "7", data: "a" },
        { type: "message", id: "7", data: "b" },
      ],
    ],
    ["data: a\ndata: b\n\n", [{ type: "message", id: undefined, data: "a\nb" }]],
    ["data:  two spaces\n\n", [{ type: "message", id: undefined, data: " two spaces" }]],
    [": ping\n\n", []],
    ["event: token\n\n", []],
    ["data: cut off\n", []],
    [
      "data: a\r\n\r\ndata: b\r\n\r\n",
      [
        { type: "message", id: undefined, data: "a" },
        { type: "message", id: undefined, data: "b" },
      ],
    ],
  ])("%j", (text, messages) => {
    expect(readAll([text])).toEqual(messages);
  });

  it("keeps the id of a message without data, so that a reconnect resumes after it", () => {
    const parser = sseParser("3");
    expect(parser.lastId()).toBe("3");
    parser.push("id: 9\n\n");
    expect(parser.lastId()).toBe("9");
  });

  it("P1: gives the same messages however the stream is cut", () => {
    const line = fc.constantFrom(
      "data: a",
      "data: b:c",
      "event: t",
      "id: 4",
      ": ping",
      "",
      "",
      "data",
    );
    const stream = fc.array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")), { maxLength: 30 });
    fc.assert(
      fc.property(stream, fc.array(fc.nat(40), { maxLength: 12 }), (rows, cuts) => {
        const text = `${rows.map(([row, end]) => row + end).join("")}data: last\n\n`;
        const chunks: string[] = [];
        let from = 0;
        for (const length of cuts) {
          chunks.push(text.slice(from, from + length));
          from += length;
        }
        expect(readAll([...chunks, text.slice(from)])).toEqual(readAll([text]));
      }),
    );
  });
});
