// Server-sent events, from bytes to events, as the HTML standard says (section 9.2.6).
//
// SSE1. Any split of the same bytes gives the same events.
// SSE2. An event that is not closed by an empty line is never given out.
// SSE3. What is held between pushes is bounded: more than `LIMIT.frameBytes` is bad_frame.

import { GantryError } from "../base/errors.ts";
import { LIMIT } from "../base/policy.ts";

export interface SseEvent {
  /** `message` when the sender named none. */
  readonly type: string;
  readonly data: string;
  /** Its own id, if it has one. */
  readonly id: string | undefined;
}

export interface SseParser {
  /** The events that these bytes complete, in order. Throws bad_frame (SSE3). */
  push(bytes: Uint8Array): SseEvent[];
  /** The last id that was named, also by a block without data: where a resume begins. */
  readonly lastId: string | undefined;
}

export function makeSseParser(): SseParser {
  const decoder = new TextDecoder("utf-8"); // drops a byte order mark, keeps split characters
  let rest = "";
  let skipsLineFeed = false;
  let type = "";
  let data: string[] = [];
  let dataChars = 0;
  let id: string | undefined;
  let lastId: string | undefined;

  function takeField(line: string): void {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") type = value;
    if (name === "id" && !value.includes("\0")) id = value;
    if (name !== "data") return;
    dataChars += value.length;
    if (dataChars > LIMIT.frameBytes.max) throw tooLong();
    data.push(value);
  }

  function closeEvent(): SseEvent | undefined {
    const event = { type: type || "message", data: data.join("\n"), id };
    const isEmpty = data.length === 0;
    lastId = id ?? lastId;
    type = "";
    data = [];
    dataChars = 0;
    id = undefined;
    return isEmpty ? undefined : event;
  }

  return {
    get lastId() {
      return lastId;
    },
    push(bytes) {
      const text = decoder.decode(bytes, { stream: true });
      if (text === "") return [];
      const fresh = skipsLineFeed && text.startsWith("\n") ? text.slice(1) : text;
      // A CR may be the first half of a CRLF whose LF is in the next push (SSE1).
      skipsLineFeed = text.endsWith("\r");
      const lines = (rest + fresh).split(/\r\n|\n|\r/);
      rest = lines.pop() ?? "";
      if (rest.length > LIMIT.frameBytes.max) throw tooLong();
      const events: SseEvent[] = [];
      for (const line of lines) {
        if (line === "") {
          const event = closeEvent();
          if (event !== undefined) events.push(event);
        } else if (!line.startsWith(":")) {
          takeField(line);
        }
      }
      return events;
    },
  };
}

const tooLong = (): GantryError =>
  new GantryError(
    "bad_frame",
    `The stream sent an event of over ${LIMIT.frameBytes.max} characters`,
  );
