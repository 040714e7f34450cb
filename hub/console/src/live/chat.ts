// The question under way. It belongs to the tab, not to a page: the answer goes on being written
// while the person looks elsewhere.

import type { QueryReply } from "@gantry/shared/contract/schemas/asking.ts";
import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../core/views.ts";
import { ask, type Place, ProblemError } from "./api.ts";
import { refresh } from "./resources.ts";

interface Question {
  readonly prompt: string;
  readonly conversation: string | undefined;
  /** What has come of the answer. */
  readonly text: string;
  /** While it waits for its turn at a model. */
  readonly place?: Place | undefined;
}

export type Chat =
  | { readonly kind: "idle" }
  | (Question & { readonly kind: "asking"; readonly control: AbortController })
  | (Question & { readonly kind: "answered"; readonly reply: QueryReply })
  | (Question & { readonly kind: "failed"; readonly problem: Problem });

let chat: Chat = { kind: "idle" };
const watchers = new Set<(chat: Chat) => void>();

function become(next: Chat): void {
  chat = next;
  for (const watcher of watchers) watcher(chat);
}

export function useChat(): Chat {
  const [shown, show] = useState(chat);
  useEffect(() => {
    watchers.add(show);
    show(chat);
    return () => void watchers.delete(show);
  }, []);
  return shown;
}

/** Asks unless a question is under way. `onReply` gets the reply with its conversation. */
export async function startAsking(
  prompt: string,
  conversation: string | undefined,
  onReply: (reply: QueryReply) => void,
): Promise<void> {
  if (chat.kind === "asking") return;
  const control = new AbortController();
  let question: Question = { prompt, conversation, text: "" };
  become({ kind: "asking", ...question, control });
  try {
    const body = conversation === undefined ? { prompt } : { prompt, conversationId: conversation };
    const onText = (text: string): void => {
      question = { ...question, text: question.text + text, place: undefined };
      become({ kind: "asking", ...question, control });
    };
    const onPlace = (place: Place): void => {
      question = { ...question, place };
      become({ kind: "asking", ...question, control });
    };
    const reply = await ask(body, onText, onPlace, control.signal);
    become({ kind: "answered", ...question, text: reply.result.output, reply });
    onReply(reply);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    become({ kind: "failed", ...question, problem: error.problem });
  } finally {
    refresh(["/api/conversations", "/api/confirmation"]);
  }
}

export function stopAsking(): void {
  if (chat.kind === "asking") chat.control.abort();
}

export function forgetChat(): void {
  if (chat.kind !== "asking") become({ kind: "idle" });
}
