// An answer as it can be said: no Markdown, no ids, units in words.
//
// SP1. What we say never has the words of a halt in it: our own loudspeaker must not stop the machines.

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/(\d)\s*°\s*C\b/gu, "$1 degrees"],
  [/(\d)\s*°/gu, "$1 degrees"],
  [/(\d)\s*mm\/s\b/gu, "$1 millimetres a second"],
  [/(\d)\s*mm\b/gu, "$1 millimetres"],
  [/(\d)\s*cm\b/gu, "$1 centimetres"],
  [/(\d)\s*kg\b/gu, "$1 kilograms"],
  [/(\d)\s*g\b/gu, "$1 grams"],
  [/(\d)\s*min\b/gu, "$1 minutes"],
  [/(\d)\s*h\b/gu, "$1 hours"],
  [/(\d)\s*s\b/gu, "$1 seconds"],
  [/(\d)\s*%/gu, "$1 percent"],
  [/(\d)\s*[x×]\s*(?=\d)/gu, "$1 by "],
];
const SPOKEN_MAX = 1_200;

export function speakable(markdown: string): string {
  let text = markdown
    .replaceAll(/```[\s\S]*?(?:```|$)/gu, " (code, see the console) ")
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/gu, "$1")
    .replaceAll(/https?:\/\/\S+/gu, "a link")
    .replaceAll(/\s*\(?\b[a-z]{2,4}_[0-9a-z]{20,}\b\)?/gu, "")
    .replaceAll(/^\s{0,3}(?:#{1,6}|>|[-*+]|\d+\.)\s+/gmu, "")
    .replaceAll(/[*_`~|#]+/gu, (marks) => (marks === "_" ? " " : ""));
  for (const [unit, words] of UNITS) text = text.replaceAll(unit, words);
  text = text
    .replaceAll(/\bemergency\s+stop\b/giu, "halt of all printers") // SP1
    .replaceAll(/\bstop\s+(?=everything\b|all\s+printers\b|now\b|the\s+printers?\b)/giu, "halt ")
    .replaceAll(/[ \t]+/gu, " ")
    .replaceAll(/\s*\n\s*/gu, "\n")
    .trim();
  if (text.length <= SPOKEN_MAX) return text;
  const cut = text.lastIndexOf(". ", SPOKEN_MAX);
  return `${text.slice(0, cut < 200 ? SPOKEN_MAX : cut + 1)} The rest is in the console.`;
}
