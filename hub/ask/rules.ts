// Answers of the built-in intents: read off the ledger, or an order turned into the effects of one
// log entry. No model, no wait.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type {
  AnswerEffect,
  ConfirmationDraft,
  PrintDraft,
} from "@gantry/shared/contract/commands.ts";
import { HAZARD_POLICY, mayAct, type Role } from "@gantry/shared/contract/roles.ts";
import type { DeviceRow, GcodeFacts, PrintRow, QuestionRow } from "@gantry/shared/contract/rows.ts";
import { HELP, type Intent } from "../asking/intents.ts";
import { describePrint, printView } from "../desk/views.ts";
import { PART_MENU } from "@gantry/shared/cad/describe.ts";
import type { MakeView } from "@gantry/shared/contract/schemas/cad.ts";
import { type By, type Hub, newId } from "../hub.ts";
import type { PressStop } from "../hands/stop.ts";
import type { Library } from "./library.ts";

export interface RuleAnswer {
  readonly text: string;
  readonly effects: readonly AnswerEffect[];
}

export interface RuleParts {
  readonly hub: Hub;
  readonly library: Library;
  readonly stop: PressStop;
  /** Begins to make what these words say. Left out: no parts are made. */
  readonly make?: (prompt: string, by: By, signal: AbortSignal) => Promise<MakeView>;
}

const say = (text: string, ...effects: AnswerEffect[]): RuleAnswer => ({ text, effects });

export async function answerIntent(
  parts: RuleParts,
  intent: Intent,
  question: QuestionRow,
  signal: AbortSignal,
): Promise<RuleAnswer> {
  const { hub } = parts;
  switch (intent.type) {
    case "help":
      return say(HELP);
    case "status":
      return say(statusText(hub));
    case "devices":
      return say(devicesText(hub));
    case "jobs":
      return say(jobsText(hub));
    case "print":
      return orderPrint(parts, intent, question, signal);
    case "wish":
      return orderWish(hub, intent, question);
    case "parts":
      return say(PART_MENU.map(({ title, summary }) => `- **${title}**: ${summary}`).join("\n"));
    case "make":
      return orderPart(parts, intent.prompt, question, signal);
    case "bedCleared": {
      needRole(question.role, "operator", "saying that a bed is clear");
      const device = pickPrinter(hub, intent.printer, ({ bed }) => bed === "part");
      return say(`Noted: the bed of ${device.id} is clear.`, {
        type: "bedCleared",
        device: device.id,
      });
    }
    case "stop": {
      const by = { actor: question.person, requestId: question.requestId };
      const { stopped, unreachable } = await parts.stop(intent.printer, by, signal);
      const done =
        stopped.length === 0 ? "No printer confirmed the stop." : `Stopped: ${stopped.join(", ")}.`;
      const missing =
        unreachable.length === 0
          ? ""
          : ` NOT reached: ${unreachable.join(", ")}: use the switch at the machine.`;
      return say(`${done}${missing}`);
    }
  }
}

function needRole(role: Role, needed: Role, what: string): void {
  if (mayAct(role, needed)) return;
  throw new GantryError("forbidden", `For ${what} you need the role ${needed}; yours is ${role}`);
}

async function orderPrint(
  { hub, library }: RuleParts,
  intent: Extract<Intent, { type: "print" }>,
  question: QuestionRow,
  signal: AbortSignal,
): Promise<RuleAnswer> {
  needRole(question.role, "maker", "printing");
  const device = pickPrinter(hub, intent.printer, () => true);
  const { name, gcode } = await library.find(intent.file, device, signal);
  const draft = draftPrint(hub, {
    printer: device.id,
    name,
    gcode,
    conversation: question.conversation,
  });
  const minutes = Math.max(1, Math.round(gcode.estimatedS / 60));
  const facts = `${name} on ${device.id}: about ${minutes} min, nozzle ${gcode.nozzleMaxC} °C, bed ${gcode.bedMaxC} °C, ${gcode.layers} layers.`;
  const wait =
    draft.confirmation === undefined
      ? "It is in the queue."
      : `To start it, say: ${draft.confirmation.phrase}`;
  return say(`${facts} ${wait}`, { type: "print", ...draft });
}

/** Before the answer is on record: a crash between them is harmless, the same words give the same part. */
async function orderPart(
  { make }: RuleParts,
  prompt: string,
  question: QuestionRow,
  signal: AbortSignal,
): Promise<RuleAnswer> {
  needRole(question.role, "maker", "making parts");
  if (make === undefined) throw new GantryError("capability_missing", "No parts are made here");
  const by = { actor: question.person, requestId: question.requestId };
  const { id, summary, state } = await make(prompt, by, signal);
  const now = state === "done" ? "It is made already" : "It is being made";
  return say(
    `${summary}.\n\n${now}: ${id}. See it on the page Make, or: npx gantry make --job ${id}`,
  );
}

export interface PrintWanted {
  readonly printer: string;
  readonly name: string;
  readonly gcode: GcodeFacts;
  readonly conversation?: string;
}

/**
 * The draft of a print with the confirmation that the hazard policy asks for: heat and motion are
 * `medium`. `where`: as a person is told it.
 */
export function draftPrint(hub: Hub, wanted: PrintWanted, where = wanted.printer): PrintDraft {
  const draft = { job: newId(hub, "prt"), ...wanted };
  if (!HAZARD_POLICY.medium.confirms) return draft;
  const { name, printer, gcode } = wanted;
  const confirmation: ConfirmationDraft = {
    id: newId(hub, "cfm"),
    // Begins with a word that no intent begins with: after its time is over it can start nothing.
    phrase: `confirm print ${name} on ${printer}`,
    summary: `Print ${name} on ${where}`,
    hazardClass: "medium",
    hazards: gcode.hazards,
    expiresAtMs: hub.stampMs() + LIFE.confirmationMs,
  };
  return { ...draft, confirmation };
}

function orderWish(
  hub: Hub,
  intent: Extract<Intent, { type: "wish" }>,
  question: QuestionRow,
): RuleAnswer {
  needRole(
    question.role,
    "operator",
    `${intent.wish === "resume" ? "resuming" : `${intent.wish}ing`.replace("eing", "ing")} a print`,
  );
  const job = pickJob(hub, intent);
  const told = { pause: "Pausing", resume: "Resuming", cancel: "Cancelling" }[intent.wish];
  return say(`${told} ${job.name} on ${job.printer}.`, {
    type: "printWish",
    job: job.id,
    wish: intent.wish,
  });
}

function pickJob(hub: Hub, { wish, target, printer }: Extract<Intent, { type: "wish" }>): PrintRow {
  const jobs = [...hub.rows.hot("print").values()].filter(
    (job) => printer === undefined || job.printer.toLowerCase() === printer.toLowerCase(),
  );
  if (target !== undefined) {
    const named = hub.rows.get("print", target);
    if (named === undefined) throw new GantryError("not_found", `There is no print job ${target}`);
    return named;
  }
  const fitting = jobs.filter(({ state }) =>
    wish === "resume"
      ? state === "paused"
      : wish === "pause"
        ? state === "printing"
        : state === "printing" || state === "paused",
  );
  const candidates = fitting.length === 0 && wish === "cancel" ? jobs : fitting;
  const [only, ...others] = candidates;
  if (only === undefined) throw new GantryError("conflict", `There is no print to ${wish} now`);
  if (others.length > 0) {
    const names = candidates
      .map(({ id, name, printer: on }) => `${name} on ${on} (${id})`)
      .join("; ");
    throw new GantryError("conflict", `Which one? ${names}`);
  }
  return only;
}

function pickPrinter(
  hub: Hub,
  named: string | undefined,
  fits: (device: DeviceRow) => boolean,
): DeviceRow {
  const devices = [...hub.rows.hot("device").values()];
  const names = devices.map(({ id }) => id).join(", ");
  if (named !== undefined) {
    const found = devices.find(({ id }) => id.toLowerCase() === named.toLowerCase());
    if (found !== undefined) return found;
    throw new GantryError(
      "not_found",
      `There is no printer ${named}; there are: ${names === "" ? "none" : names}`,
    );
  }
  const [only, ...others] = devices.filter(fits);
  if (only === undefined)
    throw new GantryError(
      "conflict",
      devices.length === 0 ? "There is no printer yet" : "No printer needs that now",
    );
  if (others.length > 0) throw new GantryError("conflict", `Which printer? ${names}`);
  return only;
}

function devicesText(hub: Hub): string {
  const lines = [...hub.rows.hot("device").values()].map((device) => {
    const live = device.isOnline ? hub.soft.printer(device.id) : undefined;
    const heat = live?.temperatures;
    const warm =
      heat === undefined
        ? ""
        : `, nozzle ${Math.round(heat.nozzleC)} °C, bed ${Math.round(heat.bedC)} °C`;
    const bed = device.bed === "part" ? ", a part is in the bed" : "";
    return `- **${device.id}**: ${device.isOnline ? (live?.phase ?? device.printer.phase) : "offline"}${warm}${bed}`;
  });
  return lines.length === 0
    ? "There is no printer yet. Start a node with GANTRY_PRINTERS set."
    : lines.join("\n");
}

function jobsText(hub: Hub): string {
  const lines = [...hub.rows.hot("print").values()].map((row) => {
    const view = printView(hub.rows, row, hub.soft.printer(row.printer), hub.stampMs());
    return `- ${describePrint(view, view.waitsFor)}`;
  });
  const queued = hub.rows.hot("job").size;
  if (queued > 0) lines.push(`- ${queued} other ${queued === 1 ? "job" : "jobs"} in the queue`);
  return lines.length === 0 ? "Nothing is printing and the queue is empty." : lines.join("\n");
}

function statusText(hub: Hub): string {
  const nodes = [...hub.rows.hot("node").values()].filter(({ state }) => state !== "removed");
  const alive = nodes.filter(({ state }) => state === "alive");
  const models = alive.flatMap(({ capabilities }) => capabilities.models.map(({ name }) => name));
  const waiting = [...hub.rows.hot("confirmation").values()].map(
    ({ summary, phrase }) => `- ${summary}: say "${phrase}"`,
  );
  const parts = [
    `${alive.length} of ${nodes.length} machines are up; models: ${models.length === 0 ? "none" : [...new Set(models)].join(", ")}.`,
    devicesText(hub),
    jobsText(hub),
    ...(waiting.length === 0 ? [] : [`Waiting for a word:\n${waiting.join("\n")}`]),
  ];
  return parts.join("\n\n");
}
