// The box in which a dangerous thing asks for its word. Pure.

import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import { type Look, paint } from "./look.ts";
import { clean, cleanLine, displayWidth, padEnd, wrap } from "./text.ts";

const WIDEST = 76;

/** What will happen, why it is dangerous, the phrase, how long there is. */
export function renderConfirmation(look: Look, view: ConfirmationView): string {
  return look.isRich ? boxed(look, view) : plain(view);
}

function linesOf(view: ConfirmationView): { readonly hazards: string[]; readonly how: string } {
  const hazards = view.hazards.map((hazard) => `! ${cleanLine(hazard)}`);
  const how =
    view.state === "pending"
      ? `Say or type the phrase within ${view.secondsLeft} s: ${cleanLine(view.phrase)}`
      : `It is ${view.state}`;
  return { hazards, how };
}

function plain(view: ConfirmationView): string {
  const { hazards, how } = linesOf(view);
  const title = `Needs a person's word (${view.hazardClass} hazard): ${cleanLine(view.summary)}`;
  const command = `gantry confirm ${view.id} ${cleanLine(view.phrase)}`;
  return [title, ...hazards.map((line) => `  ${line}`), `  ${how}`, `  ${command}`].join("\n");
}

function boxed(look: Look, view: ConfirmationView): string {
  const { hazards } = linesOf(view);
  const inner = Math.max(20, Math.min(look.columns, WIDEST) - 4);
  const colour = view.hazardClass === "high" ? "red" : "yellow";
  const edge = (text: string): string => paint(look, colour, text);
  const row = (text: string): string => `${edge("│")} ${padEnd(text, inner)} ${edge("│")}`;
  const rows = (text: string, how?: (line: string) => string): string[] =>
    wrap(text, inner).map((line) => row(how === undefined ? line : how(line)));
  const title = ` Needs your word · ${view.hazardClass} hazard `;
  const head = `╭─${title}${"─".repeat(Math.max(0, inner + 1 - displayWidth(title)))}╮`;
  const seconds = view.state === "pending" ? `${view.secondsLeft} s left` : view.state;
  return [
    edge(head),
    ...rows(clean(view.summary), (line) => paint(look, "bold", line)),
    ...hazards.flatMap((hazard) => rows(hazard, (line) => paint(look, colour, line))),
    row(""),
    ...rows(`Phrase: ${cleanLine(view.phrase)}`, (line) => paint(look, "bold", line)),
    ...rows(`${seconds} · ${view.id}`, (line) => paint(look, "dim", line)),
    edge(`╰${"─".repeat(inner + 2)}╯`),
  ].join("\n");
}
