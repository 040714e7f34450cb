import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { answerStream, type AnswerStream } from "./answer-stream.ts";
import { eventually, makeRig } from "./testing/rig.ts";
import { openSse } from "./testing/sse-client.ts";

const QUESTION = {
  method: "POST",
  headers: { authorization: "Bearer ann-token", "content-type": "application/json" },
};

describe("a streamed query", () => {
  it.each([
    ["stream: true", { prompt: "hi", stream: true }, {}],
    ["its Accept header", { prompt: "hi" }, { accept: "text/event-stream" }],
  ])("is asked for by %s and gives tokens, then the reply", async (_how, body, headers) => {
    await using rig = await makeRig();
    const { port } = await rig.serve();
    rig.desk.on("query", async (_request, { onText }) => {
      onText?.("Hel");
      await Promise.resolve();
      onText?.("lo");
      return { result: { output: "Hello" } };
    });
    await using client = await openSse(`http://127.0.0.1:${port}/api/query`, {
      ...QUESTION,
      headers: { ...QUESTION.headers, ...headers },
      body: JSON.stringify(body),
    });
    await eventually(() => client.isEnded());
    const tokens = client.messages.filter(({ event }) => event === "token");
    const text = tokens
      .map(({ data }) => (JSON.parse(data ?? "") as { text: string }).text)
      .join("");
    expect(text).toBe("Hello");
    expect(client.messages.at(-1)).toEqual({
      event: "reply",
      data: '{"result":{"output":"Hello"}}',
    });
  });

  it("ends with the problem when the answer fails", async () => {
    await using rig = await makeRig();
    const { port } = await rig.serve();
    rig.desk.on("query", () => {
      throw new GantryError("no_model", "No model here");
    });
    await using client = await openSse(`http://127.0.0.1:${port}/api/query`, {
      ...QUESTION,
      body: JSON.stringify({ prompt: "hi", stream: true }),
    });
    await eventually(() => client.isEnded());
    expect(client.messages.map(({ event }) => event)).toEqual(["error"]);
    const problem = JSON.parse(client.messages[0]?.data ?? "") as Record<string, unknown>;
    expect(problem).toMatchObject({ code: "no_model", status: 503 });
    expect(problem["requestId"]).toBe(client.response.headers.get("x-request-id"));
  });

  it("aborts the desk call when the client leaves", async () => {
    await using rig = await makeRig();
    const { port } = await rig.serve();
    let isAborted = false;
    rig.desk.on("query", (_request, { signal, onText }) => {
      onText?.("a");
      return new Promise(() => {
        signal.addEventListener("abort", () => {
          isAborted = true;
        });
      });
    });
    const client = await openSse(`http://127.0.0.1:${port}/api/query`, {
      ...QUESTION,
      body: JSON.stringify({ prompt: "hi", stream: true }),
    });
    await client.take(1);
    await client[Symbol.asyncDispose]();
    await eventually(() => isAborted);
  });
});

const plain = (work: AnswerStream["work"]): AnswerStream => ({
  work,
  head: "",
  piece: (text) => `[${text}]`,
  end: () => "end",
  failure: () => "failed",
});
describe("a stream without news", () => {
  const never = new AbortController().signal;

  /** Every wait of a heartbeat is over at once. */
  const hasty: Clock = {
    ...systemClock,
    sleep: (ms, signal) => systemClock.sleep(ms === TIMEOUT.sseHeartbeatMs ? 0 : ms, signal),
  };

  it("pings until there is some", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const response = answerStream(
      plain(() => promise),
      hasty,
      never,
    );
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
    const next = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
    expect(await next()).toBe(": ping\n\n");
    expect(await next()).toBe(": ping\n\n");
    resolve();
    await eventually(async () => (await next()) === "end");
    expect((await reader.read()).done).toBe(true);
  });

  it("joins what a slow reader has not taken yet", async () => {
    const response = answerStream(
      plain(async (_signal, onText) => {
        for (const text of ["a", "b", "c"]) onText(text);
      }),
      systemClock,
      never,
    );
    expect(await response.text()).toBe("[abc]end");
  });
});
