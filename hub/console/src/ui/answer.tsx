// What was said and answered. Text is only ever set as text; fenced code keeps its own box.

import type { MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import { blocksOf, latency, money, percent, words } from "../core/format.ts";
import { Badge, Facts } from "./parts.tsx";

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
  /** While it waits for its turn at a model. */
  readonly place?: string | undefined;
  readonly routing: MessageView["routing"];
  readonly usage: MessageView["usage"];
}

export function Answer({ text, isWriting = false, place, routing, usage }: AnswerProps) {
  const blocks = blocksOf(text);
  const sources = String(routing?.metadata["sources"] ?? "")
    .split(" · ")
    .filter(Boolean);
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
      {blocks.length === 0 && isWriting && <p class="cursor">{place ?? "Thinking"} </p>}
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
      {sources.length > 0 && (
        <ul class="sources" aria-label="Sources">
          {sources.map((source) => (
            <li key={source}>{source}</li>
          ))}
        </ul>
      )}
      {routing !== undefined && <Route routing={routing} />}
    </article>
  );
}

/** `exactCache` is the exact cache. */
const tierName = (tier: string): string =>
  tier.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

const MARKS = { taken: "✓", skipped: "·", failed: "✗" } as const;
/** What is told elsewhere in the line, or only to programs. */
const OWN_PLACE = new Set(["confidence", "finishReason", "sources", "turn"]);

/** Why this way: each tier, what it did with the question and why; then what else is known of it. */
function Route({ routing }: { readonly routing: NonNullable<AnswerProps["routing"]> }) {
  const { route = [], reason, metadata, confidence } = routing;
  const sure = metadata["confidence"] === "unknown" ? undefined : percent(confidence);
  const facts = Object.entries(metadata).filter(([name]) => !OWN_PLACE.has(name));
  return (
    <details class="route">
      <summary>Why this way</summary>
      <p>{reason}.</p>
      {route.length > 0 && (
        <ol>
          {route.map((step, index) => (
            <li key={index} class={step.outcome}>
              <span aria-hidden="true">{MARKS[step.outcome]}</span>
              <span>
                <strong>{tierName(step.tier)}</strong>
                {step.target !== undefined && ` (${step.target})`}{" "}
                <span class="unseen">{step.outcome}:</span> {step.reason}
              </span>
            </li>
          ))}
        </ol>
      )}
      <Facts
        rows={[
          ["Sure", sure],
          ...facts.map(([name, value]) => [words(name), String(value)] as const),
        ]}
      />
    </details>
  );
}
