// Ask: one conversation, the answer as it is written, and the card when a person's word is needed.

import type { MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import { useEffect, useRef, useState } from "preact/hooks";
import { formatPlace } from "../core/route.ts";
import type { ConversationDetail, ConversationPage } from "../core/views.ts";
import { forgetChat, startAsking, stopAsking, useChat, type Chat } from "../live/chat.ts";
import { replacePlace } from "../live/place.ts";
import { useResource } from "../live/resources.ts";
import { Answer, Said } from "../ui/answer.tsx";
import { Composer } from "../ui/composer.tsx";
import { ConfirmationCard } from "../ui/confirmation.tsx";
import { Button, Card, Empty, PageHead, ProblemNote } from "../ui/parts.tsx";
import { PrintLine } from "../ui/print-facts.tsx";
import { TurnOf } from "../ui/turn-steps.tsx";
import { Upload } from "../ui/upload.tsx";
import { Waiting } from "../ui/waiting.tsx";

const PAGE = 50;

/** `conversation` undefined: a new one, which gets its address with the first answer. */
export function AskPage({ conversation }: { readonly conversation: string | undefined }) {
  const [shown, setShown] = useState(PAGE);
  const path =
    conversation === undefined
      ? undefined
      : `/api/conversations/${encodeURIComponent(conversation)}?limit=${shown}`;
  const detail = useResource<ConversationDetail>(path);
  const chat = useChat();
  const mine = belongsHere(chat, conversation) ? chat : ({ kind: "idle" } as const);
  const end = useFollow(mine);
  const messages = (detail.value?.messages ?? []).toSorted((a, b) => a.seq - b.seq);
  const ask = (prompt: string): void =>
    void startAsking(prompt, conversation, (reply) => {
      const isHere = location.hash === formatPlace("ask", conversation);
      if (conversation === undefined && isHere) {
        replacePlace(formatPlace("ask", reply.conversationId));
      }
    });
  return (
    <div class="page">
      <PageHead title={detail.value?.title ?? "Ask"}>
        {conversation !== undefined && (
          <a class="button" href="#/ask" onClick={forgetChat}>
            New conversation
          </a>
        )}
      </PageHead>
      <div class="ask">
        <div class="talk-column">
          <div class="talk">
            {detail.problem !== undefined && <ProblemNote problem={detail.problem} />}
            {detail.value?.next !== undefined && shown < 500 && (
              <Button onClick={() => setShown(Math.min(500, shown + PAGE))}>
                Earlier messages
              </Button>
            )}
            {messages.length === 0 && mine.kind === "idle" && <Welcome onPick={ask} />}
            <ol class="talk" aria-label="Messages">
              {messages.map((message) => (
                <li key={message.id}>
                  <Message message={message} />
                </li>
              ))}
            </ol>
            <UnderWay chat={mine} messages={messages} />
            {detail.value?.pendingConfirmation !== undefined && (
              <ConfirmationCard confirmation={detail.value.pendingConfirmation} />
            )}
            <div ref={end} class="talk-end" />
          </div>
          <Composer isAsking={chat.kind === "asking"} onAsk={ask} onStop={stopAsking} />
        </div>
        <aside class="stack" aria-label="Beside the conversation">
          <Upload />
          <Threads current={conversation} />
        </aside>
      </div>
    </div>
  );
}

/** How far below the screen the end may be and still be followed: whoever scrolled up stays there. */
const FOLLOW_PX = 400;

/** Keeps the end of a growing answer in view. */
function useFollow(chat: Chat) {
  const end = useRef<HTMLDivElement>(null);
  const text = chat.kind === "idle" ? "" : chat.text;
  useEffect(() => {
    const topPx = end.current?.getBoundingClientRect().top ?? Infinity;
    if (chat.kind !== "idle" && topPx < innerHeight + FOLLOW_PX) {
      end.current?.scrollIntoView({ block: "nearest" });
    }
  }, [chat.kind, text]);
  return end;
}

function belongsHere(chat: Chat, conversation: string | undefined): boolean {
  if (chat.kind === "idle") return false;
  if (chat.kind === "answered") {
    return chat.reply.conversationId === conversation || chat.conversation === conversation;
  }
  return chat.conversation === conversation;
}

function Message({ message }: { readonly message: MessageView }) {
  if (message.role === "user") return <Said text={message.text} />;
  const { text, routing, usage, error } = message;
  const turn = routing?.metadata["turn"];
  return (
    <>
      {text !== "" && <Answer text={text} routing={routing} usage={usage} />}
      {typeof turn === "string" && <TurnOf id={turn} />}
      {error !== undefined && (
        <ProblemNote
          problem={{
            status: 0,
            code: error.code,
            title: "This question got no answer",
            detail: error.message,
            hint: "",
            requestId: message.requestId,
          }}
        />
      )}
    </>
  );
}

/** The question under way, without what the list above shows already. */
function UnderWay({ chat, messages }: { chat: Chat; messages: readonly MessageView[] }) {
  const last = messages.at(-1);
  const answer = useSpoken(chat);
  if (chat.kind === "idle") return null;
  const isRecorded =
    chat.kind === "answered"
      ? messages.some(({ id }) => id === chat.reply.messageId)
      : last?.role === "assistant" && last.error !== undefined && chat.kind === "failed";
  const isPromptShown = isRecorded || (last?.role === "user" && last.text === chat.prompt);
  const confirmation = chat.kind === "answered" ? chat.reply.confirmation : undefined;
  return (
    <>
      {!isPromptShown && <Said text={chat.prompt} />}
      {!isRecorded && (chat.kind === "asking" || chat.text !== "") && (
        <Answer
          text={chat.text}
          isWriting={chat.kind === "asking"}
          place={chat.kind === "asking" ? waitingText(chat) : undefined}
          routing={chat.kind === "answered" ? chat.reply.routing : undefined}
          usage={chat.kind === "answered" ? chat.reply.usage : undefined}
        />
      )}
      {chat.kind === "failed" && !isRecorded && <ProblemNote problem={chat.problem} />}
      {confirmation !== undefined && !isRecorded && (
        <ConfirmationCard confirmation={confirmation} />
      )}
      {chat.kind === "answered" && chat.reply.job !== undefined && (
        <PrintLine id={chat.reply.job.id} />
      )}
      <div class="unseen" aria-live="polite">
        {answer}
      </div>
    </>
  );
}

function waitingText({ place }: Chat & { readonly kind: "asking" }): string | undefined {
  if (place === undefined) return undefined;
  const eta = place.etaMs === undefined ? "" : `, about ${Math.ceil(place.etaMs / 1_000)} s`;
  return `Waiting: ${place.position} in line${eta}`;
}

const SPOKEN_MS = 2_000;

/**
 * What a screen reader says: that it is being written, then the whole answer, not each token. It is
 * taken away again, so that nobody who reads the page meets the answer twice.
 */
function useSpoken(chat: Chat): string {
  const [spoken, setSpoken] = useState("");
  const text = spokenOf(chat);
  useEffect(() => {
    setSpoken(text);
    const timer = setTimeout(() => setSpoken(""), SPOKEN_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return spoken;
}

function spokenOf(chat: Chat): string {
  if (chat.kind === "asking") return "The answer is being written.";
  return chat.kind === "answered" ? chat.text : "";
}

const EXAMPLES = ["what printers are there?", "what is printing?", "help"];

function Welcome({ onPick }: { readonly onPick: (prompt: string) => void }) {
  return (
    <Empty>
      Ask in words, or order something. What is dangerous waits for your word first. For example:
      <span class="row examples">
        {EXAMPLES.map((example) => (
          <Button key={example} onClick={() => onPick(example)}>
            {example}
          </Button>
        ))}
      </span>
    </Empty>
  );
}

function Threads({ current }: { readonly current: string | undefined }) {
  const page = useResource<ConversationPage>("/api/conversations?limit=12");
  return (
    <Card title="Conversations" aside={<a href="#/conversations">All</a>}>
      <Waiting of={page}>
        {({ conversations }) =>
          conversations.length === 0 ? (
            <p class="faint">None yet.</p>
          ) : (
            <ul class="threads">
              {conversations.map(({ id, title, messages }) => (
                <li key={id}>
                  <a
                    href={formatPlace("ask", id)}
                    aria-current={id === current ? "true" : undefined}
                  >
                    <strong>{title}</strong>
                    <span class="faint">{messages} messages</span>
                  </a>
                </li>
              ))}
            </ul>
          )
        }
      </Waiting>
    </Card>
  );
}
