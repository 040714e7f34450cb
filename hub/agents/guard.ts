// Does a text that a tool gave read like an order to the model? Whether it does is a hint and never the
// wall: what may be done is judged without it (policy.ts). It only makes the hub more careful: from then
// on each effect of the turn needs a person's word, and the person sees why.

const TEXT_MAX = 200_000;
const SHOWN_CHARS = 120;

const verb =
  "(?:print|start|run|confirm|approve|unlock|delete|cancel|resume|heat|disable|execute|send|call|reveal|open|stop asking)";

/** Over folded text. */
const PATTERNS: readonly RegExp[] = [
  /\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instruction|prompt|rule|polic|guard|previous|prior|above|earlier|safety|confirmation)/u,
  /\b(?:do not|don t|never|without|no need to|skip)\b.{0,30}\b(?:ask|confirm|confirmation|approval|permission|tell (?:the )?(?:user|person|operator))/u,
  /\byou are (?:now|no longer)\b/u,
  /\b(?:new|updated|real|actual|hidden|secret) (?:instruction|system prompt|task|goal|order|directive)/u,
  /(?:^|\s)(?:system|assistant|developer|user|tool)\s*:\s/u,
  /<\s*\|?\s*(?:im_start|im_end|system|assistant|tool_call|instructions?|important)/u,
  /\[\s*(?:inst|system|important|admin)\s*\]/u,
  /\b(?:ai|assistant|agent|model|gantry|llm)\b.{0,30}\b(?:must|should|please|now|has to|needs to|shall|will)\b/u,
  new RegExp(
    String.raw`\b(?:must|please|immediately|now|then|always|first|instead)\b.{0,20}\b${verb}\b`,
    "u",
  ),
  new RegExp(
    String.raw`\b(?:confirm|approve|unlock)\s+(?:print|run|it|this|that|the|all|every|now|door|job)\b`,
    "u",
  ),
  /\b(?:the )?(?:user|operator|owner|admin|person|maker) (?:has |have |already |is )+(?:approved|confirmed|agreed|allowed|authori[sz]ed|said yes)/u,
  /\b(?:call|use|invoke|run) the (?:tool|function|command)\b/u,
  /"(?:tool|function|name)"\s*:\s*"[a-z_. ]{3,}"\s*,\s*"(?:arguments|parameters|input)"/u,
  /\b(?:ignoriere|vergiss|missachte)\b.{0,40}\b(?:anweisung|regel|vorherig)/u,
  /\b(?:ignorez|ignora|oubliez|olvida)\b.{0,40}\b(?:instruc|consigne|regla|regle)/u,
];

const ZERO_WIDTH = /[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2064\uFEFF]/gu;
const LOOKALIKES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    а: "a",
    е: "e",
    о: "o",
    р: "p",
    с: "c",
    у: "y",
    х: "x",
    і: "i",
    ѕ: "s",
    ο: "o",
  }),
);

/** NFKC, lower case, no invisible characters, single spaces; `_` and `-` are spaces, as in file names. */
export function fold(text: string): string {
  return text
    .slice(0, TEXT_MAX)
    .normalize("NFKC")
    .replaceAll(ZERO_WIDTH, "")
    .toLowerCase()
    .replaceAll(/[аеорсухіѕο]/gu, (letter) => LOOKALIKES.get(letter) ?? letter)
    .replaceAll(/[_\-'’+]+/gu, " ")
    .replaceAll(/\\+[nrt]/gu, " ") // JSON within JSON
    .replaceAll(/\\+(?=")/gu, "")
    .replaceAll(/\s+/gu, " ");
}

/** The place that reads like an order; undefined: none was found. Linear but for short windows. */
export function suspicionOf(text: string): string | undefined {
  const folded = fold(text);
  for (const pattern of PATTERNS) {
    const found = pattern.exec(folded);
    if (found !== null) return found[0].trim().slice(0, SHOWN_CHARS);
  }
  return undefined;
}
