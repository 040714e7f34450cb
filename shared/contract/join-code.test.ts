import { expect, test } from "vitest";
import { seededRandom } from "../base/prng.ts";
import { decodeJoinCode, encodeJoinCode, joinSecret } from "./join-code.ts";
import { decodeZ85, encodeZ85 } from "./z85.ts";

const random = seededRandom(85);
const bytes = (count: number): Uint8Array =>
  Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
const code = (): { hubKey: string; secret: string } => ({
  hubKey: encodeZ85(bytes(32)),
  secret: joinSecret(bytes(10)),
});

test("Z85 writes what RFC 32 writes and reads it back", () => {
  const hello = Uint8Array.of(0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b);
  expect(encodeZ85(hello)).toBe("HelloWorld");
  expect(decodeZ85("HelloWorld")).toEqual(hello);
  for (const bad of ["1234", "Hello Worl", "#####"]) expect(() => decodeZ85(bad)).toThrow("Z85");
  expect(() => encodeZ85(bytes(3))).toThrow("Z85");
});

test("a join code says the hub's key and the secret, in any case and with o, i, l mistaken", () => {
  for (let round = 0; round < 200; round += 1) {
    const parts = code();
    const text = encodeJoinCode(parts);
    expect(text).toMatch(/^GJ1-[0-9A-Z]{52}-[0-9A-Z]{16}-[0-9A-Z]{4}$/);
    expect(decodeJoinCode(text)).toEqual(parts);
    const misread = text.slice(4).toLowerCase().replaceAll("0", "O").replaceAll("1", "l");
    expect(decodeJoinCode(` GJ1-${misread}\n`)).toEqual(parts);
  }
});

test("JC2: a wrong character or two swapped ones are called a typo", () => {
  const text = encodeJoinCode(code());
  for (let at = 4; at < text.length; at += 1) {
    const char = text[at] ?? "";
    if (char === "-") continue;
    const wrong = `${text.slice(0, at)}${char === "7" ? "8" : "7"}${text.slice(at + 1)}`;
    expect(() => decodeJoinCode(wrong)).toThrow("typo");
  }
  expect(() => decodeJoinCode("GJ1-abc")).toThrow("looks like");
  expect(() => decodeJoinCode("")).toThrow("looks like");
  expect(() => decodeJoinCode(text.slice(0, -6))).toThrow("looks like");
});
