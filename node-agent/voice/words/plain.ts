// What was heard, in one form: small letters, single spaces, no punctuation. Everything that compares
// spoken words compares these.

/** "Do NOT confirm!" is "do not confirm"; "don't" is "do not". */
export function plainWords(heard: string): string {
  return heard
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/[’`´]/gu, "'")
    .replaceAll(/\bcan't\b/gu, "can not")
    .replaceAll(/\bwon't\b/gu, "will not")
    .replaceAll(/n't\b/gu, " not")
    .replaceAll(/\bdont\b/gu, "do not")
    .replaceAll(/[^\p{L}\p{N}' ]+/gu, " ")
    .replaceAll(/\s+/gu, " ")
    .trim();
}
