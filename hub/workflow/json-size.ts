// About how long a value's JSON is, without writing it: a look at its parts costs a tenth of that.

const NUMBER = 24; // the longest that JSON writes
const ESCAPED = 6; // of one character: "\u0000"

/** Characters of its JSON at least for texts without escapes, and little more for anything else. */
export const roughChars = (value: unknown): number => charsOf(value, 1);

/** No fewer than its JSON has. */
export const charsAtMost = (value: unknown): number => charsOf(value, ESCAPED);

function charsOf(value: unknown, perChar: number): number {
  if (typeof value === "string") return 2 + perChar * value.length;
  if (typeof value !== "object" || value === null) return NUMBER;
  let chars = 2;
  if (Array.isArray(value)) for (const each of value) chars += 1 + charsOf(each, perChar);
  else {
    const members = value as Readonly<Record<string, unknown>>;
    for (const key in members) {
      if (Object.hasOwn(members, key))
        chars += 4 + perChar * key.length + charsOf(members[key], perChar);
    }
  }
  return chars;
}
