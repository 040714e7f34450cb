// When is what a person typed or said the phrase? Only when, after folding case and white space and
// dropping punctuation at both ends, it is the phrase and nothing else. A predecessor looked for the
// phrase inside the text and took "please do NOT confirm: proceed" for consent.

/** Unicode NFKC, lower case, single spaces, no punctuation at the ends. */
export function normalisePhrase(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/\s+/gu, " ")
    .replaceAll(/^[\s\p{P}]+|[\s\p{P}]+$/gu, "");
}

export const isPhrase = (said: string, phrase: string): boolean =>
  normalisePhrase(said) === normalisePhrase(phrase);
