// Use case: a wish in words about a run becomes a patch of it.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { patchRules } from "../hands/patch-rules.ts";
import { proposePatch } from "../hands/patch-proposals.ts";
import { act } from "../hub.ts";
import { patchedRunOf } from "../ledger/domains/run-patches.ts";
import { differenceOf } from "../workflow/patches/difference.ts";
import { judgePatch, makeGraph } from "../workflow/patches/judge.ts";
import { patchPolicy } from "../workflow/patches/patch-policy.ts";
import type { GraphOperation, Verdict } from "../workflow/patches/patch-types.ts";
import { visitAll } from "../workflow/patches/walk.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { actorOf, byOf, type DeskParts } from "./context.ts";
import { runRow } from "./runs.ts";

/** What a model wrote and nobody has read waits for a person's word, whoever asked for it. */
export async function runPatchProposed(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { hub, models } = parts;
  const { sentence, apply } = request.body as { sentence: string; apply: boolean };
  const { person, role } = actorOf(request);
  const row = runRow(parts, request);
  const run = patchedRunOf(hub.rows, row);
  const rules = patchRules(hub, parts.egressAllow ?? []);
  const baseRevision = row.state.revision;
  const judge = (operations: unknown): Verdict =>
    judgePatch(
      run,
      {
        author: { kind: "person", name: person, role },
        baseRevision,
        operations,
        reason: sentence,
      },
      { id: `${row.id}/proposed`, atMs: hub.stampMs(), policy: patchPolicy(rules) },
    );
  const proposal = await proposePatch(
    models,
    {
      sentence,
      graph: run.graph,
      stateOf: run.stateOf,
      capabilities: capabilitiesOf(parts, run.graph),
      judge(operations) {
        const verdict = judge(operations);
        return verdict.kind === "refused" ? verdict.faults : [];
      },
    },
    hub.clock.timeout(TIMEOUT.answerMs, signal),
  );
  if (proposal.kind === "question") return proposal;
  const { by, operations, tries } = proposal;
  const made = makeGraph(run.graph, operations as readonly GraphOperation[]); // judged just now
  const facts = {
    kind: "patch",
    by,
    tries,
    operations,
    difference: made.kind === "graph" ? differenceOf(run.graph, made.graph) : undefined,
  };
  if (!apply) {
    const needs = by === "model" || judge(operations).kind === "needsApproval";
    return { ...facts, applied: false, needsApproval: needs };
  }
  const command = {
    type: "runPatched" as const,
    run: row.id,
    by: { kind: "person" as const, role },
    operations,
    reason: by === "model" ? `${sentence} (a model wrote it)` : sentence,
    baseRevision,
    rules,
    ...(by === "model" ? { isUnseen: true as const } : {}),
  };
  const value = await act(hub, command, byOf(request), signal);
  const { ticket, revision } = value as { ticket?: string; revision: number }; // domains/run-patches.ts
  return {
    ...facts,
    applied: ticket === undefined,
    needsApproval: ticket !== undefined,
    revision,
    ...(ticket === undefined ? {} : { approval: ticket }),
  };
}

/** What machines offer, and what the graph uses already. */
function capabilitiesOf(
  { hub }: DeskParts,
  graph: Parameters<typeof visitAll>[0],
): readonly string[] {
  const offered = [...hub.rows.hot("node").values()]
    .filter(({ state }) => state === "alive")
    .flatMap(({ capabilities }) => capabilities.commands.map(({ name }) => `command:${name}`));
  const used = visitAll(graph).flatMap(({ node }) =>
    node.type === "task" ? [node.capability] : [],
  );
  return [...new Set([...offered, ...used])].toSorted();
}
