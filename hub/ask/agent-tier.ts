// The agent loop as a tier of an answer: the question is the goal of a turn, and what the turn says is the
// answer.
//
// AL1. The turn's id follows from the question's: a question that is answered again after a crash goes on
//      with the turn that it began.
// AL2. A turn that waits for a person is an answer, too: it says what is waited for. The turn goes on when
//      the word is given.
// AL3. Nothing of it is kept in a cache: it acts, or says how things are now.

import { fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import type { AgentTurnRow } from "@gantry/shared/contract/agents.ts";
import type { AgentTurns } from "../hands/agent-turns.ts";
import { act, type By, type Hub } from "../hub.ts";
import { type AnswerTier, passed, taken, type Turn } from "./tiers.ts";

const BUDGET = { stepsMax: 16, tokensMax: 50_000, timeMs: 240_000, costMaxMicroUsd: 1_000_000 };

export function makeAgentTier(hub: Hub, agents: AgentTurns): AnswerTier {
  async function answer({ plan, say }: Turn, signal: AbortSignal) {
    const { question } = plan;
    const id = turnOf(question.id); // AL1
    const isBegun = hub.rows.get("agentTurn", id) !== undefined;
    if (!isBegun && plan.useAgent !== true) return passed("no agent was asked for");
    if (!isBegun && !plan.mayAct) return passed("tools are off");
    const by: By = { actor: question.person, requestId: question.requestId };
    if (!isBegun) {
      const { role, text: goal, conversation, model } = question;
      const draft = { turn: id, role, goal, question: question.id, conversation, rounds: 1 };
      const how = { mode: "solo" as const, voices: [], budget: BUDGET };
      await agents.begin(
        { ...draft, ...how, ...(model === undefined ? {} : { model }) },
        by,
        signal,
      );
    }
    const row = await agents.settled(id, signal);
    if (row.state === "running") {
      await act(hub, { type: "agentTurnCancelled", turn: id }, by, never);
      throw new GantryError("cancelled", "Whoever asked has left");
    }
    const text = textOf(hub, row);
    say(text);
    const { usage, steps, state } = row;
    const reason = `the agent loop, ${steps.length} steps`;
    const metadata = { turn: id, steps: steps.length, state };
    return taken({ text, tier: "local", model: row.model ?? "agent", reason, usage, metadata });
  }

  return { tier: "agent", answer, isFinal: true };
}

const never = new AbortController().signal;

/** `msg_X` asks, `trn_X` works. */
export const turnOf = (question: string): string => `trn${question.slice(question.indexOf("_"))}`;

/** Throws what the turn failed with. */
function textOf({ rows }: Hub, row: AgentTurnRow): string {
  if (row.state === "done") return row.answer ?? "";
  if (row.state !== "waiting")
    throw fromErrorRecord(row.error ?? { code: "cancelled", message: "The turn was cancelled" });
  const asked = rows.get("confirmation", row.steps.at(-1)?.confirmation ?? ""); // AL2
  return asked === undefined
    ? "It waits for a person."
    : `A person must confirm: ${asked.summary}. Say "${asked.phrase}".`;
}
