import { describe, expect, it } from "vitest";
import { parsePrefix } from "./prefix.ts";

describe("[K2] inline prefixes", () => {
  it.each([
    ["hello", { text: "hello" }],
    ["@openai: hello", { text: "hello", provider: "openai" }],
    ["@OpenAI: hello", { text: "hello", provider: "openai" }],
    ["@openai:hello", { text: "hello", provider: "openai" }],
    ["  @openai:   hello  ", { text: "hello", provider: "openai" }],
    ["#gpt-4o: hello", { text: "hello", model: "gpt-4o", provider: "openai" }],
    ["#gpt-4o:hello", { text: "hello", model: "gpt-4o", provider: "openai" }],
    ["#o3-mini: hello", { text: "hello", model: "o3-mini", provider: "openai" }],
    ["#claude-3-5-sonnet: hi", { text: "hi", model: "claude-3-5-sonnet", provider: "anthropic" }],
    ["#gemini-2.0: hi", { text: "hi", model: "gemini-2.0", provider: "google" }],
    ["#sonar: hi", { text: "hi", model: "sonar", provider: "perplexity" }],
    ["#stories260K: once", { text: "once", model: "stories260K" }],
    ["#llama3:8b: once", { text: "once", model: "llama3:8b" }],
    ["#Qwen/Qwen2.5-0.5B: once", { text: "once", model: "Qwen/Qwen2.5-0.5B" }],
    ["@local: #stories260K: once", { text: "once", provider: "local", model: "stories260K" }],
    ["#stories260K: @local: once", { text: "once", provider: "local", model: "stories260K" }],
    ["@unknown-provider: hi", { text: "hi", provider: "unknown-provider" }],
    ["@openai: line one\nline two", { text: "line one\nline two", provider: "openai" }],
    ["@openai:\nline two", { text: "line two", provider: "openai" }],
    ["tell @openai: hello", { text: "tell @openai: hello" }],
    ["see #gpt-4o: it is new", { text: "see #gpt-4o: it is new" }],
    ["line one\n@openai: two", { text: "line one\n@openai: two" }],
    ["@openai hello", { text: "@openai hello" }],
    ["#gpt-4o hello", { text: "#gpt-4o hello" }],
    ["@: hello", { text: "@: hello" }],
    ["#: hello", { text: "#: hello" }],
    ["@ openai: hello", { text: "@ openai: hello" }],
    ["@@openai: hello", { text: "@@openai: hello" }],
    ["@a: @b: hello", { text: "@b: hello", provider: "a" }],
    ["#a: #b: hello", { text: "#b: hello", model: "a" }],
    ["mail ada@example.org: hello", { text: "mail ada@example.org: hello" }],
    ["# heading: text", { text: "# heading: text" }],
    ["@openai:", { text: "", provider: "openai" }],
    ["", { text: "" }],
  ])("%j", (input, expected) => {
    expect(parsePrefix(input)).toEqual(expected);
  });
});
