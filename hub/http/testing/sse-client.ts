// Reads an event stream in tests: events as they come, and the comments too.

import { eventually } from "./rig.ts";

export interface SseMessage {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
}

export interface SseClient extends AsyncDisposable {
  readonly response: Response;
  /** Everything so far; messages without data (ids, retry) are left out. */
  readonly messages: SseMessage[];
  /** Everything so far, as text. */
  readonly text: () => string;
  readonly isEnded: () => boolean;
  /** The messages once there are `count` of them. */
  take(count: number): Promise<readonly SseMessage[]>;
}

/** Opens a stream against a real server. */
export async function openSse(url: string, init: RequestInit = {}): Promise<SseClient> {
  const controller = new AbortController();
  const response = await fetch(url, { ...init, signal: controller.signal });
  const messages: SseMessage[] = [];
  let text = "";
  let isEnded = false;

  async function read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const chunk of response.body ?? []) {
        const piece = decoder.decode(chunk, { stream: true });
        text += piece;
        const blocks = (rest + piece).split("\n\n");
        rest = blocks.pop() ?? "";
        messages.push(...blocks.map(parse).filter(({ data }) => data !== undefined));
      }
    } catch {
      // left by us
    }
    isEnded = true;
  }
  const reading = read();

  return {
    response,
    messages,
    text: () => text,
    isEnded: () => isEnded,
    async take(count) {
      await eventually(() => messages.length >= count || isEnded);
      return messages;
    },
    async [Symbol.asyncDispose]() {
      controller.abort();
      await reading;
    },
  };
}

function parse(block: string): SseMessage {
  const message: Record<string, string> = {};
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) message[name] = value;
  }
  return message;
}
