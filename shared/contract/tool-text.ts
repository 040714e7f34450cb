// How calls of tools stand in the text of an answer, whoever wrote it:
//
//   words of the model, perhaps none <tool_call>{"name": "...", "arguments": {...}}</tool_call> ...
//
// One form for local models (many are trained on it), for other providers, for the log and for every
// door: text streams through the house as it is, and the door that knows the client cuts it up. Pure.
//
// TT1. Pieces may be cut anywhere: the parts told are the same for every way of cutting the text.
// TT2. Only text of an answer is read so, and only if its request offered tools.

export const CALL_OPEN = "<tool_call>";
export const CALL_CLOSE = "</tool_call>";
export const RESULT_OPEN = "<tool_response>";
export const RESULT_CLOSE = "</tool_response>";

/** `index` counts the calls of one answer from 0. */
export type ToolTextPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "call"; readonly index: number; readonly name: string }
  | { readonly kind: "arguments"; readonly index: number; readonly text: string };

/** `argumentsJson`: an object. */
export const writeCall = (name: string, argumentsJson: string): string =>
  `${CALL_OPEN}\n{"name": ${JSON.stringify(name)}, "arguments": ${argumentsJson}}\n${CALL_CLOSE}`;

const HEAD = /^\s*\{\s*"name"\s*:\s*"([^"\\]{1,200})"\s*,\s*"arguments"\s*:\s*(?=\S)/;

export interface ToolTextReader {
  feed(text: string): readonly ToolTextPart[];
  /** What was held back; an unfinished opening is text after all. */
  end(): readonly ToolTextPart[];
}

type Place =
  | { readonly kind: "words" }
  /** Behind CALL_OPEN, before its arguments. */
  | { readonly kind: "head" }
  | {
      readonly kind: "arguments";
      depth: number;
      isString: boolean;
      isEscaped: boolean;
    }
  /** Behind the arguments, before CALL_CLOSE. */
  | { readonly kind: "tail" };

export function makeToolTextReader(): ToolTextReader {
  let place: Place = { kind: "words" };
  let held = "";
  let calls = 0;
  let parts: ToolTextPart[] = [];

  function feed(text: string): readonly ToolTextPart[] {
    held += text;
    parts = [];
    while (step()) {
      // each step takes something from `held` or changes the place
    }
    return parts;
  }

  /** False when more text is needed. */
  function step(): boolean {
    switch (place.kind) {
      case "words":
        return words();
      case "head":
        return head();
      case "arguments":
        return argumentsOf(place);
      case "tail":
        return tail();
    }
  }

  function words(): boolean {
    const at = held.indexOf(CALL_OPEN);
    if (at >= 0) {
      say(held.slice(0, at));
      held = held.slice(at + CALL_OPEN.length);
      place = { kind: "head" };
      return true;
    }
    const keep = overlap(held, CALL_OPEN);
    say(held.slice(0, held.length - keep));
    held = held.slice(held.length - keep);
    return false;
  }

  /** White space between calls and behind them is no word of the answer. */
  function say(text: string): void {
    const said = calls > 0 && text.trim() === "" ? "" : text;
    if (said !== "") parts.push({ kind: "text", text: said });
  }

  function head(): boolean {
    const match = HEAD.exec(held);
    if (match === null) return false;
    parts.push({ kind: "call", index: calls, name: match[1] ?? "" });
    held = held.slice(match[0].length);
    place = { kind: "arguments", depth: 0, isString: false, isEscaped: false };
    return true;
  }

  function argumentsOf(at: Extract<Place, { kind: "arguments" }>): boolean {
    let length = 0;
    let isWhole = false;
    for (const char of held) {
      length += char.length;
      if (at.isEscaped) at.isEscaped = false;
      else if (at.isString) {
        if (char === "\\") at.isEscaped = true;
        else if (char === '"') at.isString = false;
      } else if (char === '"') at.isString = true;
      else if (char === "{" || char === "[") at.depth += 1;
      else if (char === "}" || char === "]") at.depth -= 1;
      if (at.depth === 0 && !at.isString) {
        isWhole = true;
        break;
      }
    }
    const text = held.slice(0, length);
    if (text !== "") parts.push({ kind: "arguments", index: calls, text });
    held = held.slice(length);
    if (!isWhole) return false;
    calls += 1;
    place = { kind: "tail" };
    return true;
  }

  function tail(): boolean {
    const at = held.indexOf(CALL_CLOSE);
    if (at < 0) return false;
    held = held.slice(at + CALL_CLOSE.length);
    place = { kind: "words" };
    return true;
  }

  function end(): readonly ToolTextPart[] {
    parts = [];
    if (place.kind === "words") say(held);
    if (place.kind === "head") say(CALL_OPEN + held);
    held = "";
    return parts;
  }

  return { feed, end };
}

/** How many characters at the end of `text` may be the beginning of `mark`. */
function overlap(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length -= 1) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}

export interface ReadCall {
  readonly name: string;
  /** JSON text as it was written; of a cut off answer, its beginning. */
  readonly arguments: string;
}

/** A whole answer: its words, and its calls in order. */
export function readToolText(text: string): {
  readonly text: string;
  readonly calls: readonly ReadCall[];
} {
  const reader = makeToolTextReader();
  const parts = [...reader.feed(text), ...reader.end()];
  let words = "";
  const calls: { name: string; arguments: string }[] = [];
  for (const part of parts) {
    if (part.kind === "text") words += part.text;
    else if (part.kind === "call") calls.push({ name: part.name, arguments: "" });
    else {
      const call = calls[part.index];
      if (call !== undefined) call.arguments += part.text;
    }
  }
  return { text: words, calls };
}
