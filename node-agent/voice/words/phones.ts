// How a name sounds: from the IPA that espeak-ng gives to the phones of CMU's dictionary, so that a
// printer called Voron can be understood though no dictionary has it.

/** Longest first; what is not here (stress, length, ties) makes no phone. */
const PHONES: readonly (readonly [ipa: string, phone: string])[] = [
  ["tʃ", "CH"],
  ["dʒ", "JH"],
  ["aɪ", "AY"],
  ["aʊ", "AW"],
  ["eɪ", "EY"],
  ["ɔɪ", "OY"],
  ["oʊ", "OW"],
  ["əʊ", "OW"],
  ["ɑː", "AA"],
  ["ɔː", "AO"],
  ["iː", "IY"],
  ["uː", "UW"],
  ["ɜː", "ER"],
  ["æ", "AE"],
  ["ɑ", "AA"],
  ["ɒ", "AA"],
  ["ɔ", "AO"],
  ["ʌ", "AH"],
  ["ə", "AH"],
  ["ɐ", "AH"],
  ["ɚ", "ER"],
  ["ɝ", "ER"],
  ["ɛ", "EH"],
  ["e", "EH"],
  ["ɪ", "IH"],
  ["i", "IY"],
  ["ᵻ", "IH"],
  ["o", "OW"],
  ["ʊ", "UH"],
  ["u", "UW"],
  ["a", "AA"],
  ["ð", "DH"],
  ["θ", "TH"],
  ["ʃ", "SH"],
  ["ʒ", "ZH"],
  ["ŋ", "NG"],
  ["ɹ", "R"],
  ["r", "R"],
  ["ɾ", "T"],
  ["ʔ", "T"],
  ["j", "Y"],
  ["ɡ", "G"],
  ["g", "G"],
  ["x", "K"],
  ["b", "B"],
  ["d", "D"],
  ["f", "F"],
  ["h", "HH"],
  ["k", "K"],
  ["l", "L"],
  ["m", "M"],
  ["n", "N"],
  ["p", "P"],
  ["s", "S"],
  ["t", "T"],
  ["v", "V"],
  ["w", "W"],
  ["z", "Z"],
];

/** The 39 phones of the dictionary. */
export const ALL_PHONES: readonly string[] = [...new Set(PHONES.map(([, phone]) => phone))];

/** Empty where nothing of it is a sound. */
export function phonesOf(ipa: string): readonly string[] {
  const phones: string[] = [];
  const text = ipa.normalize("NFC").replaceAll(/[\u0361ˈˌ]/gu, "");
  for (let at = 0; at < text.length;) {
    const found = PHONES.find(([symbol]) => text.startsWith(symbol, at));
    if (found !== undefined) phones.push(found[1]);
    at += found?.[0].length ?? 1;
  }
  return phones;
}
