// JSON pointers (RFC 6901): where in a document. Pure text; nothing is looked up here.

/** Unescaped tokens, none for the whole document; undefined if the text is not a pointer. */
export function parsePointer(text: string): readonly string[] | undefined {
  if (text === "") return [];
  if (!text.startsWith("/") || /~(?![01])/.test(text)) return undefined;
  const tokens = text.slice(1).split("/");
  return text.includes("~") ? tokens.map(unescape) : tokens;
}

// "~1" first, or "~01" would become "/" (RFC 6901, section 4).
const unescape = (token: string): string => token.replaceAll("~1", "/").replaceAll("~0", "~");
const escape = (token: string): string => token.replaceAll("~", "~0").replaceAll("/", "~1");

export const formatPointer = (tokens: readonly string[]): string =>
  tokens.map((token) => `/${escape(token)}`).join("");

/** `at` is `inside`, or within it. */
export const isWithin = (at: readonly string[], inside: readonly string[]): boolean =>
  at.length >= inside.length && inside.every((token, place) => at[place] === token);

/** The place in an array, from 0; undefined for anything but digits without leading zeros. */
export const indexOf = (token: string): number | undefined =>
  /^(0|[1-9]\d*)$/.test(token) ? Number(token) : undefined;
