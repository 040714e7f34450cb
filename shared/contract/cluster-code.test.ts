import fc from "fast-check";
import { expect, test } from "vitest";
import { GantryError } from "../base/errors.ts";
import {
  CLUSTER_SEED_BYTES,
  type ClusterCode,
  decodeClusterCode,
  encodeClusterCode,
  redactClusterCode,
} from "./cluster-code.ts";
import { encodeZ85 } from "./z85.ts";

const fixed = (sizeBytes: number) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes });
const name = fc.string({ maxLength: 30 });
const anyCode: fc.Arbitrary<ClusterCode> = fc.record({
  clusterId: fixed(8).map((bytes) => bytes.toHex()),
  hub: name,
  seed: fixed(CLUSTER_SEED_BYTES),
  founders: fc.array(name, { maxLength: 4 }),
  witnesses: fc.array(name, { maxLength: 2 }),
  hubs: fc.array(fc.record({ id: name, address: name, publicKey: fixed(32).map(encodeZ85) }), {
    maxLength: 7,
  }),
});
const example: ClusterCode = {
  clusterId: "00112233aabbccdd",
  hub: "hub-4",
  seed: new Uint8Array(CLUSTER_SEED_BYTES).fill(5),
  founders: ["hub-1", "hub-2", "hub-3"],
  witnesses: ["hub-3"],
  hubs: [
    { id: "hub-1", address: "tcp://10.77.0.1:7700", publicKey: encodeZ85(new Uint8Array(32)) },
  ],
};

/** The code of the error; what was read where there is none. */
function outcome(text: string): unknown {
  try {
    return decodeClusterCode(text);
  } catch (error) {
    if (error instanceof GantryError) return error.code;
    throw error;
  }
}

test("a cluster code says what was put into it, whatever white space came between", () => {
  fc.assert(
    fc.property(anyCode, (code) => {
      const text = encodeClusterCode(code);
      expect(text).toMatch(/^GH1-[0-9a-f]{8}-[\w-]+$/);
      expect(decodeClusterCode(text)).toEqual(code);
      expect(decodeClusterCode(` ${text.replaceAll(/(.{20})/g, "$1\n")}\n`)).toEqual(code);
    }),
  );
});

test("CC2: a wrong character, a swap and a lost end are called a typo", () => {
  const text = encodeClusterCode(example);
  for (let at = 13; at < text.length; at += 1) {
    const wrong = `${text.slice(0, at)}${text[at] === "A" ? "B" : "A"}${text.slice(at + 1)}`;
    expect(() => decodeClusterCode(wrong)).toThrow("typo");
    expect(() => decodeClusterCode(text.slice(0, at))).toThrow("typo");
  }
  for (const other of ["", "GJ1-abc", "GH1-", "GH1-12345678", text.slice(1)]) {
    expect(() => decodeClusterCode(other)).toThrow("looks like");
  }
});

test("CC4: garbage, even with a check that fits, is join_code_invalid and nothing else", async () => {
  const { sha256 } = await import("../base/digest.ts");
  const body = fc.oneof(
    fc.string(),
    fc
      .uint8Array({ maxLength: 120 })
      .map((bytes) => bytes.toBase64({ alphabet: "base64url", omitPadding: true })),
  );
  fc.assert(
    fc.property(body, (text) => {
      const tidy = text.replaceAll(/\s/g, "");
      const check = sha256(`gantry cluster code ${tidy}`).slice(0, 8);
      const read = outcome(`GH1-${check}-${tidy}`);
      expect(typeof read === "object" || read === "join_code_invalid").toBe(true);
      expect(outcome(text)).toBe("join_code_invalid");
    }),
  );
});

const make = (changes: Partial<ClusterCode>) => (): string =>
  encodeClusterCode({ ...example, ...changes });

test("what has no place in a code is refused when it is made", () => {
  expect(make({ hub: "h".repeat(256) })).toThrow("too long");
  expect(make({ clusterId: "12" })).toThrow("cluster id");
  expect(make({ seed: new Uint8Array(8) })).toThrow("seed");
  expect(make({ founders: Array.from({ length: 256 }, () => "h") })).toThrow("Too many");
});

test("CC1: what may be shown of a code holds nothing of it", () => {
  expect(redactClusterCode(encodeClusterCode(example))).toBe("GH1-...");
});
