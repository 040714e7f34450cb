// Server-sent events as text arrives, by the rules of the HTML standard (section 9.2.6).
//
//   P1. How the text is cut into chunks never changes what comes out.
//   P2. A message is given out at its blank line; one that was cut off is never given out.

export interface SseMessage {
  /** `message` when the stream names none. */
  readonly type: string;
  /** The last id seen so far, also when this message carried none; undefined before the first. */
  readonly id: string | undefined;
  readonly data: string;
}

export interface SseParser {
  /** Takes the next piece of text and gives the messages that it completed, in order. */
  push(text: string): readonly SseMessage[];
  /** The last id seen, also on messages without data. */
  lastId(): string | undefined;
}

/** A parser for one connection. Text is UTF-8 already decoded; a leading BOM is the decoder's. */
export function sseParser(firstId?: string): SseParser {
  let rest = "";
  let type = "";
  let lines: string[] = [];
  let id = firstId;

  const take = (line: string): SseMessage | undefined => {
    if (line === "") {
      const message = { type: type === "" ? "message" : type, id, data: lines.join("\n") };
      const isEmpty = lines.length === 0;
      type = "";
      lines = [];
      return isEmpty ? undefined : message;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") lines.push(value);
    else if (field === "event") type = value;
    else if (field === "id" && !value.includes("\0")) id = value;
    return undefined;
  };

  return {
    push(text) {
      rest += text;
      const messages: SseMessage[] = [];
      // A trailing CR waits for the next chunk: it may be the first half of CRLF (P1).
      for (let end = lineEnd(rest); end !== undefined; end = lineEnd(rest)) {
        const message = take(rest.slice(0, end.at));
        rest = rest.slice(end.next);
        if (message !== undefined) messages.push(message);
      }
      return messages;
    },
    lastId: () => id,
  };
}

function lineEnd(text: string): { readonly at: number; readonly next: number } | undefined {
  const at = text.search(/[\r\n]/);
  if (at === -1) return undefined;
  if (text[at] === "\n") return { at, next: at + 1 };
  if (at + 1 === text.length) return undefined;
  return { at, next: text[at + 1] === "\n" ? at + 2 : at + 1 };
}
