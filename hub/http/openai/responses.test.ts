// /v1/responses with OpenAI's own client over a real socket; the desk keeps what it is given.

import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CompletionRequest } from "@gantry/shared/contract/completions.ts";
import type { ResponseRow } from "@gantry/shared/contract/responses.ts";
import { CALLS, modelReply } from "../testing/model-reply.ts";
import { makeRig, type Rig } from "../testing/rig.ts";

interface Spoken extends AsyncDisposable {
  readonly rig: Rig;
  readonly openai: OpenAI;
  readonly asked: () => CompletionRequest;
}

async function makeSpoken(): Promise<Spoken> {
  const rig = await makeRig();
  const { port } = await rig.serve();
  const kept = new Map<string, ResponseRow>();
  rig.desk.on("responseMade", ({ body, actor }) => {
    const row = {
      person: actor?.person ?? "",
      atMs: 0,
      ...(body as Omit<ResponseRow, "person" | "atMs">),
    };
    kept.set(row.id, row);
    return { id: row.id };
  });
  const chainOf = ({
    params,
    query,
  }: {
    params: Readonly<Record<string, string>>;
    query: Readonly<Record<string, unknown>>;
  }) => {
    const chain: ResponseRow[] = [];
    for (let id: string | undefined = params["id"]; id !== undefined;) {
      const row: ResponseRow | undefined = kept.get(id);
      if (row === undefined) throw new GantryError("not_found", "There is no such response");
      chain.unshift(row);
      id = query["isAlone"] === true ? undefined : row.previous;
    }
    return chain;
  };
  rig.desk.on("response", chainOf);
  rig.desk.on("responseItems", chainOf);
  rig.desk.on("responseDropped", ({ params }) => kept.delete(params["id"] ?? ""));
  const openai = new OpenAI({
    baseURL: `http://127.0.0.1:${port}/v1`,
    apiKey: "viewer-token",
    maxRetries: 0,
  });
  return {
    rig,
    openai,
    asked: () =>
      rig.desk.asked.findLast(({ route }) => route === "chatCompletions")?.request
        .body as CompletionRequest,
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

const TOOLS: OpenAI.Responses.FunctionTool[] = ["heat", "light"].map((name) => ({
  type: "function",
  name,
  parameters: { type: "object" },
  strict: false,
}));

describe("a response", () => {
  it("comes whole with words and calls, and is kept with what was asked", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => modelReply(CALLS));
    const made = await spoken.openai.responses.create({
      model: "qwen",
      instructions: "be brief",
      input: "warm up",
      tools: TOOLS,
      metadata: { a: "b" },
    });
    expect(made).toMatchObject({
      object: "response",
      status: "completed",
      instructions: "be brief",
      metadata: { a: "b" },
      store: true,
      usage: {
        input_tokens: 9,
        input_tokens_details: { cached_tokens: 5 },
        output_tokens: 4,
        total_tokens: 13,
      },
    });
    expect(made.output_text).toBe("One moment.\n");
    expect(made.output.map(({ type }) => type)).toEqual([
      "message",
      "function_call",
      "function_call",
    ]);
    expect(spoken.asked().messages).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: "warm up" },
    ]);
    expect(await spoken.openai.responses.retrieve(made.id)).toMatchObject({
      id: made.id,
      output: made.output,
    });
    const items = await Array.fromAsync(spoken.openai.responses.inputItems.list(made.id));
    expect(items).toMatchObject([{ type: "message", role: "user" }]);
  });

  it("goes on from the one before it, whose instructions are not carried over", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => modelReply(CALLS));
    const first = await spoken.openai.responses.create({
      model: "q",
      input: "a",
      instructions: "one",
      tools: TOOLS,
    });
    const [, heat, light] = first.output;
    if (heat?.type !== "function_call" || light?.type !== "function_call")
      throw new Error("no calls");
    spoken.rig.desk.on("chatCompletions", () => modelReply("warm"));
    const outputs = [heat, light].map(({ call_id }) => ({
      type: "function_call_output" as const,
      call_id,
      output: "done",
    }));
    await spoken.openai.responses.create({
      model: "q",
      previous_response_id: first.id,
      input: outputs,
      instructions: "two",
    });
    expect(spoken.asked().messages).toEqual([
      { role: "system", content: "two" },
      { role: "user", content: "a" },
      {
        role: "assistant",
        content: "One moment.\n",
        toolCalls: [heat, light].map((call) => ({
          id: call.call_id,
          name: call.name,
          arguments: call.arguments,
        })),
      },
      { role: "tool", toolCallId: heat.call_id, content: "done" },
      { role: "tool", toolCallId: light.call_id, content: "done" },
    ]);
  });

  it("streams its events in order, numbered without a gap, and ends as the whole one", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", (_request, { onText }) => {
      for (const piece of CALLS.match(/[^]{1,4}/g) ?? []) onText?.(piece);
      return modelReply(CALLS);
    });
    const stream = await spoken.openai.responses.create({
      model: "q",
      input: "a",
      tools: TOOLS,
      stream: true,
    });
    const events: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    const order = events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]);
    const call = [
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
    ];
    expect(order).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      ...call,
      ...call,
      "response.completed",
    ]);
    const last = events.at(-1);
    if (last?.type !== "response.completed") throw new Error("it did not complete");
    expect(last.response.output.map(({ type }) => type)).toEqual([
      "message",
      "function_call",
      "function_call",
    ]);
    expect(await spoken.openai.responses.retrieve(last.response.id)).toMatchObject({
      output: last.response.output,
    });
  });

  it("is cut off, fails, or is not kept, and says so", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => modelReply("half", { finishReason: "length" }));
    const cut = await spoken.openai.responses.create({ model: "q", input: "a", store: false });
    expect(cut).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
    });
    await expect(spoken.openai.responses.retrieve(cut.id)).rejects.toMatchObject({ status: 404 });
    spoken.rig.desk.on("chatCompletions", (_request, { onText }) => {
      onText?.("half");
      throw new GantryError("model_failed", "it stopped");
    });
    const stream = await spoken.openai.responses.create({ model: "q", input: "a", stream: true });
    let last: OpenAI.Responses.ResponseStreamEvent | undefined;
    for await (const event of stream) last = event;
    expect(last).toMatchObject({
      type: "response.failed",
      response: { status: "failed", error: { code: "model_failed" } },
    });
  });

  it("upholds a format, and is forgotten", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => modelReply("{}"));
    const schema = { type: "object" };
    const made = await spoken.openai.responses.create({
      model: "q",
      input: "a",
      text: { format: { type: "json_schema", name: "x", schema } },
    });
    expect(spoken.asked().jsonSchema).toEqual(schema);
    await spoken.openai.responses.delete(made.id);
    await expect(spoken.openai.responses.retrieve(made.id)).rejects.toMatchObject({ status: 404 });
  });

  it.each([
    ["background", { background: true }],
    ["conversation", { conversation: "c" }],
    ["prompt", { prompt: { id: "p" } }],
    ["tools.0.type", { tools: [{ type: "web_search" }] }],
    ["input.0.type", { input: [{ type: "item_reference", id: "x" }] }],
    ["input.0.content.0", { input: [{ role: "user", content: [{ type: "input_image" }] }] }],
    ["previous_response_id", { previous_response_id: "resp_none" }],
    ["text.format.type", { text: { format: { type: "xml" } } }],
    ["truncation", { truncation: "auto" }],
  ])("refuses %s by name", async (param, fields) => {
    await using spoken = await makeSpoken();
    const body = { model: "q", input: "a", ...fields };
    await expect(spoken.openai.post("/responses", { body })).rejects.toMatchObject({
      status: 400,
      param,
    });
  });
});
