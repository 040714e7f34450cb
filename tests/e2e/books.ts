// Test equipment: the books of the appliance, checked as a whole. Whatever was killed on the way,
// they add up.

import { expect } from "vitest";
import type { Appliance } from "../support/appliance.ts";
import { allMessages, auditTrail, history } from "./steps.ts";

/** Numbers without a gap, and each message of a person followed by exactly one answer. */
export async function expectOrderly(a: Appliance, conversation: string): Promise<void> {
  const messages = await history(a, conversation);
  expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index));
  expect(messages.map(({ role }) => role)).toEqual(
    messages.map((_, index) => (index % 2 === 0 ? "user" : "assistant")),
  );
}

/**
 * Decisions = answers, one for each question; sums of money and tokens = recount from the messages;
 * audit rows are numbered without a gap. Call it when nothing is open.
 */
export async function expectBalanced(a: Appliance): Promise<void> {
  const messages = await allMessages(a);
  const answers = messages.filter(({ routing }) => routing !== undefined);
  const failures = messages.filter(({ error }) => error !== undefined);
  const trail = await auditTrail(a);
  const count = (action: string): number => trail.filter((row) => row.action === action).length;
  expect(count("question.answered")).toBe(answers.length);
  expect(count("question.failed")).toBe(failures.length);
  expect(messages.filter(({ role }) => role === "user")).toHaveLength(
    answers.length + failures.length,
  );
  expect(trail.map(({ seq }) => seq)).toEqual(
    trail.map((_, index) => (trail[0]?.seq ?? 0) + index),
  );

  const { body } = await a.api("GET", "/api/analytics/costs");
  const sum = (member: "promptTokens" | "completionTokens" | "costMicroUsd"): number =>
    answers.reduce((total, { usage }) => total + (usage?.[member] ?? 0), 0);
  expect(body).toMatchObject({
    answers: answers.length,
    cached_answers: answers.filter(({ routing }) => routing?.cached).length,
    prompt_tokens: sum("promptTokens"),
    completion_tokens: sum("completionTokens"),
    total_cost_usd: sum("costMicroUsd") / 1_000_000,
  });
}
