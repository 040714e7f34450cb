// MCP between standard input and output and the hub's /mcp: lines of JSON on this side, Streamable HTTP on
// that one. It knows nothing of tools: it carries messages, and begins the session anew when the hub was
// restarted meanwhile.
//
// MX1. One line of input is one request to the hub; what comes back goes out as it comes, one line each.
// MX2. A message that the hub could not be given is answered with an error, so that no client waits for ever.
// MX3. The end of input ends the session at the hub.

import { LIMIT } from "../base/policy.ts";
import type { Clock } from "../flow/clock.ts";

interface Message {
  readonly id?: string | number;
  readonly method?: string;
}

const AGAIN_MS = 1_000;

export interface McpProxyParts {
  readonly baseUrl: string;
  readonly token: string | undefined;
  readonly input: AsyncIterable<Uint8Array | string>;
  /** One line of the protocol. */
  readonly write: (line: string) => void;
  /** What a person may want to know. */
  readonly warn: (line: string) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Until the end of input. */
export async function proxyMcp(parts: McpProxyParts): Promise<void> {
  const { baseUrl, token, clock, write, warn } = parts;
  const url = `${baseUrl.replace(/\/$/, "")}/mcp`;
  const ended = new AbortController();
  const signal = AbortSignal.any([parts.signal, ended.signal]);
  const say = (message: unknown): void => write(JSON.stringify(message));
  let session: string | undefined;
  let greeting: string | undefined;
  let listening: Promise<void> | undefined;

  const headersOf = (more: Readonly<Record<string, string>>): Record<string, string> => ({
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(session === undefined ? {} : { "mcp-session-id": session }),
    ...more,
  });

  const post = (body: string): Promise<Response> =>
    fetch(url, {
      method: "POST",
      body,
      headers: headersOf({
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      }),
      signal,
    });

  /** The hub forgot the session: the client's own greeting begins another, and the client hears nothing of it. */
  async function greetAgain(): Promise<void> {
    if (greeting === undefined) return;
    session = undefined;
    const response = await post(greeting);
    await response.text();
    session = response.headers.get("mcp-session-id") ?? undefined;
    await post(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
    listening = undefined;
  }

  async function carry(line: string): Promise<void> {
    const message = readMessage(line);
    if (message === undefined) {
      say({ jsonrpc: "2.0", id: null, error: { code: -32_700, message: "Not a JSON object" } });
      return;
    }
    if (message.method === "initialize") greeting = line;
    try {
      let response = await post(line);
      if (response.status === 404 && message.method !== "initialize") {
        await greetAgain();
        response = await post(line);
      }
      session ??= response.headers.get("mcp-session-id") ?? undefined;
      await give(response, message);
      if (session !== undefined && message.method !== "initialize") listening ??= listen();
    } catch (error) {
      if (signal.aborted) return;
      fail(message, `The hub was not reached: ${error instanceof Error ? error.message : "?"}`);
    }
  }

  async function give(response: Response, message: Message): Promise<void> {
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("text/event-stream")) return pass(response);
    const text = await response.text();
    if (text === "" || response.status === 202) return;
    const reply = readMessage(text);
    if (response.ok || (reply !== undefined && "jsonrpc" in reply)) say(JSON.parse(text));
    else fail(message, `The hub answered ${response.status}`);
  }

  async function pass(response: Response): Promise<void> {
    for await (const text of eventsOf(response)) write(text);
  }

  const fail = ({ id }: Message, text: string): void => {
    if (id === undefined) warn(text);
    else say({ jsonrpc: "2.0", id, error: { code: -32_000, message: text } }); // MX2
  };

  /** What the hub says by itself: changes of lists, of resources, questions to the person. */
  async function listen(): Promise<void> {
    while (!signal.aborted) {
      const response = await fetch(url, {
        headers: headersOf({ accept: "text/event-stream" }),
        signal,
      }).catch(() => undefined);
      if (response?.status === 404) return; // the next message begins another session
      if (response?.ok === true) await pass(response).catch(() => undefined); // it broke off: again
      await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
    }
  }

  const carrying = new Set<Promise<void>>();
  for await (const line of linesOf(parts.input)) {
    const one = carry(line).finally(() => carrying.delete(one));
    carrying.add(one);
    // The session must be there before anything else is said in it.
    if (session === undefined) await one;
  }
  await Promise.all(carrying);
  if (session !== undefined)
    await fetch(url, { method: "DELETE", headers: headersOf({}) }).catch(() => undefined); // MX3
  ended.abort();
}

function readMessage(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Lines of at most LIMIT.bodyBytes; a longer one is passed over. */
async function* linesOf(input: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of input) {
    rest += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LIMIT.bodyBytes.max) rest = "";
    for (const line of lines) if (line.trim() !== "") yield line.trim();
  }
  if (rest.trim() !== "") yield rest.trim();
}

/** The data of each event of a stream, as one line. */
async function* eventsOf(response: Response): AsyncGenerator<string> {
  if (response.body === null) return;
  let rest = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body) {
    rest += decoder.decode(piece, { stream: true });
    const events = rest.split(/\r?\n\r?\n/);
    rest = events.pop() ?? "";
    for (const event of events) {
      const data = event
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trim())
        .join("");
      if (data !== "") yield data;
    }
  }
}
