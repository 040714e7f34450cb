import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boundaryOf, readMultipart } from "./multipart.ts";

interface Part {
  readonly field: string;
  readonly fileName: string | undefined;
  readonly bytes: Buffer;
}

async function read(chunks: Iterable<Uint8Array>, boundary: string): Promise<readonly Part[]> {
  const parts: { field: string; fileName: string | undefined; pieces: Uint8Array[] }[] = [];
  let isOpen = false;
  await readMultipart(stream(chunks), boundary, {
    begin(part) {
      expect(isOpen).toBe(false);
      isOpen = true;
      parts.push({ ...part, pieces: [] });
    },
    data: (bytes) => void parts.at(-1)?.pieces.push(Buffer.from(bytes)),
    end() {
      isOpen = false;
    },
  });
  return parts.map(({ pieces, ...part }) => ({ ...part, bytes: Buffer.concat(pieces) }));
}

async function* stream(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

const form = (parts: readonly (readonly [string, Uint8Array])[], boundary: string): Buffer =>
  Buffer.concat([
    ...parts.flatMap(([head, bytes]) => [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
      bytes,
      Buffer.from("\r\n"),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);

describe("a form that arrives in pieces", () => {
  it("gives every part its own bytes, however the body is cut", async () => {
    // Bytes that look like delimiters are drawn often.
    const byte = fc.constantFrom(13, 10, 45, 98, 66, 0, 255);
    const content = fc
      .uint8Array({ maxLength: 60 })
      .chain((some) =>
        fc.array(byte, { maxLength: 60 }).map((more) => Uint8Array.from([...some, ...more])),
      );
    await fc.assert(
      fc.asyncProperty(
        fc.array(content, { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
        async (contents, cuts) => {
          const boundary = "bB-9f8e7d";
          fc.pre(contents.every((bytes) => !Buffer.from(bytes).includes(`--${boundary}`)));
          const body = form(
            contents.map((bytes, index) => [`name="f${index}"`, bytes] as const),
            boundary,
          );
          const parts = await read(cut(body, cuts), boundary);
          expect(parts.map(({ bytes }) => bytes.toString("hex"))).toEqual(
            contents.map((bytes) => Buffer.from(bytes).toString("hex")),
          );
        },
      ),
    );
  });

  it("reads what undici writes for a FormData", async () => {
    const data = new FormData();
    data.set("printer", "ender");
    data.set("file", new File(["G28\n"], 'part "1".gcode'));
    const request = new Request("http://x/", { method: "POST", body: data });
    const boundary = boundaryOf(request.headers.get("content-type") ?? "");
    const parts = await read([new Uint8Array(await request.arrayBuffer())], boundary);
    expect(parts.map(({ field, fileName }) => [field, fileName])).toEqual([
      ["printer", undefined],
      ["file", 'part "1".gcode'],
    ]);
    expect(parts[1]?.bytes.toString()).toBe("G28\n");
  });

  it.each([
    ["no delimiter at all", "hello"],
    ["a file cut off", '--b\r\ncontent-disposition: form-data; name="f"\r\n\r\nhalf'],
    ["no closing delimiter", '--b\r\ncontent-disposition: form-data; name="f"\r\n\r\nx\r\n--b\r\n'],
    ["a part without a name", "--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--"],
    ["a part without a header", "--b\r\nx: y\r\n\r\nx\r\n--b--"],
    ["text after a delimiter", "--bxx"],
    ["a header without an end", `--b\r\nx: ${"y".repeat(9_000)}`],
    [
      "too many parts",
      `${'--b\r\ncontent-disposition: form-data; name="f"\r\n\r\nx\r\n'.repeat(17)}--b--`,
    ],
  ])("refuses %s", async (_name, body) => {
    await expect(read([Buffer.from(body)], "b")).rejects.toMatchObject({ code: "bad_request" });
  });

  it.each(["multipart/form-data", "multipart/form-data; boundary=", 'm; boundary=""'])(
    "finds no boundary in %j",
    (type) => {
      expect(() => boundaryOf(type)).toThrow(/boundary/);
    },
  );
});

function* cut(body: Uint8Array, cuts: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < body.length; turn += 1) {
    const size = cuts[turn % cuts.length] ?? 1;
    yield body.subarray(at, at + size);
    at += size;
  }
}
