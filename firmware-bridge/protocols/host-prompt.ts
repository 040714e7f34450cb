// What Marlin asks a person through its host: `//action:prompt_begin`, buttons, `prompt_show`, and the
// answer, M876. Pure.
//
// HP1. At most BUTTONS_MAX buttons and TEXT_MAX characters of each are kept; the rest is dropped.
// HP2. A question without buttons is answered by M108, as a press of the printer's own knob is.

export interface HostPrompt {
  readonly text: string;
  readonly buttons: readonly string[];
  readonly isShown: boolean;
}

const BUTTONS_MAX = 8;
const TEXT_MAX = 200;

/** The question after one `//action:` line; undefined when there is none (any more). */
export function promptAfter(
  prompt: HostPrompt | undefined,
  action: string,
): HostPrompt | undefined {
  const [, name = "", text = ""] = /^(\S+)\s*(.*)$/.exec(action) ?? [];
  const kept = text.slice(0, TEXT_MAX); // HP1
  switch (name) {
    case "prompt_begin":
      return { text: kept, buttons: [], isShown: false };
    case "prompt_button":
    case "prompt_choice":
      if (prompt === undefined || prompt.buttons.length >= BUTTONS_MAX) return prompt;
      return { ...prompt, buttons: [...prompt.buttons, kept] };
    case "prompt_show":
      return prompt === undefined ? undefined : { ...prompt, isShown: true };
    case "prompt_end":
      return undefined;
    default:
      return prompt;
  }
}

/** As one line for people. */
export const promptText = ({ text, buttons }: HostPrompt): string =>
  buttons.length === 0 ? text : `${text} (${buttons.join(" / ")})`;

/** What makes the printer go on: its button for that, or else the last one; HP2 where it has none. */
export function goOnCommand(prompt: HostPrompt | undefined): string {
  if (prompt === undefined || !prompt.isShown || prompt.buttons.length === 0) return "M108";
  const named = prompt.buttons.findIndex((button) => /continue|resume|ok|yes|done/i.test(button));
  return `M876 S${named === -1 ? prompt.buttons.length - 1 : named}`;
}
