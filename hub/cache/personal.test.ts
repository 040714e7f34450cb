import { describe, expect, it } from "vitest";
import { whyNotAlike, whyNotKept } from "./keepable.ts";
import { hasSecret, isPersonal } from "./personal.ts";

describe("what is personal", () => {
  it.each([
    "ann@example.org",
    "call +49 170 1234567",
    "0170 1234567 is it",
    "555-123-4567",
    "(555) 123-4567",
    "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111",
    "078-05-1120",
    "I live at 12 Baker Street",
    "Hauptstraße 5",
    "my birthday is in May",
    "my doctor said so",
    "gt_abcdefghij0123456789",
    "-----BEGIN PRIVATE KEY-----",
    "the password is x",
  ])("%s", (text) => expect(isPersonal(text)).toBe(true));

  it.each([
    "print PLA at 190-220 C",
    "on 2025-03-04 at 10:30",
    "192.168.1.10",
    "0.4 mm nozzle, 200 C, 60 mm/s",
    "M104 S200",
    "10 000 000 layers",
    "1/2 and 3/4 inch",
    "4111 1111 1111 1112 is no card",
    "v1.2.3-4567",
    "my printer is a Voron",
  ])("nothing in: %s", (text) => expect(isPersonal(text)).toBe(false));

  it("names of people who have a token, whole and in any case", () => {
    expect(isPersonal("what does Ada Lovelace print", ["ada lovelace"])).toBe(true);
    expect(isPersonal("what does Ada print", ["ada lovelace"])).toBe(false);
    expect(isPersonal("an adapter", ["ada"])).toBe(false);
    expect(hasSecret("my name is Ada")).toBe(false);
  });
});

describe("what is kept", () => {
  const facts = { answer: "Yes.", hasEffects: false, tier: "local", people: [] };
  it.each([
    ["Is PETG food safe?", undefined],
    ["Is the printer idle?", "it is about this moment"],
    ["What is printing now?", "it is about this moment"],
    ["How many jobs are there?", "it is about this moment"],
    ["What is the weather?", "it is about this moment"],
  ])("KP1: %s", (question, why) => expect(whyNotKept({ ...facts, question })).toBe(why));

  it("KP1: nothing that acted, nothing of a rule, nothing empty", () => {
    const question = "Is PETG food safe?";
    expect(whyNotKept({ ...facts, question, hasEffects: true })).toMatch(/motion/);
    expect(whyNotKept({ ...facts, question, tier: "rule" })).toMatch(/rules/);
    expect(whyNotKept({ ...facts, question, answer: " " })).toMatch(/empty/);
  });

  it("KP2: what leans on what was said before is not compared by likeness", () => {
    expect(whyNotAlike("why is that?", true)).toMatch(/leans/);
    expect(whyNotAlike("go on", true)).toMatch(/leans/);
    expect(whyNotAlike("What is a brim?", true)).toBeUndefined();
    expect(whyNotAlike("why is that?", false)).toBeUndefined();
  });
});
