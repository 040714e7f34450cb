// The client of the HTTP measurements: node:http with kept connections, so that what is timed is the
// hub and not the client. fetch costs a client about 0.3 ms more a request.

import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { performance } from "node:perf_hooks";

export interface TimedReply<T> {
  readonly body: T;
  readonly tookMs: number;
}

export interface Streamed {
  readonly firstTextMs: number;
  readonly tookMs: number;
  readonly completionTokens: number;
  readonly finishReason: string;
}

/** An answer of POST /api/chat, with what the model's process says of its own time. */
export interface Chatted {
  readonly firstTextMs: number;
  readonly tookMs: number;
  readonly modelFirstMs: number;
  readonly modelMs: number;
  readonly promptTokens: number;
}

export interface HttpClient extends Disposable {
  /** Throws unless the status is 200. A body makes it a POST. */
  json<T>(path: string, body?: unknown): Promise<TimedReply<T>>;
  /** GET of a page that is not JSON. */
  text(path: string): Promise<string>;
  /** POST /v1/chat/completions, streamed to its end. */
  completion(body: Readonly<Record<string, unknown>>): Promise<Streamed>;
  /** POST /api/chat, as Ollama's clients do. */
  chat(body: Readonly<Record<string, unknown>>): Promise<Chatted>;
  /** The same, but the connection is cut at the first text; resolves with when that was. */
  abandon(body: Readonly<Record<string, unknown>>): Promise<{ readonly abandonedAtMs: number }>;
  /** GET of an event stream, until it is cut; `onText` gets each piece as it comes. */
  watch(path: string, onText: (text: string) => void): Promise<Disposable>;
}

export function makeHttpClient(url: string, token: string, connections: number): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const watching = new Agent();

  function send(path: string, body: unknown, through: Agent): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent: ClientRequest = request(
        `${url}${path}`,
        {
          agent: through,
          method: text === undefined ? "GET" : "POST",
          headers: {
            authorization: `Bearer ${token}`,
            ...(text === undefined
              ? {}
              : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
          },
        },
        resolve,
      );
      sent.once("error", reject);
      sent.end(text);
    });
  }

  async function json<T>(path: string, body?: unknown): Promise<TimedReply<T>> {
    const fromMs = performance.now();
    const reply = await send(path, body, agent);
    const text = await textOf(reply);
    const tookMs = performance.now() - fromMs;
    if (reply.statusCode !== 200) throw new Error(`${path}: ${reply.statusCode} ${text}`);
    return { body: JSON.parse(text) as T, tookMs };
  }

  const text = async (path: string): Promise<string> => textOf(await send(path, undefined, agent));

  async function completion(body: Readonly<Record<string, unknown>>): Promise<Streamed> {
    const fromMs = performance.now();
    const reply = await send("/v1/chat/completions", streamedBody(body), agent);
    let firstTextMs = Number.NaN;
    const text = await textOf(reply, (piece) => {
      if (Number.isNaN(firstTextMs) && hasText(piece)) firstTextMs = performance.now() - fromMs;
    });
    const tookMs = performance.now() - fromMs;
    const completionTokens = Number(/"completion_tokens":(\d+)/.exec(text)?.[1]);
    const finishReason = /"finish_reason":"(\w+)"/.exec(text)?.[1];
    if (finishReason === undefined) throw new Error(`the stream did not finish: ${text}`);
    return { firstTextMs, tookMs, completionTokens, finishReason };
  }

  async function chat(body: Readonly<Record<string, unknown>>): Promise<Chatted> {
    const fromMs = performance.now();
    const reply = await send("/api/chat", body, agent);
    let firstTextMs = Number.NaN;
    const text = await textOf(reply, (piece) => {
      if (Number.isNaN(firstTextMs) && hasText(piece)) firstTextMs = performance.now() - fromMs;
    });
    const tookMs = performance.now() - fromMs;
    if (reply.statusCode !== 200) throw new Error(`/api/chat: ${reply.statusCode} ${text}`);
    const last = JSON.parse(text.trim().split("\n").at(-1) ?? "") as Record<string, number>;
    const ms = (field: string): number => (last[field] ?? Number.NaN) / 1e6;
    const modelFirstMs = ms("prompt_eval_duration");
    return {
      firstTextMs,
      tookMs,
      modelFirstMs,
      modelMs: modelFirstMs + ms("eval_duration"),
      promptTokens: last["prompt_eval_count"] ?? Number.NaN,
    };
  }

  async function abandon(
    body: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly abandonedAtMs: number }> {
    const reply = await send("/v1/chat/completions", streamedBody(body), watching);
    reply.setEncoding("utf8");
    for await (const piece of reply) {
      if (hasText(String(piece))) break; // leaving the loop destroys the connection
    }
    return { abandonedAtMs: performance.now() };
  }

  async function watch(path: string, onText: (text: string) => void): Promise<Disposable> {
    const reply = await send(path, undefined, watching);
    if (reply.statusCode !== 200) throw new Error(`${path}: ${reply.statusCode}`);
    reply.setEncoding("utf8");
    reply.on("data", onText);
    reply.on("error", () => {}); // cut by us
    return { [Symbol.dispose]: () => void reply.destroy() };
  }

  function dispose(): void {
    agent.destroy();
    watching.destroy();
  }
  return { json, text, completion, chat, abandon, watch, [Symbol.dispose]: dispose };
}

const streamedBody = (body: Readonly<Record<string, unknown>>): unknown => ({
  ...body,
  stream: true,
  stream_options: { include_usage: true },
});

/** The head of the stream has an empty text; only a piece with letters in it is a token. */
const hasText = (piece: string): boolean => /"content":"[^"]/.test(piece);

async function textOf(
  reply: IncomingMessage,
  onPiece: (piece: string) => void = () => {},
): Promise<string> {
  reply.setEncoding("utf8");
  let text = "";
  for await (const piece of reply) {
    text += String(piece);
    onPiece(String(piece));
  }
  return text;
}
