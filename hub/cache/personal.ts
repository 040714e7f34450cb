// What is personal or secret in a text, by its form. Used to keep such texts out of what others may get.
// Rather too much than too little: an answer that is not kept is made anew.

const EMAIL = /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/u;
/** Of a country's own form: with a leading zero, or 3-3-4. */
const PHONE =
  /(?<![\w.-])(?:0[1-9]\d{1,3}[\s/-]\d{3,}(?:[\s-]\d{2,})*|\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4})(?![\w-])/;
const LONG_PHONE = /(?<!\w)(?:\+|00)\d(?:[\s/.()-]{0,2}\d){7,14}(?!\w)/;
const IBAN = /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b/;
const DIGITS = /(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)/g;
const SOCIAL = /\b\d{3}-\d{2}-\d{4}\b/;
const BORN = /\b(?:born (?:on|in)|date of birth|birthday|passport|social security|salary|diagnos\w+|pregnan\w+|medication|religion)\b/i; // prettier-ignore
const OWN =
  /\b(?:my|our) (?:\w+ )?(?:name|address|phone|number|email|wife|husband|partner|son|daughter|child|children|kids|mother|father|doctor|boss|bank|account|home|house|birthday|age|weight|height|health|password|pin)\b|\b(?:i am|i'm) called\b|\bcall me\b|\bi live (?:in|at)\b/i;
const STREET = /\b\d{1,5} (?:\p{Lu}\p{Ll}+ ){1,3}(?:street|st|road|rd|avenue|ave|lane|drive|square)\b|\b\p{Lu}\p{Ll}+(?:straße|strasse|gasse|weg|platz) \d+/iu; // prettier-ignore

const SECRET_WORD =
  /\b(?:password|passphrase|passwort|pin(?: code)?|secret|token|api[ _-]?key|private key|credit card|cvv|iban)\b/i;
const SECRET_FORM =
  /\b(?:gt_|gtj_|whsec_|sk-|ghp_|xox[a-z]-|AKIA|eyJ)[\w-]{10,}|-----BEGIN [A-Z ]+-----|\b(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])[A-Za-z0-9]{24,}\b/;

/** Passwords, tokens, card numbers: what must not even be remembered for its owner. */
export const hasSecret = (text: string): boolean =>
  SECRET_WORD.test(text) || SECRET_FORM.test(text) || hasCard(text) || hasIban(text);

/** What names or describes a person, and secrets. `people`: names of those who have a token. */
export function isPersonal(text: string, people: Iterable<string> = []): boolean {
  if (hasSecret(text)) return true;
  if ([EMAIL, PHONE, LONG_PHONE, SOCIAL, BORN, OWN, STREET].some((form) => form.test(text)))
    return true;
  const words = new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu));
  for (const name of people) {
    const parts = name.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
    if (parts.length > 0 && parts.every((part) => words.has(part))) return true;
  }
  return false;
}

const hasCard = (text: string): boolean =>
  [...text.matchAll(DIGITS)].some(([digits]) => isLuhn(digits.replaceAll(/\D/g, "")));

/** Mod 10 (ISO/IEC 7812-1, annex B). */
function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits.at(-1 - at));
    const doubled = at % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Mod 97 (ISO 13616). */
function hasIban(text: string): boolean {
  const found = IBAN.exec(text)?.[0].replaceAll(" ", "");
  if (found === undefined) return false;
  const moved = `${found.slice(4)}${found.slice(0, 4)}`;
  let rest = 0;
  for (const letter of moved) {
    const value = /\d/.test(letter) ? letter : String((letter.codePointAt(0) ?? 0) - 55);
    for (const digit of value) rest = (rest * 10 + Number(digit)) % 97;
  }
  return rest === 1;
}
