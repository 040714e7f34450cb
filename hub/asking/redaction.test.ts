import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeRestorer, redact } from "./redaction.ts";

const one = (text: string, names: readonly string[] = []): string =>
  redact([text], names).texts[0] ?? "";
const restored = (pieces: readonly string[], values: ReadonlyMap<string, string>): string => {
  const restorer = makeRestorer(values);
  return pieces.map((piece) => restorer.push(piece)).join("") + restorer.end();
};

describe("what leaves the house", () => {
  it.each([
    ["mail ada@example.org or Bob.B@b.example.co", "mail [EMAIL_1] or [EMAIL_2]"],
    ["ada@example.org, again ada@example.org", "[EMAIL_1], again [EMAIL_1]"],
    ["my key is sk-abcdefghijklmnopqrstu", "my key is [SECRET_1]"],
    ["password: hunter22, please", "password: [SECRET_1], please"],
    ['{"token": "abcdef123"}', '{"token": "[SECRET_1]"}'],
    ["see https://ada:pa55@host.lan/x", "see https://[SECRET_1]@host.lan/x"],
    ["pay DE89 3704 0044 0532 0130 00 now", "pay [IBAN_1] now"],
    ["card 4111 1111 1111 1111.", "card [CARD_1]."],
    ["call +49 30 901820 44 today", "call [PHONE_1] today"],
    ["the printer at 192.168.1.20 is slow", "the printer at [IP_1] is slow"],
    ["mac 00:1a:2b:3c:4d:5e", "mac [MAC_1]"],
    [
      "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\nend",
      "[KEY_1]\nend",
    ],
  ])("%s", (text, wanted) => {
    expect(one(text)).toBe(wanted);
  });

  it.each([
    "print a box 40x30x20 with lid",
    "G1 X10.5 Y20.25 F3000 then M104 S210",
    "on 2026-11-21 at 10:30 the nozzle had 210.5 C",
    "order 4111 1111 1111 1112 is no card",
    "version 1.2.3 of 2026",
    "the pin header has 40 pins",
    "",
  ])("leaves alone what is nobody's: %s", (text) => {
    expect(one(text)).toBe(text);
  });

  it("takes people of this house out by name, as words", () => {
    expect(one("Ada asked whether Adam's canada is ada's", ["ada"])).toBe(
      "[PERSON_1] asked whether Adam's canada is [PERSON_2]'s",
    );
  });

  it("uses no placeholder that the text has already (RE3)", () => {
    const { texts, values } = redact(["what is [EMAIL_1]? mine is a@b.example"]);
    expect(texts[0]).toBe("what is [EMAIL_1]? mine is [EMAIL_2]");
    expect(restored([texts[0] ?? ""], values)).toBe("what is [EMAIL_1]? mine is a@b.example");
  });

  it("comes back whole, however the answer is cut into pieces (RE2), and never in clear (RE1)", () => {
    const secret = fc.constantFrom(
      "ada@example.org",
      "sk-abcdefghijklmnopqrstu",
      "DE89370400440532013000",
      "192.168.1.20",
      "4111111111111111",
    );
    const word = fc.oneof(
      secret,
      fc.constantFrom("[", "]", "[EMAIL_", "[EMAIL_1]", "x", "a b", "[SECRET_2", "\n"),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 20 }),
        fc.array(fc.nat(9), { maxLength: 40 }),
        (words, cuts) => {
          const text = words.join(" ");
          const { texts, values } = redact([text]);
          const sent = texts[0] ?? "";
          const pieces: string[] = [];
          let at = 0;
          for (const cut of [...cuts, sent.length]) {
            pieces.push(sent.slice(at, at + cut));
            at += cut;
          }
          expect(restored(pieces, values)).toBe(text);
          for (const value of values.values()) {
            // A value may be a part of other text only if it stood there by itself, too.
            expect(sent.split(/\s/)).not.toContain(value);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("takes no longer than the text is long", () => {
    for (const text of [
      "a".repeat(100_000),
      "1 ".repeat(50_000),
      "a@".repeat(50_000),
      "-----BEGIN A PRIVATE KEY-----".repeat(3_000),
    ]) {
      const startMs = performance.now();
      redact([text]);
      expect(performance.now() - startMs).toBeLessThan(20_000); // seconds would be minutes if it were quadratic
    }
  });
});
