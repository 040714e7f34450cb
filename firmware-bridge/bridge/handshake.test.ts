// What a printer hears first, on a line that a script answers.

import { expect, it } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { MarlinEvent } from "../protocols/marlin-codec.ts";
import { HEATERS_OFF, shakeHands } from "./handshake.ts";

/** The lines written until the cable "is closed", with `next` where an answer was awaited. */
async function firstWords(
  mayBeHot: boolean,
  events: readonly (MarlinEvent | undefined)[],
): Promise<readonly string[]> {
  const words: string[] = [];
  const left = [...events];
  const greeting = {
    mayBeHot,
    write: (text: string) => void words.push(text),
    next: () => {
      words.push("next");
      return left.length === 0
        ? Promise.reject(new Error("closed"))
        : Promise.resolve(left.shift());
    },
  };
  await expect(shakeHands(greeting, systemClock)).rejects.toThrow("closed");
  return words;
}

it("switches a printer that may be hot off before it waits for a word (HS3)", async () => {
  expect(await firstWords(true, [])).toEqual([HEATERS_OFF, "next"]);
});

it("says so again when a half line took the first time along (HS3)", async () => {
  const error: MarlinEvent = { kind: "error", text: "checksum mismatch" };
  expect(await firstWords(true, [error])).toEqual([HEATERS_OFF, "next", HEATERS_OFF, "next"]);
});

it("lets any other printer finish its greeting, then switches its heaters off (HS1, HS2)", async () => {
  expect(await firstWords(false, [{ kind: "start" }, undefined])).toEqual([
    "next",
    "next",
    "\nM104 S0\n",
    "next",
  ]);
});
