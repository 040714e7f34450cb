import fc from "fast-check";
import { expect, it } from "vitest";
import { goOnCommand, type HostPrompt, promptAfter, promptText } from "./host-prompt.ts";

const after = (...actions: readonly string[]): HostPrompt | undefined =>
  actions.reduce<HostPrompt | undefined>(promptAfter, undefined);

it("reads a question with its buttons, and answers the one that goes on", () => {
  const prompt = after(
    "prompt_begin Paused",
    "prompt_button PurgeMore",
    "prompt_button Continue",
    "prompt_show",
  );
  expect(prompt && promptText(prompt)).toBe("Paused (PurgeMore / Continue)");
  expect(goOnCommand(prompt)).toBe("M876 S1");
  expect(promptAfter(prompt, "prompt_end")).toBeUndefined();
});

it("answers a question without buttons, or none, as the knob does (HP2)", () => {
  expect(goOnCommand(after("prompt_begin Load filament", "prompt_show"))).toBe("M108");
  expect(goOnCommand(undefined)).toBe("M108");
  expect(after("notification hello")).toBeUndefined();
});

it("stays small and never throws, whatever is said (HP1)", () => {
  const word = fc.constantFrom("prompt_begin ", "prompt_button ", "prompt_show", "prompt_end", "");
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.string({ maxLength: 500 }))), (lines) => {
      const prompt = after(...lines.map((parts) => parts.join("")));
      expect(promptText(prompt ?? { text: "", buttons: [], isShown: false }).length).toBeLessThan(
        2_000,
      );
      expect(goOnCommand(prompt)).toMatch(/^M108$|^M876 S[0-7]$/);
    }),
  );
});
