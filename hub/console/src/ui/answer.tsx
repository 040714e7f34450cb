// What was said and answered. Text is only ever set as text; fenced code keeps its own box.

import type { MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import { blocksOf, latency, money } from "../core/format.ts";
import { Badge } from "./parts.tsx";

export function Said({ text }: { readonly text: string }) {
  return (
    <div class="said user">
      <span class="unseen">You: </span>
      {text}
    </div>
  );
}

export interface AnswerProps {
  readonly text: string;
  readonly isWriting?: boolean;
  readonly routing: MessageView["routing"];
  readonly usage: MessageView["usage"];
}

export function Answer({ text, isWriting = false, routing, usage }: AnswerProps) {
  const blocks = blocksOf(text);
  return (
    <article class="said answer" aria-label="Answer" aria-busy={isWriting}>
      {blocks.map((block, index) =>
        block.kind === "code" ? (
          <pre key={index} tabIndex={0}>
            {block.text}
          </pre>
        ) : (
          <p key={index} class={isWriting && index === blocks.length - 1 ? "cursor" : ""}>
            {block.text}
          </p>
        ),
      )}
      {blocks.length === 0 && isWriting && <p class="cursor">Thinking </p>}
      {routing !== undefined && (
        <p class="routing" title={routing.reason}>
          <Badge tone={routing.tier === "frontier" ? "warn" : "plain"}>{routing.tier}</Badge>
          <span>{routing.model}</span>
          <span>{latency(routing.latencyMs)}</span>
          {routing.cached && <Badge tone="good">cached</Badge>}
          {usage !== undefined && usage.completionTokens > 0 && (
            <span>{usage.completionTokens} tokens</span>
          )}
          {usage !== undefined && usage.costMicroUsd > 0 && (
            <span>{money(usage.costMicroUsd / 1e6)}</span>
          )}
        </p>
      )}
    </article>
  );
}
