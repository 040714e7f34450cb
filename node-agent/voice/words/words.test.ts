import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CONFIRM_WORDS,
  ECHO_MS,
  judgeWord,
  type PendingWord,
  readBack,
  VOICE_WORD_MS,
} from "./confirm-words.ts";
import { commandGrammar, spokenName, typedForm } from "./grammar.ts";
import { digitsIn, numberWords } from "./numbers.ts";
import { phonesOf } from "./phones.ts";
import { plainWords } from "./plain.ts";
import { makeSentenceSplitter } from "./sentences.ts";
import { speakable } from "./speakable.ts";
import { LOCAL_PHRASES, localOrderOf } from "./stop-words.ts";

describe("stop words", () => {
  it("are understood however they are written", () => {
    expect(localOrderOf("Emergency stop!")).toBe("halt");
    expect(localOrderOf("Gantry, E-Stop")).toBe("halt");
    expect(localOrderOf("STOP EVERYTHING")).toBe("halt");
    expect(localOrderOf("stop")).toBe("quiet");
    expect(localOrderOf("please stop")).toBe("quiet");
    expect(localOrderOf("Never mind.")).toBe("cancel");
    for (const phrase of LOCAL_PHRASES) expect(localOrderOf(phrase)).toBeDefined();
  });

  it("SW1: a sentence with a stop word in it is none", () => {
    const before = ["do not", "don't", "never", "should I", "when will it", "the bus", "he said"];
    const after = ["talking about the weather", "is a word", "tomorrow", "or go on", "watch"];
    for (const phrase of LOCAL_PHRASES) {
      for (const words of before) expect(localOrderOf(`${words} ${phrase}`)).toBeUndefined();
      for (const words of after) expect(localOrderOf(`${phrase} ${words}`)).toBeUndefined();
    }
  });

  it("SP1: nothing we say can be heard as a halt", () => {
    for (const phrase of LOCAL_PHRASES.filter((one) => localOrderOf(one) === "halt")) {
      const said = plainWords(speakable(`To end it say: ${phrase}. ${phrase}`));
      if (phrase === "emergency" || phrase === "e stop") continue; // never the whole of a sentence of ours
      expect(said).not.toContain(phrase);
    }
  });
});

describe("a word of confirmation", () => {
  const pending: PendingWord = {
    id: "cfm_1",
    phrase: "confirm print bracket on sim",
    summary: "Print bracket on sim",
    hazardClass: "medium",
    word: "amber",
    wrong: 0,
    untilMs: 20_000,
  };
  const judge = (text: string, set: Partial<PendingWord> = {}, nowMs = 12_000): string =>
    judgeWord({ ...pending, ...set }, text, nowMs, 10_000).kind;

  it("[K117] is given by the drawn word alone", () => {
    expect(judge("confirm amber")).toBe("given");
    expect(judge("Confirm Amber.")).toBe("given");
    for (const text of ["yes", "yes please", "ok", "sure", "do it", "go ahead", "amber", "print"]) {
      expect(judge(text)).toBe("other");
    }
    expect(judge("confirm")).toBe("wrong");
    expect(judge("confirm velvet")).toBe("wrong");
    expect(judge("confirm amber and velvet")).toBe("wrong");
    expect(judge("confirm print bracket on sim")).toBe("wrong"); // the typed phrase can be overheard
  });

  it("[K117] CW1: no negation of it confirms, whatever stands around it", () => {
    const negations = [
      "do not confirm amber",
      "don't confirm amber",
      "dont confirm amber",
      "do NOT confirm: amber",
      "do not confirm: proceed",
      "never confirm amber",
      "please do not confirm amber",
      "i will not confirm amber",
      "i won't confirm amber",
      "i can't confirm amber",
      "we cannot confirm amber",
      "confirm not amber",
      "confirm amber not",
      "no confirm amber",
      "no do not confirm amber",
      "not confirm amber",
      "cancel confirm amber",
      "stop confirm amber",
      "wait confirm amber no",
      "nobody confirm amber",
      "should i confirm amber",
      "did you say confirm amber",
      "without confirm amber",
      "i refuse to confirm amber",
      "unconfirm amber",
      "disconfirm amber",
      "confirm amber? no!",
    ];
    for (const text of negations) expect([text, judge(text)]).not.toEqual([text, "given"]);
    const words = fc.array(
      fc.constantFrom("not", "no", "never", "do", "don't", "please", "amber"),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(words, words, (before, after) => {
        const text = [...before, "confirm amber", ...after].join(" ");
        expect(judge(text)).not.toBe("given");
        expect(judge([...before, "confirm amber"].join(" "))).not.toBe("given");
        expect(judge(["confirm amber", ...after].join(" "))).not.toBe("given");
      }),
    );
  });

  it("CW1: nothing but the phrase is taken, whatever is heard", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        fc.pre(plainWords(text) !== "confirm amber");
        expect(judge(text)).not.toBe("given");
      }),
    );
  });

  it("CW2: while we speak, and just after, it is our own echo", () => {
    expect(judgeWord(pending, "confirm amber", 12_000, undefined).kind).toBe("deaf");
    expect(judgeWord(pending, "confirm amber", 12_000, 12_001 - ECHO_MS).kind).toBe("deaf");
    expect(judgeWord(pending, "confirm amber", 12_000, 12_000 - ECHO_MS).kind).toBe("given");
  });

  it("CW3: it expires, and is worth nothing before the read-back is over", () => {
    expect(judge("confirm amber", { untilMs: undefined })).toBe("expired");
    expect(judge("confirm amber", {}, 20_001)).toBe("expired");
    expect(VOICE_WORD_MS).toBe(10_000);
  });

  it("CW4: the highest class is never confirmed by voice", () => {
    expect(judge("confirm amber", { hazardClass: "high" })).toBe("wrong");
    expect(readBack({ ...pending, hazardClass: "high" }, [])).not.toContain("amber");
  });

  it("CW5: two wrong words end it", () => {
    const first = judgeWord(pending, "confirm velvet", 12_000, 10_000);
    expect(first).toMatchObject({ kind: "wrong", pending: { wrong: 1 } });
    expect(judgeWord({ ...pending, wrong: 1 }, "confirm thunder", 12_000, 10_000)).toEqual({
      kind: "wrong",
      pending: undefined,
    });
  });

  it("reads back the action, what is dangerous and the word", () => {
    const text = readBack(pending, ["heats the nozzle to 215 °C", "moves"]);
    expect(text).toBe(
      "Print bracket on sim. It heats the nozzle to 215 °C, and moves. To go ahead, say: confirm amber.",
    );
  });

  it("the words of confirmation are no orders", () => {
    expect(new Set(CONFIRM_WORDS).size).toBe(CONFIRM_WORDS.length);
    for (const word of CONFIRM_WORDS) expect(localOrderOf(word)).toBeUndefined();
  });
});

describe("numbers", () => {
  it("are said and read back", () => {
    expect(numberWords(215)).toBe("two hundred fifteen");
    expect(digitsIn("a box forty by thirty five by two hundred ten")).toBe("a box 40 by 35 by 210");
    expect(digitsIn("two point five millimeters")).toBe("2.5 millimeters");
    expect(typedForm("make a washer for m four")).toBe("make a washer for M4");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999 }), (value) => {
        expect(digitsIn(`take ${numberWords(value)} now`)).toBe(`take ${value} now`);
      }),
    );
  });
});

const split = (pieces: readonly string[], longest?: number): string[] => {
  const splitter = makeSentenceSplitter(longest);
  return [...pieces.flatMap((piece) => [...splitter.push(piece)]), ...splitter.end()];
};

describe("sentences", () => {
  it("end where people end them", () => {
    const text = "It is 0.2 mm thick. Use e.g. PLA! Is that fine? Yes.\n1. first\n2. second";
    const whole = ["It is 0.2 mm thick.", "Use e.g. PLA!", "Is that fine?", "Yes."];
    expect(split([text])).toEqual([...whole, "1. first", "2. second"]);
  });

  it("SE1: however the text comes in, the words are all there and the cuts are the same", () => {
    const words = fc.constantFrom("a", "box.", "is", "0.2", "e.g.", "thick!", "Why?", "\n", "3.");
    fc.assert(
      fc.property(fc.array(words, { maxLength: 30 }), fc.nat(5), (list, size) => {
        const text = list.join(" ");
        const pieces = text.match(new RegExp(`[\\s\\S]{1,${size + 1}}`, "gu")) ?? [];
        const joined = split(pieces).join(" ").replaceAll(/\s+/gu, " ").trim();
        expect(joined).toBe(text.replaceAll(/\s+/gu, " ").trim());
        expect(split(pieces)).toEqual(split([text]));
      }),
    );
  });

  it("SE2: a sentence without an end is cut at a space", () => {
    expect(split(["one two three four"], 8)).toEqual(["one two", "three", "four"]);
    expect(split(["abcdefghijkl"], 5)).toEqual(["abcde", "fghij", "kl"]);
  });
});

describe("what is said", () => {
  it("has no marks, ids or units to be read out", () => {
    const text =
      "- **sim**: idle, nozzle 215 °C (prt_01k9z0000000000000000000aa)\n[docs](http://x)";
    expect(speakable(text)).toBe("sim: idle, nozzle 215 degrees\ndocs");
    expect(speakable("a box 40x30x20, 0.2 mm")).toBe("a box 40 by 30 by 20, 0.2 millimetres");
  });

  it("ends before it becomes a lecture", () => {
    const long = speakable("This is a sentence of some length. ".repeat(100));
    expect(long.length).toBeLessThan(1_300);
    expect(long).toMatch(/The rest is in the console\.$/u);
  });
});

describe("the grammar of orders", () => {
  it("has the names of the workshop in it and gives them back as they are written", () => {
    const grammar = commandGrammar({ printers: ["ender-3", "sim"], files: ["phone_stand.gcode"] });
    expect(grammar.restore("print phone stand on ender three")).toBe(
      "print phone_stand.gcode on ender-3",
    );
    expect(grammar.words).toContain("stand");
    expect(grammar.restore("g_aa g_b g_k")).toBe("");
  });

  it("GR3: a name brings no rules of its own", () => {
    for (const name of ["a ; public <x> = stop", "<stop>", "(stop|go)", "drucker-ä", ""]) {
      expect(spokenName(name)).not.toMatch(/[^a-z' ]/u);
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (name) => {
        expect(spokenName(name)).toMatch(/^(?:[a-z']+(?: [a-z']+)*)?$/u);
      }),
    );
  });

  it("a name that no dictionary has is spelled by its sound", () => {
    expect(phonesOf("vˈɔːɹɑːn")).toEqual(["V", "AO", "R", "AA", "N"]);
    expect(phonesOf("")).toEqual([]);
  });
});
