// Anthropic's /v1/messages by raw requests, in the published shapes.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CompletionRequest } from "@gantry/shared/contract/completions.ts";
import { CALLS, HEAT, modelReply } from "../testing/model-reply.ts";
import { makeRig, type Rig } from "../testing/rig.ts";
import { readMessage } from "./message-request.ts";

const TOOLS = ["heat", "light"].map((name) => ({
  name,
  description: `to ${name}`,
  input_schema: { type: "object" },
}));
const ASKED = { model: "qwen", max_tokens: 50, messages: [{ role: "user", content: "warm up" }] };

const post = (rig: Rig, body: unknown, path = "/v1/messages"): Promise<Response> =>
  rig.ask("POST", path, {
    body,
    headers: { "x-api-key": "viewer-token", "anthropic-version": "2023-06-01" },
  });

interface Told {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

async function eventsOf(response: Response): Promise<readonly Told[]> {
  const text = await response.text();
  return text
    .split("\n\n")
    .filter((block) => block.startsWith("event: "))
    .map((block) => {
      const [first = "", second = ""] = block.split("\n");
      const data = JSON.parse(second.slice("data: ".length)) as Record<string, unknown>;
      return { event: first.slice("event: ".length), data };
    });
}

describe("a message", () => {
  it("comes whole, with calls of tools as blocks", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", () => modelReply(CALLS));
    const response = await post(rig, { ...ASKED, tools: TOOLS });
    expect(response.headers.get("request-id")).toMatch(/^req_/);
    expect(await response.json()).toEqual({
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "qwen",
      content: [
        { type: "text", text: "One moment.\n" },
        {
          type: "tool_use",
          id: expect.stringMatching(/^toolu_.+_0$/) as string,
          name: "heat",
          input: { celsius: 200, why: 'a } and a " in it' },
        },
        { type: "tool_use", id: expect.stringMatching(/_1$/) as string, name: "light", input: {} },
      ],
      stop_reason: "tool_use",
      stop_sequence: null,
      usage: {
        input_tokens: 4,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 5,
        output_tokens: 4,
      },
    });
  });

  it("streams blocks one after the other, each opened and closed, for real", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", (_request, { onText }) => {
      for (const piece of CALLS.match(/[^]{1,5}/g) ?? []) onText?.(piece);
      return modelReply(CALLS);
    });
    const events = await eventsOf(await post(rig, { ...ASKED, tools: TOOLS, stream: true }));
    for (const { event, data } of events) expect(data["type"]).toBe(event);
    const order = events
      .map(({ event }) => event)
      .filter((event, at, all) => event !== all[at - 1]);
    const block = ["content_block_start", "content_block_delta", "content_block_stop"];
    expect(order).toEqual([
      "message_start",
      "ping",
      ...block,
      ...block,
      ...block,
      "message_delta",
      "message_stop",
    ]);
    const deltas = (index: number, field: string): string =>
      events
        .filter(({ event, data }) => event === "content_block_delta" && data["index"] === index)
        .map(({ data }) => (data["delta"] as Record<string, string>)[field])
        .join("");
    expect(deltas(0, "text")).toBe("One moment.\n");
    expect(JSON.parse(deltas(1, "partial_json"))).toEqual({
      celsius: 200,
      why: 'a } and a " in it',
    });
    expect(deltas(2, "partial_json")).toBe("{}");
    const end = events.find(({ event }) => event === "message_delta")?.data;
    expect(end).toMatchObject({ delta: { stop_reason: "tool_use" }, usage: { output_tokens: 4 } });
  });

  it("reads system text, results and calls of earlier turns, and the choice of tools", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", () => modelReply("It is warm."));
    await post(rig, {
      ...ASKED,
      system: [{ type: "text", text: "be brief" }],
      tools: TOOLS,
      tool_choice: { type: "tool", name: "heat", disable_parallel_tool_use: true },
      stop_sequences: ["END"],
      temperature: 0.5,
      messages: [
        { role: "user", content: "warm up" },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "hm", signature: "x" },
            { type: "text", text: "Yes." },
            { type: "tool_use", id: "t1", name: "heat", input: { celsius: 200 } },
          ],
        },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "done" }] },
            { type: "text", text: "and now?" },
          ],
        },
      ],
    });
    expect(rig.desk.asked.at(-1)?.request.body).toEqual({
      model: "qwen",
      maxTokens: 50,
      temperature: 0.5,
      stop: ["END"],
      tools: [{ name: "heat", description: "to heat", parameters: { type: "object" } }],
      toolChoice: "required",
      hasParallelCalls: false,
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: "warm up" },
        {
          role: "assistant",
          content: "Yes.",
          toolCalls: [{ id: "t1", name: "heat", arguments: '{"celsius":200}' }],
        },
        { role: "tool", toolCallId: "t1", content: "done" },
        { role: "user", content: "and now?" },
      ],
    });
  });

  it("takes pictures in the last message alone", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", () => modelReply("a bed"));
    const source = { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" };
    const seen = {
      role: "user",
      content: [
        { type: "image", source },
        { type: "text", text: "what?" },
      ],
    };
    await post(rig, { ...ASKED, messages: [seen] });
    expect(rig.desk.asked.at(-1)?.request.body).toMatchObject({
      messages: [{ role: "user", content: "what?" }],
      pictures: [{ mediaType: "image/png", base64: "iVBORw0KGgo=" }],
    });
    const later = await post(rig, { ...ASKED, messages: [seen, ...ASKED.messages] });
    expect(later.status).toBe(400);
    const address = { type: "url", url: "http://10.0.0.1/x.png" };
    const far = { role: "user", content: [{ type: "image", source: address }] };
    expect((await post(rig, { ...ASKED, messages: [far] })).status).toBe(400);
  });

  it("says why it ended", async () => {
    await using rig = await makeRig();
    const ends = async (more: Parameters<typeof modelReply>[1]): Promise<unknown> => {
      rig.desk.on("chatCompletions", () => modelReply("x", more));
      const { stop_reason, stop_sequence } = (await (await post(rig, ASKED)).json()) as Record<
        string,
        unknown
      >;
      return [stop_reason, stop_sequence];
    };
    const { routing } = modelReply("x");
    expect(await ends({})).toEqual(["end_turn", null]);
    expect(await ends({ finishReason: "length" })).toEqual(["max_tokens", null]);
    const stopped = { ...routing, metadata: { stoppedBy: "END" } };
    expect(await ends({ routing: stopped })).toEqual(["stop_sequence", "END"]);
  });

  it("counts tokens without an answer", async () => {
    await using rig = await makeRig();
    rig.desk.on("tokensCounted", ({ body }) => (body as CompletionRequest).messages.length * 10);
    const { max_tokens: _most, ...prompt } = ASKED;
    const response = await post(rig, prompt, "/v1/messages/count_tokens");
    expect(await response.json()).toEqual({ input_tokens: 10 });
  });

  it.each([
    [400, "invalid_request_error", { ...ASKED, max_tokens: undefined }],
    [
      400,
      "invalid_request_error",
      { ...ASKED, messages: [{ role: "user", content: [{ type: "image" }] }] },
    ],
    [400, "invalid_request_error", { ...ASKED, tools: [{ type: "web_search", name: "s" }] }],
  ])("refuses with %i %s what it does not do", async (status, type, body) => {
    await using rig = await makeRig();
    const response = await post(rig, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ type: "error", error: { type } });
  });

  it("tells errors in its form, also in the middle of a stream", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", () => {
      throw new GantryError("busy", "64 answers wait", { details: { retryAfterS: 2 } });
    });
    const busy = await post(rig, { ...ASKED, stream: true });
    expect([busy.status, busy.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await busy.json()).toMatchObject({ type: "error", error: { type: "rate_limit_error" } });
    rig.desk.on("chatCompletions", (_request, { onText }) => {
      onText?.(HEAT.slice(0, 4));
      throw new GantryError("model_failed", "it stopped");
    });
    const events = await eventsOf(await post(rig, { ...ASKED, stream: true }));
    expect(events.at(-1)).toMatchObject({ event: "error", data: { error: { type: "api_error" } } });
    const nobody = await rig.ask("POST", "/v1/messages", { body: ASKED });
    expect(nobody.status).toBe(401);
    expect(await nobody.json()).toMatchObject({ error: { type: "authentication_error" } });
  });

  it("never fails otherwise than by a refusal, whatever is sent", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.jsonValue().map((value) => ({
            ...ASKED,
            messages: [{ role: "user", content: value }],
            tools: value,
          })),
        ),
        (body) => {
          expect(endsWell(() => readMessage(body))).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

/** True for none, or for a refusal. */
function endsWell(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    return error instanceof GantryError;
  }
}
