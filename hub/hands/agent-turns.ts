// The loop that carries turns of agents on: asks a model, judges what it wants, does it, writes down what
// came of it. It runs on the leader; what it knows is in the row, so that another leader goes on.
//
// AT1. Nothing is begun that is not on record (AG2). A step of the house is done under a replay key of its
//      own: however often it is sent, by however many leaders, it happens once.
// AT2. A step of another server that was open when this reign began is not begun again: it is `unknown`.
// AT3. What is done is what was judged and agreed to: the hash of the arguments is compared again (AG5).
// AT4. A turn acts with the role that its person has now, and never with more than at its beginning.
// AT5. LIMIT.agentsAtWork turns work at a time, the oldest first; one that waits for a person takes no place.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type {
  AgentStep,
  AgentTurnRow,
  AgentVoice,
  StepDraft,
} from "@gantry/shared/contract/agents.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { CompletionMessage } from "@gantry/shared/contract/completions.ts";
import { type Role, ROLES } from "@gantry/shared/contract/roles.ts";
import type { Usage } from "@gantry/shared/contract/rows.ts";
import { ANSWER_TOOL, callSchema, readCall } from "../agents/grammar.ts";
import { suspicionOf } from "../agents/guard.ts";
import { nextMove, notesAtEnd } from "../agents/moves.ts";
import { judge, PRESENCE_FLAG, presenceOf, type Verdict } from "../agents/policy.ts";
import { actMessages, sayMessages } from "../agents/prompt.ts";
import type { LoopTool } from "../agents/tool.ts";
import { act, type By, type Hub, newId } from "../hub.ts";
import { bestRoleOf } from "../ledger/domains/people.ts";
import type { AgentTools } from "./agent-tools.ts";

const ANSWER_TOKENS = 400;
const CHARS_PER_TOKEN = 2;
const REST_MS = 5_000;
const NO_USAGE: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, costMicroUsd: 0 };
/** Said with the phrase, so that the phrase of yesterday is not the one of today. */
const WORDS =
  "amber birch cedar delta ember fjord grove heron indigo juniper kelp lotus maple north olive pearl quartz river sable tulip umber violet willow zephyr".split(
    " ",
  );

export interface AgentModel {
  /** Of the model that would answer. */
  contextTokens(model: string | undefined): number;
  say(
    request: {
      readonly model: string | undefined;
      /** Whose turn at the model it is. */
      readonly person: string;
      readonly messages: readonly CompletionMessage[];
      readonly temperature: number;
      readonly maxTokens: number;
      readonly jsonSchema?: unknown;
    },
    signal: AbortSignal,
  ): Promise<{ readonly text: string; readonly usage: Usage }>;
}

export interface ToolOrder {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly role: Role;
}

export type TurnDraft = Omit<Extract<CommandBody, { type: "agentTurnBegan" }>, "type" | "first">;

export interface AgentTurns {
  /** Carries on every turn until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  begin(draft: TurnDraft, by: By, signal: AbortSignal): Promise<AgentTurnRow>;
  /** One tool with an effect, as a turn of its own. Throws forbidden, bad_request, not_found. */
  order(order: ToolOrder, by: By, signal: AbortSignal): Promise<AgentTurnRow>;
  /** Resolves when it has ended or waits for a person, or when the signal aborts. */
  settled(turn: string, signal: AbortSignal): Promise<AgentTurnRow>;
  readonly tools: AgentTools;
}

export interface AgentTurnsParts {
  readonly hub: Hub;
  readonly tools: AgentTools;
  readonly model: AgentModel;
  /** Turns that work at a time; left out: LIMIT.agentsAtWork. 1 keeps their order. */
  readonly atWorkMax?: number;
}

export function makeAgentTurns(parts: AgentTurnsParts): AgentTurns {
  const { hub, tools, model, atWorkMax = LIMIT.agentsAtWork.max } = parts;
  const { rows, clock } = hub;
  const turns = (): ReadonlyMap<string, AgentTurnRow> => rows.hot("agentTurn");

  // ── who may do what ───────────────────────────────────────────────────────────────────────────

  /** AT4. Throws forbidden. */
  function roleNow({ person, role }: AgentTurnRow): Role {
    const best = bestRoleOf(rows, person, hub.stampMs());
    const now = best && ROLES[Math.min(ROLES.indexOf(best), ROLES.indexOf(role))];
    if (now === undefined) throw new GantryError("forbidden", `${person} has no valid token now`);
    return now;
  }

  /** A tool of another server whose description reads like an order makes all it is offered with suspicious. */
  function verdictOf(
    tool: LoopTool,
    role: Role,
    steps: readonly AgentStep[],
    offered: readonly LoopTool[],
  ): Verdict {
    return judge({
      hazardClass: tool.hazardClass,
      effect: tool.effect,
      role,
      needed: tool.role,
      presence: presenceOf(rows.get("flag", PRESENCE_FLAG)?.value),
      isTainted:
        steps.some(({ suspicion }) => suspicion !== undefined) || offered.some(isSuspicious),
      isEmergencyStop: tool.isEmergencyStop === true,
    });
  }

  function draftOf(
    tool: LoopTool,
    given: ToolOrder["arguments"],
    verdict: Exclude<Verdict, { kind: "refused" }>,
    facts: Pick<StepDraft, "n" | "agent" | "usage">,
  ): StepDraft {
    const device = tools.check(tool.name, given);
    const { effect, hazardClass, name } = tool;
    const draft = { ...facts, tool: name, arguments: given, effect, hazardClass };
    const aimed = device === undefined ? draft : { ...draft, device };
    if (verdict.kind === "allowed") return aimed;
    const word = WORDS[Math.floor(hub.random() * WORDS.length)];
    const said = name.replaceAll(/[^A-Za-z0-9]+/gu, " ").toLowerCase();
    const what = JSON.stringify(given).slice(0, 300);
    return {
      ...aimed,
      confirmation: {
        id: newId(hub, "cfm"),
        phrase: `confirm ${said} ${word}`,
        summary: `${tool.title} ${what}`,
        hazardClass,
        hazards: [verdict.why],
        expiresAtMs: hub.stampMs() + LIFE.confirmationMs,
        nonce: newId(hub, "req"),
        people: verdict.people,
      },
    };
  }

  // ── one turn ──────────────────────────────────────────────────────────────────────────────────

  const write = (row: AgentTurnRow, body: CommandBody, signal: AbortSignal): Promise<unknown> =>
    act(hub, body, byOf(row), signal);

  /** `doubtful`: the step that was open when this reign began, if it may not be sent twice. */
  async function carryOn(
    id: string,
    doubtful: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      const row = turns().get(id);
      if (row === undefined) return;
      const move = nextMove(row, hub.stampMs());
      switch (move.kind) {
        case "rest":
          return;
        case "do":
          await doStep(row, move.step, move.step.n === doubtful, signal);
          break;
        case "act":
          await think(row, move.isAnswerOnly, signal);
          break;
        case "say":
          await hear(row, move.voices, move.heard, signal);
          break;
        case "merge":
          await merge(row, move.heard, signal);
          break;
        case "end": {
          const { kind: _, ...end } = move;
          await write(
            row,
            { type: "agentTurnEnded", turn: id, agent: "solo", usage: NO_USAGE, ...end },
            signal,
          );
          return;
        }
      }
    }
  }

  async function doStep(
    row: AgentTurnRow,
    step: AgentStep,
    isDoubtful: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { id: turn } = row;
    const { n } = step;
    const outcome = await outcomeOf(row, step, isDoubtful, signal);
    await write(row, { type: "agentStepEnded", turn, n, outcome }, signal);
  }

  type Outcome = Extract<CommandBody, { type: "agentStepEnded" }>["outcome"];

  async function outcomeOf(
    row: AgentTurnRow,
    step: AgentStep,
    isDoubtful: boolean,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { tool = "", arguments: given = {}, n } = step;
    if (isDoubtful && step.effect === "once") {
      const message = `${tool} may have been done; it is not sent again`; // AT2
      return { state: "unknown", error: { code: "outcome_unknown", message } };
    }
    try {
      if (digestOf(given) !== step.argumentsSha256)
        throw new GantryError("data_damaged", "The arguments are not those that were agreed to"); // AT3
      const caller = {
        person: row.person,
        role: roleNow(row),
        requestId: row.requestId,
        key: `agent:${row.id}:${n}`, // AT1
      };
      const value = await tools.call(tool, given, caller, signal);
      const result = textOf(value);
      const suspicion = suspicionOf(result);
      return { state: "done", result, ...(suspicion === undefined ? {} : { suspicion }) };
    } catch (error) {
      if (signal.aborted) throw error; // it stays open: the next leader does it
      const record = toErrorRecord(error);
      const state = record.code === "outcome_unknown" ? "unknown" : "failed";
      return { state, error: { code: record.code, message: record.message } };
    }
  }

  /** The model is asked what to do next. */
  async function think(
    row: AgentTurnRow,
    isAnswerOnly: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { id: turn, steps } = row;
    await orEnd(row, "solo", signal, async () => {
      const role = roleNow(row);
      const offered = tools
        .offered(role)
        .filter(({ name }) => row.tools === undefined || row.tools.includes(name));
      const budgetChars = (model.contextTokens(row.model) * CHARS_PER_TOKEN) / 2;
      const said = await model
        .say(
          {
            model: row.model,
            person: row.person,
            messages: actMessages(row, offered, budgetChars),
            // What was no call at 0 would be none again.
            temperature: Math.min(1, notesAtEnd(steps) * 0.4),
            maxTokens: ANSWER_TOKENS,
            jsonSchema: callSchema(offered, isAnswerOnly),
          },
          withinTime(row, signal),
        )
        .catch(noCall);
      const { text, usage } = said;
      const n = steps.length;
      const note = (why: string): CommandBody => ({
        type: "agentSaid",
        turn,
        n,
        agent: "solo",
        text: why,
        usage,
      });
      const call = readCall(text);
      if (call?.tool === ANSWER_TOOL || (isAnswerOnly && call === undefined)) {
        const answer = call === undefined ? text : answerOf(call.arguments);
        return { type: "agentTurnEnded", turn, agent: "solo", text: answer, usage };
      }
      if (isAnswerOnly) {
        const error = { code: "budget_spent" as const, message: "Its steps are spent" }; // MV2
        return { type: "agentTurnEnded", turn, agent: "solo", error, usage };
      }
      if (call === undefined) return note("The reply was not a call of a tool");
      const tool = offered.find(({ name }) => name === call.tool);
      if (tool === undefined) return note(`There is no tool ${call.tool.slice(0, 128)}`);
      const verdict = verdictOf(tool, role, steps, offered);
      if (verdict.kind === "refused") return note(`${tool.name} is refused: ${verdict.why}`);
      try {
        const step = draftOf(tool, call.arguments, verdict, { n, agent: "solo", usage });
        return { type: "agentStepPlanned", turn, step };
      } catch (error) {
        return note(toErrorRecord(error).message);
      }
    });
  }

  /** Voices speak at the same time; what they say is written in their order. */
  async function hear(
    row: AgentTurnRow,
    voices: readonly AgentVoice[],
    heard: readonly AgentStep[],
    signal: AbortSignal,
  ): Promise<void> {
    const limited = withinTime(row, signal);
    const task = row.mode === "pipeline" ? PIPELINE : heard.length === 0 ? PROPOSE : ANSWER_OTHERS;
    const said = await Promise.all(
      voices.map((voice) =>
        model
          .say(
            {
              model: voice.model ?? row.model,
              person: row.person,
              messages: sayMessages(row.goal, voice, heard, task),
              temperature: voice.temperature ?? 0.7,
              maxTokens: ANSWER_TOKENS,
            },
            limited,
          )
          .catch((error: unknown) => {
            if (signal.aborted) throw error;
            return { text: "", usage: NO_USAGE, error: toErrorRecord(error) };
          }),
      ),
    );
    const failed = said.flatMap((one) => ("error" in one ? [one.error] : []));
    const [error] = failed;
    if (error !== undefined && (failed.length === said.length || row.mode === "pipeline")) {
      await write(
        row,
        { type: "agentTurnEnded", turn: row.id, agent: "judge", error, usage: NO_USAGE },
        signal,
      );
      return;
    }
    for (const [place, { text, usage }] of said.entries()) {
      const n = row.steps.length + place;
      const agent = voices[place]?.name ?? "solo";
      await write(row, { type: "agentSaid", turn: row.id, n, agent, text, usage }, signal);
    }
  }

  async function merge(
    row: AgentTurnRow,
    heard: readonly AgentStep[],
    signal: AbortSignal,
  ): Promise<void> {
    await orEnd(row, "judge", signal, async () => {
      const { text, usage } = await model.say(
        {
          model: row.model,
          person: row.person,
          messages: sayMessages(row.goal, { name: "judge" }, heard, JUDGE),
          temperature: 0,
          maxTokens: ANSWER_TOKENS,
        },
        withinTime(row, signal),
      );
      return { type: "agentTurnEnded", turn: row.id, agent: "judge", text, usage };
    });
  }

  /** Writes what `work` gives; what it throws ends the turn, unless the reign is over. */
  async function orEnd(
    row: AgentTurnRow,
    agent: string,
    signal: AbortSignal,
    work: () => Promise<CommandBody>,
  ): Promise<void> {
    let body: CommandBody;
    try {
      body = await work();
    } catch (cause) {
      if (signal.aborted) throw cause;
      const { code, message } = toErrorRecord(cause);
      body = {
        type: "agentTurnEnded",
        turn: row.id,
        agent,
        error: { code, message },
        usage: NO_USAGE,
      };
    }
    await write(row, body, signal);
  }

  const withinTime = (
    { budget, spentMs, sinceMs }: AgentTurnRow,
    signal: AbortSignal,
  ): AbortSignal =>
    clock.timeout(Math.max(1, budget.timeMs - spentMs - (hub.stampMs() - sinceMs)), signal);

  // ── all turns ─────────────────────────────────────────────────────────────────────────────────

  async function run(signal: AbortSignal): Promise<void> {
    const doubtful = new Map(
      [...turns().values()].flatMap(({ id, steps }) => {
        const last = steps.at(-1);
        return last?.state === "ready" ? [[id, last.n] as const] : [];
      }),
    );
    const atWork = new Map<string, AbortController>();
    const resting = new Set<string>(); // what failed for a cause outside of the turn
    const wake = (id: string): void => {
      resting.delete(id);
      look();
    };
    const look = (): void => {
      for (const [id, end] of atWork) {
        if (!turns().has(id)) end.abort(new GantryError("cancelled", "The turn is over"));
      }
      const open = [...turns().values()].filter(
        ({ id, state }) => state === "running" && !atWork.has(id) && !resting.has(id),
      );
      const oldest = open.toSorted(
        (a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1),
      );
      for (const { id } of oldest) {
        if (atWork.size >= atWorkMax || signal.aborted) return; // AT5
        const end = new AbortController();
        atWork.set(id, end);
        void work(id, AbortSignal.any([end.signal, signal]));
      }
    };
    async function work(id: string, ended: AbortSignal): Promise<void> {
      try {
        await carryOn(id, doubtful.get(id), ended);
      } catch (error) {
        if (ended.aborted || !turns().has(id)) return;
        hub.log.error({ turn: id, error: toErrorRecord(error) }, "a turn rests for a while");
        resting.add(id);
        void clock.sleep(REST_MS, signal).then(() => wake(id), never);
      } finally {
        atWork.delete(id);
        doubtful.delete(id);
        if (!signal.aborted) look();
      }
    }
    hub.feed.watch(look, signal, ["agent.changed"]);
    look();
    await new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      else signal.addEventListener("abort", resolve, { once: true });
    });
  }

  function isSettled(turn: string): AgentTurnRow | undefined {
    const row = rows.get("agentTurn", turn);
    return row !== undefined && row.state !== "running" ? row : undefined;
  }

  function settled(turn: string, signal: AbortSignal): Promise<AgentTurnRow> {
    const now = isSettled(turn) ?? (signal.aborted ? rows.get("agentTurn", turn) : undefined);
    if (now !== undefined) return Promise.resolve(now);
    return new Promise((resolve, reject) => {
      const done = new AbortController();
      const finish = (): void => {
        const row = isSettled(turn) ?? (signal.aborted ? rows.get("agentTurn", turn) : undefined);
        if (row === undefined && !signal.aborted) return;
        done.abort();
        if (row === undefined) reject(new GantryError("not_found", `There is no turn ${turn}`));
        else resolve(row);
      };
      signal.addEventListener("abort", finish, { once: true, signal: done.signal });
      hub.feed.watch(finish, done.signal, ["agent.changed"]);
    });
  }

  async function begin(
    draft: TurnDraft & { readonly first?: StepDraft },
    by: By,
    signal: AbortSignal,
  ): Promise<AgentTurnRow> {
    const body = { type: "agentTurnBegan" as const, ...draft };
    const { turn } = (await act(hub, body, by, signal)) as { turn: string }; // domains/agents.ts
    const row = rows.get("agentTurn", turn);
    if (row === undefined) throw new GantryError("internal", "A turn that began is not there");
    return row;
  }

  return {
    run,
    begin,
    async order({ tool: name, arguments: given, role }, by, signal) {
      const tool = tools.find(name);
      const verdict = verdictOf(tool, role, [], [tool]);
      if (verdict.kind === "refused")
        throw new GantryError("forbidden", `${name} is refused: ${verdict.why}`);
      const first = draftOf(tool, given, verdict, { n: 0, agent: "caller", usage: NO_USAGE });
      const budget = { stepsMax: 1, tokensMax: 1, timeMs: LIFE.confirmationMs, costMaxMicroUsd: 0 };
      const turn = newId(hub, "trn");
      const draft = {
        turn,
        role,
        goal: name,
        mode: "call" as const,
        voices: [],
        rounds: 1,
        budget,
      };
      return begin({ ...draft, first }, by, signal);
    },
    settled,
    tools,
  };
}

const byOf = ({ person, requestId }: AgentTurnRow): By => ({ actor: person, requestId });

/** Of another server: its words are not ours. */
const isSuspicious = ({ server, description }: LoopTool): boolean =>
  server !== undefined && suspicionOf(description) !== undefined;

/** A model that gave no call may give one when it is told so; all else ends the turn. */
function noCall(error: unknown): { text: string; usage: Usage } {
  if (toErrorRecord(error).code !== "model_failed") throw error;
  return { text: "", usage: NO_USAGE };
}

const never = (): void => {}; // the reign is over

const PROPOSE = "Say what you think is the best answer, in few sentences, and why.";
const ANSWER_OTHERS =
  "Others have answered. Say where they are right and wrong, then your answer now, in few sentences.";
const PIPELINE = "Do your part with what the one before you has made, and give only the result.";
const JUDGE =
  "You judge. Merge what the others said into one answer: keep what is agreed and well reasoned, name what stays open.";

function answerOf(given: Readonly<Record<string, unknown>>): string {
  const { text } = given;
  return typeof text === "string" ? text : JSON.stringify(given);
}

const CUT = " … (cut)";

function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  const room = LIMIT.agentResultChars.max;
  return text.length <= room ? text : `${text.slice(0, room - CUT.length)}${CUT}`;
}
