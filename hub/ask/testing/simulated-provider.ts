// Test equipment: a provider of models that is none. It speaks OpenAI's and Anthropic's streams on
// loopback, says in every answer that it is simulated, counts and charges what it does as a real one
// would, in books of its own, and fails as it is told.
//
// A token here is four characters or a part of them. What it was cut off in is charged as far as it got.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Trouble =
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string }
  /** Takes the request and says nothing. */
  | { readonly kind: "hang" }
  /** Ends the connection after so many pieces of text. */
  | { readonly kind: "cut"; readonly afterPieces: number }
  /** Events that are no JSON. */
  | { readonly kind: "garbage" };

export interface Charge {
  /** Of OpenAI's x-client-request-id. */
  readonly callId: string | undefined;
  readonly model: string;
  readonly promptTokens: number;
  completionTokens: number;
}

export interface SimulatedProvider {
  readonly port: number;
  /** Its own books. */
  readonly charges: readonly Charge[];
  /** Bodies as they came. */
  readonly bodies: string[];
  /** Of the next requests, in order; then it works. */
  readonly troubles: Trouble[];
  /** The keys that it takes. */
  keys: ReadonlySet<string>;
  /** What it answers with, from the last message. */
  answer: (prompt: string) => string;
  /** Called with each request, before it is answered. */
  onRequest: (() => void) | undefined;
  close(): Promise<void>;
}

const PIECE_CHARS = 4;
const tokensOf = (text: string): number => Math.ceil(text.length / PIECE_CHARS);

export async function openSimulatedProvider(): Promise<SimulatedProvider> {
  const charges: Charge[] = [];
  const bodies: string[] = [];
  const troubles: Trouble[] = [];

  const server = createServer((request, reply) => {
    void take(request, reply).catch(() => reply.destroy());
  });

  async function take(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const chunks = (await request.toArray()) as Buffer[];
    const text = Buffer.concat(chunks).toString();
    bodies.push(text);
    provider.onRequest?.();
    const isOpenAi = request.url?.endsWith("/chat/completions") === true;
    const key = isOpenAi
      ? request.headers.authorization?.replace(/^Bearer /, "")
      : request.headers["x-api-key"];
    if (typeof key !== "string" || !provider.keys.has(key)) {
      reply.writeHead(401, { "content-type": "application/json" });
      // A careless provider: it repeats the key.
      return void reply.end(
        JSON.stringify({ error: { message: `Incorrect API key: ${String(key)}` } }),
      );
    }
    const trouble = troubles.shift();
    if (trouble?.kind === "status") {
      const { status, retryAfter } = trouble;
      reply.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter });
      return void reply.end(JSON.stringify({ error: { message: `simulated ${status}; ${text}` } }));
    }
    const body = JSON.parse(text) as SentBody;
    const said = `(simulated) ${provider.answer(lastText(body))}`;
    const charge: Charge = {
      callId: request.headers["x-client-request-id"] as string | undefined,
      model: body.model,
      promptTokens: tokensOf(
        JSON.stringify([body.system, body.messages]).slice(0, 4 * text.length),
      ),
      completionTokens: 0,
    };
    charges.push(charge);
    if (trouble?.kind === "hang") return;
    reply.writeHead(200, { "content-type": "text/event-stream" });
    if (trouble?.kind === "garbage") return void reply.end("data: {not json\n\n");
    const most = body.max_completion_tokens ?? body.max_tokens ?? 16;
    const pieces = said.match(/[\s\S]{1,4}/g) ?? [];
    const sent = pieces.slice(0, most);
    if (!isOpenAi) writeEvent(reply, "message_start", startOf(charge));
    for (const [at, piece] of sent.entries()) {
      if (trouble?.kind === "cut" && at === trouble.afterPieces) return void reply.destroy();
      charge.completionTokens += 1;
      if (isOpenAi) writeData(reply, { choices: [{ index: 0, delta: { content: piece } }] });
      else
        writeEvent(reply, "content_block_delta", {
          index: 0,
          delta: { type: "text_delta", text: piece },
        });
      await new Promise((resolve) => setImmediate(resolve));
    }
    const isCut = sent.length < pieces.length;
    if (isOpenAi) endOpenAi(reply, charge, isCut ? "length" : "stop");
    else endAnthropic(reply, charge, isCut ? "max_tokens" : "end_turn");
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const provider: SimulatedProvider = {
    port: (server.address() as AddressInfo).port,
    charges,
    bodies,
    troubles,
    keys: new Set(["key-of-the-simulation"]),
    answer: (prompt) => `you said: ${prompt}`,
    onRequest: undefined,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return provider;
}

interface SentBody {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
  readonly system?: string;
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
}

function lastText({ messages }: SentBody): string {
  const content = messages.at(-1)?.content;
  if (typeof content === "string") return content;
  const parts = Array.isArray(content) ? (content as { text?: string; type: string }[]) : [];
  const pictures = parts.filter(({ type }) => type !== "text").length;
  const text = parts.map(({ text: one }) => one ?? "").join("");
  return pictures === 0 ? text : `${text} (${pictures} pictures)`;
}

const writeData = (reply: ServerResponse, data: unknown): void =>
  void reply.write(`data: ${JSON.stringify(data)}\n\n`);
const writeEvent = (reply: ServerResponse, type: string, data: object): void =>
  void reply.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);

const startOf = ({ promptTokens, model }: Charge): object => ({
  message: { role: "assistant", model, usage: { input_tokens: promptTokens, output_tokens: 1 } },
});

function endOpenAi(reply: ServerResponse, charge: Charge, finish: string): void {
  writeData(reply, { choices: [{ index: 0, delta: {}, finish_reason: finish }] });
  const { promptTokens, completionTokens } = charge;
  writeData(reply, {
    choices: [],
    usage: { prompt_tokens: promptTokens, completion_tokens: completionTokens },
  });
  reply.end("data: [DONE]\n\n");
}

function endAnthropic(reply: ServerResponse, charge: Charge, finish: string): void {
  writeEvent(reply, "message_delta", {
    delta: { stop_reason: finish },
    usage: { output_tokens: charge.completionTokens },
  });
  writeEvent(reply, "message_stop", {});
  reply.end();
}
