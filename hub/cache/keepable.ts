// Which questions and answers may ever be given again.
//
// KP1. Never: what set something in motion or waits for a word, what was cut off or failed, what depends on
//      how things are just now, what is personal or secret.
// KP2. A question that leans on what was said before is only ever the same in the same conversation: it is
//      not compared by likeness.

import { isPersonal } from "./personal.ts";

/** Words by which a question is about this moment, or about what the house does. */
const LIVE =
  /\b(?:now|today|tonight|tomorrow|yesterday|currently|current|latest|newest|recent(?:ly)?|at the moment|this (?:morning|evening|week|month|year)|so far|still|yet|just|status|state of|progress|remaining|left|queue|running|online|offline|busy|idle|free|available|weather|time is it|date|news|how many (?:jobs|prints|people|printers|nodes)|who is (?:logged|printing|using))\b|\bis (?:the|my|it) .*(?:on|off|open|closed|hot|cold|done|finished|ready|printing)\b/i;

const LEANING =
  /\b(?:it|its|this|that|these|those|he|she|they|them|him|her|there|above|below|previous|earlier|again|same|other one|former|latter|as (?:i|you) said)\b|^(?:and|but|or|so|then|why|why not|how so|what else|go on|continue|more|yes|no|ok)\b.{0,14}$/i;

export interface AnswerFacts {
  readonly question: string;
  readonly answer: string;
  readonly hasEffects: boolean;
  readonly tier: string;
  /** Names of people of the registry. */
  readonly people: Iterable<string>;
}

/** KP1. Why it is not kept; undefined if it may be. */
export function whyNotKept(facts: AnswerFacts): string | undefined {
  const { question, answer, hasEffects, tier } = facts;
  if (hasEffects) return "it set something in motion";
  if (tier === "rule") return "rules are asked anew";
  if (answer.trim() === "") return "it is empty";
  if (LIVE.test(question)) return "it is about this moment";
  const people = [...facts.people];
  if (isPersonal(question, people) || isPersonal(answer, people)) return "it is personal";
  return undefined;
}

/** KP2. Why it is not compared by likeness; undefined if it may be. `hasHistory`: others came before. */
export function whyNotAlike(question: string, hasHistory: boolean): string | undefined {
  if (hasHistory && LEANING.test(question.trim())) return "it leans on what was said before";
  if (LIVE.test(question)) return "it is about this moment";
  return question.trim() === "" ? "it is empty" : undefined;
}
