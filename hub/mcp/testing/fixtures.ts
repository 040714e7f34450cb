// What the conformance suite of MCP expects a server to offer: tools, resources and prompts by its names.
// Test equipment: they go through the same server core as the hub's own offer and are in no hub.

import type {
  CallToolResult,
  ElicitRequestFormParams,
  PromptMessage,
} from "@modelcontextprotocol/sdk/types.js";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { CallContext, McpOffer } from "../offer.ts";

/** One red pixel. */
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/** 8 samples of silence at 8 kHz. */
const WAV = ((): string => {
  const bytes = Buffer.alloc(44 + 16);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(36 + 16, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(8_000, 24);
  bytes.writeUInt32LE(16_000, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(16, 40);
  return bytes.toString("base64");
})();

type Given = Readonly<Record<string, unknown>>;
type Call = (given: Given, context: CallContext) => Promise<CallToolResult>;

const text = (said: string): CallToolResult => ({ content: [{ type: "text", text: said }] });
const pause = (signal: AbortSignal): Promise<void> => systemClock.sleep(50, signal);

const elicited = async (
  context: CallContext,
  message: string,
  schema: ElicitRequestFormParams["requestedSchema"],
  prefix: string,
): Promise<CallToolResult> => {
  const { action, content = {} } = await context.elicit(message, schema);
  return text(`${prefix} action=${action}, content=${JSON.stringify(content)}`);
};

const titled = (kind: string): { const: string; title: string }[] =>
  ["First", "Second", "Third"].map((name, place) => ({
    const: `value${place + 1}`,
    title: `${name} ${kind}`,
  }));

const user = (content: object): PromptMessage => ({ role: "user", content: content as never });
const say = (said: string): PromptMessage => user({ type: "text", text: said });

const CALLS: Readonly<Record<string, Call>> = {
  async test_simple_text() {
    return text("This is a simple text response for testing.");
  },
  async test_image_content() {
    return { content: [{ type: "image", data: PNG, mimeType: "image/png" }] };
  },
  async test_audio_content() {
    return { content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] };
  },
  async test_embedded_resource() {
    const resource = {
      uri: "test://embedded-resource",
      mimeType: "text/plain",
      text: "This is an embedded resource content.",
    };
    return { content: [{ type: "resource", resource }] };
  },
  async test_multiple_content_types() {
    const resource = {
      uri: "test://mixed-content-resource",
      mimeType: "application/json",
      text: JSON.stringify({ test: "data", value: 123 }),
    };
    return {
      content: [
        { type: "text", text: "Multiple content types test:" },
        { type: "image", data: PNG, mimeType: "image/png" },
        { type: "resource", resource },
      ],
    };
  },
  async test_tool_with_logging(_given, { log, signal }) {
    await log("info", "Tool execution started");
    await pause(signal);
    await log("info", "Tool processing data");
    await pause(signal);
    await log("info", "Tool execution completed");
    return text("Three lines were logged");
  },
  async test_error_handling() {
    throw new GantryError("conflict", "This tool intentionally returns an error for testing");
  },
  async test_tool_with_progress(_given, { progress, signal }) {
    for (const done of [0, 50, 100]) {
      await progress(done, 100);
      if (done < 100) await pause(signal);
    }
    return text("It went from 0 to 100");
  },
  async test_sampling({ prompt }, context) {
    return text(`LLM response: ${await context.sample(String(prompt), 100)}`);
  },
  async test_elicitation({ message }, context) {
    const properties = {
      username: { type: "string" as const, description: "User's response" },
      email: { type: "string" as const, description: "User's email address" },
    };
    const schema = { type: "object" as const, properties, required: ["username", "email"] };
    return elicited(context, String(message), schema, "User response:");
  },
  async test_elicitation_sep1034_defaults(_given, context) {
    const properties = {
      name: { type: "string" as const, default: "John Doe" },
      age: { type: "integer" as const, default: 30 },
      score: { type: "number" as const, default: 95.5 },
      status: {
        type: "string" as const,
        enum: ["active", "inactive", "pending"],
        default: "active",
      },
      verified: { type: "boolean" as const, default: true },
    };
    return elicited(
      context,
      "Please look",
      { type: "object", properties },
      "Elicitation completed:",
    );
  },
  async test_elicitation_sep1330_enums(_given, context) {
    const three = ["option1", "option2", "option3"];
    const properties = {
      untitledSingle: { type: "string" as const, enum: three },
      titledSingle: { type: "string" as const, oneOf: titled("Option") },
      legacyEnum: {
        type: "string" as const,
        enum: ["opt1", "opt2", "opt3"],
        enumNames: ["Option One", "Option Two", "Option Three"],
      },
      untitledMulti: { type: "array" as const, items: { type: "string" as const, enum: three } },
      titledMulti: { type: "array" as const, items: { anyOf: titled("Choice") } },
    };
    return elicited(
      context,
      "Please choose",
      { type: "object", properties },
      "Elicitation completed:",
    );
  },
  async test_reconnection(_given, { endStream, signal }) {
    endStream();
    await pause(signal);
    return text("The answer came after the stream had ended");
  },
  async json_schema_2020_12_tool() {
    return text("ok");
  },
};

const ARGUMENTS: Readonly<Record<string, object>> = {
  test_sampling: {
    type: "object",
    properties: { prompt: { type: "string" } },
    required: ["prompt"],
  },
  test_elicitation: {
    type: "object",
    properties: { message: { type: "string" } },
    required: ["message"],
  },
  json_schema_2020_12_tool: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    $defs: {
      address: {
        type: "object",
        properties: { street: { type: "string" }, city: { type: "string" } },
      },
    },
    properties: { name: { type: "string" }, address: { $ref: "#/$defs/address" } },
    additionalProperties: false,
  },
};

const unknown = (what: string): GantryError => new GantryError("not_found", `There is no ${what}`);

export function fixtureOffer(): McpOffer {
  return {
    async tools() {
      return Object.keys(CALLS).map((name) => ({
        name,
        description: `Fixture ${name} of the conformance suite`,
        inputSchema: { type: "object" as const, properties: {}, ...ARGUMENTS[name] },
      }));
    },
    async call(name, given, context) {
      const call = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined;
      if (call === undefined) throw unknown(`tool ${name}`);
      return call(given, context);
    },
    async resources() {
      return [
        { uri: "test://static-text", name: "text", description: "A text", mimeType: "text/plain" },
        {
          uri: "test://static-binary",
          name: "pixel",
          description: "A pixel",
          mimeType: "image/png",
        },
        { uri: "test://watched-resource", name: "watched", description: "One to watch" },
      ];
    },
    templates: () => [
      {
        uriTemplate: "test://template/{id}/data",
        name: "by id",
        description: "Data by id",
        mimeType: "application/json",
      },
    ],
    async read(uri) {
      if (uri === "test://static-text") {
        const said = "This is the content of the static text resource.";
        return { contents: [{ uri, mimeType: "text/plain", text: said }] };
      }
      if (uri === "test://static-binary")
        return { contents: [{ uri, mimeType: "image/png", blob: PNG }] };
      const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
      if (id === undefined) throw unknown(`resource ${uri}`);
      const data = { id, templateTest: true, data: `Data for ID: ${id}` };
      return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify(data) }] };
    },
    watch() {},
    prompts: () => [
      { name: "test_simple_prompt", description: "Without arguments" },
      {
        name: "test_prompt_with_arguments",
        description: "With two arguments",
        arguments: [
          { name: "arg1", description: "First", required: true },
          { name: "arg2", description: "Second", required: true },
        ],
      },
      {
        name: "test_prompt_with_embedded_resource",
        description: "With a resource",
        arguments: [{ name: "resourceUri", description: "Which", required: true }],
      },
      { name: "test_prompt_with_image", description: "With a picture" },
    ],
    async prompt(name, { arg1 = "", arg2 = "", resourceUri = "" }) {
      if (name === "test_simple_prompt")
        return { messages: [say("This is a simple prompt for testing.")] };
      if (name === "test_prompt_with_arguments")
        return { messages: [say(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] };
      if (name === "test_prompt_with_embedded_resource") {
        const resource = {
          uri: resourceUri,
          mimeType: "text/plain",
          text: "Embedded resource content for testing.",
        };
        const last = say("Please process the embedded resource above.");
        return { messages: [user({ type: "resource", resource }), last] };
      }
      if (name === "test_prompt_with_image") {
        const picture = user({ type: "image", data: PNG, mimeType: "image/png" });
        return { messages: [picture, say("Please analyze the image above.")] };
      }
      throw unknown(`prompt ${name}`);
    },
    async complete(_of, argument, value) {
      const all = argument === "arg1" ? ["paris", "park", "party"] : [];
      return all.filter((one) => one.startsWith(value));
    },
  };
}
