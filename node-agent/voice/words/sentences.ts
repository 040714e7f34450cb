// Cuts an answer that comes in pieces into sentences, so that the first is heard while the last is
// still being written.
//
// SE1. Nothing is lost or added but space: the sentences together are the text.
// SE2. No sentence is longer than `longest`: where a model never ends one, a space does, or the bound.

const LONGEST = 240;
// After these a dot ends no sentence.
const SHORT_FORM =
  /(?:^|[\s(])(?:e\.g|i\.e|etc|approx|vs|nr|no|dr|mr|mrs|ms|st|fig|max|min|temp)$/iu;

export interface SentenceSplitter {
  push(text: string): readonly string[];
  end(): readonly string[];
}

export function makeSentenceSplitter(longest = LONGEST): SentenceSplitter {
  let rest = "";
  function cut(isEnd: boolean): string[] {
    const sentences: string[] = [];
    for (;;) {
      const at = endOf(rest, longest, isEnd);
      if (at === undefined) break;
      const sentence = rest.slice(0, at).trim();
      rest = rest.slice(at);
      if (sentence !== "") sentences.push(sentence);
    }
    return sentences;
  }
  return {
    push(text) {
      rest += text;
      return cut(false);
    },
    end() {
      const sentences = cut(true);
      const last = rest.trim();
      rest = "";
      return last === "" ? sentences : [...sentences, last];
    },
  };
}

/** Where the first sentence ends; undefined: not yet. */
function endOf(text: string, longest: number, isEnd: boolean): number | undefined {
  for (const match of text.matchAll(/[.!?…]+["')\]]*(?=\s|$)|\n+/gu)) {
    const end = match.index + match[0].length;
    if (end > longest) break;
    // A dot at the end of what is there may be the dot of 0.2: wait for what follows.
    if (end === text.length && !isEnd && !match[0].startsWith("\n")) break;
    if (match[0] === "." && isShortForm(text.slice(0, match.index))) continue;
    return end;
  }
  if (text.length <= longest) return undefined;
  const space = text.lastIndexOf(" ", longest); // SE2
  return space <= 0 ? longest : space + 1;
}

const isShortForm = (before: string): boolean =>
  SHORT_FORM.test(before) || /(?:^|\s)\d{1,2}$/u.test(before.split("\n").at(-1)?.trim() ?? "");
