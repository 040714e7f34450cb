// The events of a streamed response, in OpenAI's order:
//
//   created -> in_progress -> for each item: output_item.added -> (content_part.added ->) deltas -> done
//   ... -> completed | incomplete | failed
//
// RE1. Every event has the next sequence_number; an item is done before the next one is added.

import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import type { ResponseItem } from "@gantry/shared/contract/responses.ts";
import { makeToolTextReader, type ToolTextPart } from "@gantry/shared/contract/tool-text.ts";
import { sseEvent } from "../sse.ts";
import {
  callItem,
  hasTools,
  itemId,
  logprobsOf,
  messageItem,
  type ResponseEnd,
  type ResponseHead,
  responseOf,
  statusOf,
  textPart,
} from "./response-shape.ts";

export interface ResponseEvents {
  /** Once, before everything else; nothing after the first time. */
  begin(): string;
  feed(text: string): string;
  /** Closes what is open; gives the items too, as the response must hold them. */
  close(reply: CompletionReply): {
    readonly text: string;
    readonly output: readonly ResponseItem[];
  };
  end(type: "completed" | "incomplete" | "failed", end: ResponseEnd): string;
}

type Open =
  | { readonly kind: "words"; text: string }
  | { readonly kind: "call"; readonly name: string; text: string };

export function makeResponseEvents(head: ResponseHead): ResponseEvents {
  const reader = hasTools(head.request) ? makeToolTextReader() : undefined;
  const output: ResponseItem[] = [];
  const model = head.request.body.model ?? "gantry";
  let sequence = 0;
  let isBegun = false;
  let hasFed = false;
  let open: Open | undefined;

  function event(name: string, fields: Readonly<Record<string, unknown>>): string {
    const type = `response.${name}`;
    const text = sseEvent(type, { type, sequence_number: sequence, ...fields });
    sequence += 1; // RE1
    return text;
  }

  const place = (): number => output.length;
  const wordsAt = (): Readonly<Record<string, unknown>> => ({
    item_id: itemId("msg", head.id, 0),
    output_index: place(),
    content_index: 0,
  });
  const callAt = (): Readonly<Record<string, unknown>> => ({
    item_id: itemId("fc", head.id, place()),
    output_index: place(),
  });

  function write(part: ToolTextPart): string {
    switch (part.kind) {
      case "text":
        return words(part.text);
      case "call":
        return call(part.name);
      case "arguments":
        if (open?.kind === "call") open.text += part.text;
        return event("function_call_arguments.delta", { ...callAt(), delta: part.text });
    }
  }

  function words(text: string): string {
    // Words behind a call would be a second message, and nobody expects one there.
    if (open?.kind === "call" || output.length > 0) return "";
    let opened = "";
    if (open === undefined) {
      open = { kind: "words", text: "" };
      const item = messageItem(head.id, "", "in_progress");
      opened =
        event("output_item.added", { output_index: place(), item }) +
        event("content_part.added", { ...wordsAt(), part: textPart("") });
    }
    open.text += text;
    return opened + event("output_text.delta", { ...wordsAt(), delta: text, logprobs: [] });
  }

  function call(name: string): string {
    const done = closeItem("completed");
    open = { kind: "call", name, text: "" };
    const item = callItem(head.id, place(), name, "", "in_progress");
    return done + event("output_item.added", { output_index: place(), item });
  }

  function closeItem(
    status: "completed" | "incomplete",
    logprobs?: CompletionReply["logprobs"],
  ): string {
    if (open === undefined) return "";
    const { kind, text } = open;
    let done: string;
    let item: ResponseItem;
    if (kind === "words") {
      item = messageItem(head.id, text, status, logprobs);
      done =
        event("output_text.done", { ...wordsAt(), text, logprobs: logprobsOf(logprobs) }) +
        event("content_part.done", { ...wordsAt(), part: textPart(text, logprobs) });
    } else {
      const { name } = open;
      item = callItem(head.id, place(), name, text, status);
      done = event("function_call_arguments.done", { ...callAt(), name, arguments: text });
    }
    done += event("output_item.done", { output_index: place(), item });
    output.push(item);
    open = undefined;
    return done;
  }

  function feed(text: string): string {
    if (text === "") return "";
    hasFed = true;
    if (reader === undefined) return words(text);
    return reader.feed(text).map(write).join("");
  }

  return {
    begin() {
      if (isBegun) return "";
      isBegun = true;
      const response = responseOf(head, { status: "in_progress", model, output: [] });
      return event("created", { response }) + event("in_progress", { response });
    },
    feed,
    close(reply) {
      const rest = hasFed ? "" : feed(reply.text);
      const left = (reader?.end() ?? []).map(write).join("");
      const isEmpty = open === undefined && output.length === 0;
      const empty = isEmpty ? words("") : "";
      const status = statusOf(reply) === "incomplete" ? "incomplete" : "completed";
      const text = rest + left + empty + closeItem(status, reply.logprobs);
      return { text, output };
    },
    end: (type, end) => event(type, { response: responseOf(head, end) }),
  };
}
