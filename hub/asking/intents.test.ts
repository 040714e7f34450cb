import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIntent } from "./intents.ts";

describe("built-in intents", () => {
  it.each([
    ["help", { type: "help" }],
    ["Help!", { type: "help" }],
    ["what can you do?", { type: "help" }],
    ["status", { type: "status" }],
    ["please show the status", { type: "status" }],
    ["what's going on", { type: "status" }],
    ["devices", { type: "devices" }],
    ["list the printers", { type: "devices" }],
    ["which printers are online?", { type: "devices" }],
    ["jobs", { type: "jobs" }],
    ["show the print queue", { type: "jobs" }],
    ["what is printing?", { type: "jobs" }],
    ["what printers are there?", { type: "devices" }],
    ["print bracket on ender", { type: "print", file: "bracket", printer: "ender" }],
    [
      "Please print the file left bracket v2.gcode on the printer ender.",
      { type: "print", file: "left bracket v2.gcode", printer: "ender" },
    ],
    ['print "cube (2)" with sim', { type: "print", file: "cube (2)", printer: "sim" }],
    ["print cube.gcode", { type: "print", file: "cube.gcode" }],
    ["pause", { type: "wish", wish: "pause" }],
    ["pause the print on sim", { type: "wish", wish: "pause", printer: "sim" }],
    ["continue printing", { type: "wish", wish: "resume" }],
    [
      "cancel job prt_01hf7yat3m0000000000000000",
      { type: "wish", wish: "cancel", target: "prt_01hf7yat3m0000000000000000" },
    ],
    ["bed cleared on sim", { type: "bedCleared", printer: "sim" }],
    ["the bed of sim is clear", { type: "bedCleared", printer: "sim" }],
    ["I cleared the bed", { type: "bedCleared" }],
    ["stop", { type: "stop" }],
    ["EMERGENCY STOP", { type: "stop" }],
    ["stop printer sim", { type: "stop", printer: "sim" }],
  ])("%j", (text, intent) => {
    expect(parseIntent(text)).toEqual(intent);
  });

  it.each([
    "do not print bracket on ender",
    "please do NOT cancel",
    "when will you pause?",
    "why did you stop",
    "cancel culture",
    "print",
    "how do I print on glass?",
    "tell me a story about printers",
    "pause is a nice word",
    "stop talking about it",
    "",
  ])("leaves %j to the model", (text) => {
    expect(parseIntent(text)).toBeUndefined();
  });

  it("never throws and answers in bounded time for any text", () => {
    fc.assert(fc.property(fc.string({ maxLength: 2_000 }), (text) => void parseIntent(text)));
  });
});

describe("orders for parts", () => {
  it.each(["make a box 40x30x20 with lid", "Please create a gear with 20 teeth and module 2."])(
    "%s",
    (text) => {
      expect(parseIntent(text)).toMatchObject({ type: "make" });
    },
  );
  it.each(["box", "a spacer 8 mm high for M4", "make a castle", "do not make a box 40x30x20"])(
    "%s is none",
    (text) => {
      expect(parseIntent(text)).toBeUndefined();
    },
  );
  it.each(["parts", "what can you make?", "list the parts"])("%s", (text) => {
    expect(parseIntent(text)).toEqual({ type: "parts" });
  });
});
