// The steps of an agent's turn: which tool with what, what came of it, who said what, what it cost; and
// the card where a person's word is needed.

import type { StepView, TurnView } from "@gantry/shared/contract/schemas/agents.ts";
import { duration, latency } from "../core/format.ts";
import { useResource } from "../live/resources.ts";
import { ConfirmationCard } from "./confirmation.tsx";
import { Json } from "./json.tsx";
import { Badge, ProblemNote, StateBadge } from "./parts.tsx";

const MICRO = 1_000_000;

/** Loads the turn and stays with it. For the page of a conversation: `routing.metadata.turn`. */
export function TurnOf({ id }: { readonly id: string }) {
  const { value, problem } = useResource<TurnView>(`/api/agents/${encodeURIComponent(id)}`);
  if (value !== undefined) return <TurnSteps turn={value} />;
  return problem === undefined ? null : <ProblemNote problem={problem} />;
}

export function TurnSteps({ turn }: { readonly turn: TurnView }) {
  const { steps } = turn;
  return (
    <div class="stack">
      {steps.length > 0 && (
        <ol class="turn-steps" aria-label="Steps">
          {steps.map((step) => (
            <li key={step.n}>
              <Step step={step} />
            </li>
          ))}
        </ol>
      )}
      <p class="faint">{costOf(turn)}</p>
    </div>
  );
}

function Step({ step }: { readonly step: StepView }) {
  const { agent, kind, tool, state, result, error, suspicion, confirmation, tookMs } = step;
  return (
    <>
      <details>
        <summary>
          <span class="turn-step-name">{kind === "say" ? `${agent} says` : tool}</span>{" "}
          {kind === "tool" && <StateBadge state={state} />}{" "}
          {suspicion !== undefined && <Badge tone="warn">reads like an order</Badge>}{" "}
          {tookMs !== undefined && kind === "tool" && <span class="faint">{latency(tookMs)}</span>}
        </summary>
        {step.arguments !== undefined && Object.keys(step.arguments).length > 0 && (
          <Json value={step.arguments} label={`What ${tool} was given`} />
        )}
        {result !== undefined && <Json value={result} label={`What ${tool ?? agent} gave`} />}
        {error !== undefined && <p>{error.message}</p>}
        {suspicion !== undefined && (
          <p>
            The hub asks a person before each effect from here on, because of: <q>{suspicion}</q>
          </p>
        )}
      </details>
      {confirmation?.state === "pending" && <ConfirmationCard confirmation={confirmation} />}
    </>
  );
}

function costOf({ usage, costs, tookMs, steps }: TurnView): string {
  const tokens = usage.promptTokens + usage.completionTokens;
  const money = usage.costMicroUsd === 0 ? "" : `, $${(usage.costMicroUsd / MICRO).toFixed(4)}`;
  const voices = Object.keys(costs).length > 1 ? ` by ${Object.keys(costs).join(", ")}` : "";
  return `${steps.length} steps, ${tokens} tokens${money}${voices}, ${duration(tookMs / 1_000)}`;
}
