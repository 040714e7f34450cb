// Patches of a run while it runs: they change this run's graph and nobody else's. The base stays.
//
// RP1. A patch is applied whole or not at all. It is judged here, in the log's order, whoever judged
//      before: what the rules are (hosts, hazards) comes in the command, so that every hub says the same.
// RP2. One that needs a person's word becomes a ticket and waits; it is judged anew when the word is
//      given, by then for the graph that the run has then.
// RP3. Each patch is kept with its inverse, its author and reason; taking it back is a patch, too.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { PatchRules } from "@gantry/shared/contract/run-commands.ts";
import type { TicketRow } from "@gantry/shared/contract/run-rows.ts";
import { isRunOver, NODE_STATES } from "../../workflow/engine-types.ts";
import { judgePatch } from "../../workflow/patches/judge.ts";
import { patchFault, patchRefused } from "../../workflow/patches/patch-fault.ts";
import { patchPolicy } from "../../workflow/patches/patch-policy.ts";
import type {
  AppliedPatch,
  Approver,
  PatchDraft,
  PatchedRun,
  Verdict,
} from "../../workflow/patches/patch-types.ts";
import { judgeRevert } from "../../workflow/patches/revert.ts";
import { frozenFaults } from "../../workflow/patching.ts";
import { appendOrder, type Context, rowOf } from "../context.ts";
import type { RunRow } from "../run-row.ts";
import { planFor, planOf } from "./plans.ts";
import { makeTurn } from "./run-turn.ts";
import { checkSize } from "./workflows.ts";

type Accepted = Extract<Verdict, { kind: "accepted" }>;

/** Revision N of a run is the base with the first N of these. */
const patchId = (run: RunRow): string => `${run.id}/${run.state.revision + 1}`;

export function runPatched(context: Context, command: CommandOf<"runPatched">): unknown {
  const row = rowOf(context, "run", command.run, "run");
  const { by, operations, reason, ifRevision, baseRevision, isUnseen, rules } = command;
  const draft: PatchDraft = {
    author:
      by.kind === "agent"
        ? { kind: "agent", place: by.place, role: row.role }
        : { kind: "person", name: command.actor, role: by.role },
    baseRevision: baseRevision ?? ifRevision ?? row.state.revision,
    ...(ifRevision === undefined ? {} : { ifMatch: ifRevision }),
    operations,
    reason,
    ...(isUnseen === undefined ? {} : { isUnseen }),
  };
  return judge(context, row, draft, rules, undefined);
}

/** The word was given (RP2). Throws what the patch is refused for by now. */
export function patchApproved(context: Context, ticket: TicketRow, approver: Approver): unknown {
  const row = rowOf(context, "run", ticket.run, "run");
  const asked = ticket.patch as { draft: PatchDraft; rules: PatchRules }; // as judge() made it
  return judge(context, row, asked.draft, asked.rules, approver);
}

export function runPatchReverted(
  context: Context,
  command: CommandOf<"runPatchReverted">,
): unknown {
  const row = rowOf(context, "run", command.run, "run");
  const verdict = judgeRevert(
    patchedRunOf(context.rows, row),
    {
      author: { kind: "person", name: command.actor, role: command.role },
      patch: `${row.id}/${command.patch}`,
      reason: command.reason,
    },
    { id: patchId(row), atMs: context.nowMs, policy: patchPolicy(command.rules) },
  );
  if (verdict.kind === "refused") throw refusalOf(verdict);
  if (verdict.kind === "needsApproval") throw patchRefused(verdict.faults, "forbidden");
  return install(context, row, verdict);
}

function judge(
  context: Context,
  row: RunRow,
  draft: PatchDraft,
  rules: PatchRules,
  approvedBy: Approver | undefined,
): unknown {
  const verdict = judgePatch(patchedRunOf(context.rows, row), draft, {
    id: patchId(row),
    atMs: context.nowMs,
    policy: patchPolicy(rules),
    ...(approvedBy === undefined ? {} : { approvedBy }),
  });
  if (verdict.kind === "refused") throw refusalOf(verdict);
  if (verdict.kind === "accepted")
    return draft.isUnseen === true && approvedBy === undefined
      ? ask(context, row, draft, rules, UNSEEN)
      : install(context, row, verdict);
  if (approvedBy !== undefined) throw patchRefused(verdict.faults, "forbidden");
  return ask(context, row, draft, rules, verdict);
}

/** RP2: who asked for it may say yes, too, once he has read it. */
const UNSEEN: Extract<Verdict, { kind: "needsApproval" }> = {
  kind: "needsApproval",
  role: "maker",
  faults: [patchFault("nobody_has_seen", "", "A model wrote it")],
};

/** What does not fit the graph is the author's to read again; what the graph itself gets wrong is not. */
function refusalOf({ faults }: Extract<Verdict, { kind: "refused" }>): GantryError {
  const isOperation = faults[0]?.pointer.startsWith("/operations") === true;
  return patchRefused(faults, isOperation ? "patch_conflict" : "workflow_invalid");
}

/** RP2. */
function ask(
  context: Context,
  row: RunRow,
  draft: PatchDraft,
  rules: PatchRules,
  { role, faults }: Extract<Verdict, { kind: "needsApproval" }>,
): unknown {
  const { rows, nowMs, position } = context;
  const id = `apr_${sha256(`${row.id} patch ${position}`).slice(0, 26)}`;
  const why = faults.map(({ message }) => message).join("; ");
  const ticket: TicketRow = {
    id,
    run: row.id,
    place: draft.author.kind === "agent" ? draft.author.place : "",
    workflow: row.workflow,
    state: "open",
    question: `Patch this run? ${draft.reason} (${why})`,
    roles: [role],
    people: [],
    approvals: 1,
    votes: [],
    isEscalated: false,
    dueMs: nowMs + LIFE.approvalMs,
    createdAtMs: nowMs,
    changedAtMs: nowMs,
    patch: { draft, rules },
  };
  rows.put("ticket", id, ticket);
  rows.put("run", row.id, { ...row, asked: [...(row.asked ?? []), id] });
  appendOrder(context, "tickets", id);
  context.audit("run.patch.asked", row.id, { ticket: id, reason: draft.reason });
  context.emit("approval.changed", id, ticket);
  return { run: row.id, revision: row.state.revision, ticket: id, touched: [] };
}

/** A run with its patches, as they are judged. */
export function patchedRunOf(rows: Context["rows"], row: RunRow): PatchedRun {
  const { state, definition } = row;
  const plan = planOf(rows, state.graph);
  const patches: AppliedPatch[] = [];
  for (let number = 1; number <= state.revision; number += 1) {
    const patch = rows.get("runPatch", `${row.id}/${number}`);
    if (patch !== undefined) patches.push(patch);
  }
  return {
    base: planOf(rows, definition).graph,
    patches,
    graph: plan.graph,
    isOver: isRunOver(state.state),
    stateOf(id) {
      const index = plan.root.indexOf.get(id);
      return index === undefined ? undefined : NODE_STATES[state.root.state[index] ?? 0];
    },
  };
}

/** All is known to fit: the engine's own rule is asked last, before anything is written. */
function install(context: Context, row: RunRow, { patch, graph }: Accepted): unknown {
  const { rows, command, nowMs } = context;
  checkSize(graph);
  const before = planOf(rows, row.state.graph);
  const plan = planFor(graph);
  const frozen = frozenFaults(before, row.state, plan);
  if (frozen.length > 0) {
    throw new GantryError(
      "patch_conflict",
      `The patch reaches what has passed: ${frozen[0]?.message}`,
      {
        details: { faults: frozen },
      },
    );
  }
  const { revision } = patch;
  const turn = makeTurn(context);
  const stale = turn.step(row.id, { kind: "patched", plan, revision }, command.actor);
  if (stale !== undefined)
    throw new GantryError("conflict", `The run does not take it: ${stale}`, { details: { stale } });
  if (rows.get("definition", plan.hash) === undefined) {
    const { actor: by } = command;
    rows.cool("definition", plan.hash, { sha256: plan.hash, graph, by, atMs: nowMs });
  }
  rows.cool("runPatch", patch.id, patch); // RP3
  context.audit("run.patched", row.id, { revision, reason: patch.reason, after: plan.hash });
  const { operations, reason } = patch;
  context.emit("run.patched", row.id, {
    run: row.id,
    number: revision,
    by: command.actor,
    reason,
    operations,
  });
  return { run: row.id, revision, touched: turn.end() };
}
