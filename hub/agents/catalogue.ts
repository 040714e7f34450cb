// The tools of this house, as data: each is a request to the desk with the rights of who asks. There is
// none that confirms, approves, answers questions or changes who may do what: no model can give a word
// that is a person's to give, and no test of its text is needed for that.

import { z } from "zod";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { ToolEffect } from "@gantry/shared/contract/agents.ts";
import type { HazardClass, Role } from "@gantry/shared/contract/roles.ts";
import { ROUTES, type RouteName } from "@gantry/shared/contract/routes.ts";
import { idSchema, nameSchema } from "@gantry/shared/contract/schemas/common.ts";
import type { LoopTool } from "./tool.ts";

type Args = Readonly<Record<string, unknown>>;

/** What the desk is asked. */
export interface ToolRequest {
  readonly route: RouteName;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Args;
  readonly body: Args;
}

export interface HouseTool extends LoopTool {
  readonly route: RouteName;
  /** Throws bad_request for arguments that the schema refuses. */
  request(given: unknown): ToolRequest;
  /** What it acts on. */
  deviceOf(given: Args): string | undefined;
}

interface Spec {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly route: RouteName;
  readonly hazard?: HazardClass;
  readonly effect?: ToolEffect;
  readonly isDestructive?: boolean;
  readonly isEmergencyStop?: boolean;
  readonly input?: Readonly<Record<string, z.ZodType>>;
  /** Which arguments stand in the path, under which name there. */
  readonly path?: Readonly<Record<string, string>>;
  /** Arguments of GET routes go into the query, others into the body. */
  readonly device?: string;
}

const id = (what: string): z.ZodType => idSchema.describe(`Id of the ${what}`);
const limit = z.number().int().min(1).max(100).optional().describe("How many, 1 to 100");
const queue = z.string().regex(/^[A-Za-z0-9._:-]{1,64}$/);
const workflow = z.string().min(1).max(200);

const SPECS: readonly Spec[] = [
  // printers and prints
  read("printers_list", "Printers", "All printers with state, bed and temperatures", "devices"),
  read("printer_get", "One printer", "One printer with its live state", "device", {
    input: { printer: id("printer") },
    path: { printer: "id" },
  }),
  read("prints_list", "Prints", "Print jobs, the newest first", "prints", { input: { limit } }),
  read("print_get", "One print", "State, progress and file of one print job", "print", {
    input: { print: id("print job") },
    path: { print: "id" },
  }),
  act(
    "print_again",
    "Print again",
    "Queue the file of a print once more; a person must confirm it",
    "printAgain",
    {
      input: { print: id("print job"), printer: id("printer").optional() },
      path: { print: "id" },
      device: "printer",
    },
  ),
  act("print_pause", "Pause a print", "Pause a running print", "printPaused", {
    hazard: "low",
    input: { print: id("print job") },
    path: { print: "id" },
    device: "print",
  }),
  act(
    "print_resume",
    "Resume a print",
    "Let a paused print go on: heat and motion begin",
    "printResumed",
    {
      hazard: "medium",
      input: { print: id("print job") },
      path: { print: "id" },
      device: "print",
    },
  ),
  act("print_cancel", "Cancel a print", "Give up a print; the part is lost", "printCancelled", {
    hazard: "low",
    isDestructive: true,
    input: { print: id("print job") },
    path: { print: "id" },
    device: "print",
  }),
  act(
    "bed_cleared",
    "Bed is clear",
    "Say that the bed of a printer is empty: only a person can see that",
    "bedCleared",
    {
      hazard: "medium",
      input: { printer: id("printer") },
      path: { printer: "id" },
      device: "printer",
    },
  ),
  act("emergency_stop", "Emergency stop", "Stop all printers at once, or one", "stop", {
    isDestructive: true,
    isEmergencyStop: true,
    input: { printer: id("printer").optional() },
    device: "printer",
  }),
  read("farm_board", "The farm", "Prints that wait, in order, and why each one does", "farm"),
  read("spools_list", "Spools", "Filament spools and what is left on them", "spools"),
  // parts
  read("cad_parts", "Parts", "Parts that can be made, with their parameters", "cadParts"),
  act(
    "cad_make",
    "Make a part",
    "Make a part from words, e.g. a box 40x30x20 with lid; with slice also G-code",
    "cadGenerated",
    {
      input: {
        prompt: z.string().min(1).max(2_000).describe("The part in words, with sizes in mm"),
        name: nameSchema.optional(),
        printer: id("printer").optional(),
        slice: z.literal(true).optional().describe("true: G-code too"),
      },
    },
  ),
  read("cad_job", "A part's job", "How far a part is, its size and files", "cadJob", {
    input: { job: id("part's job") },
    path: { job: "id" },
  }),
  act(
    "cad_print",
    "Print a part",
    "Queue a made part; a person must confirm the print",
    "cadPrinted",
    {
      input: { job: id("part's job"), printer: id("printer").optional() },
      path: { job: "id" },
      device: "printer",
    },
  ),
  // jobs, queues and commands
  read("jobs_list", "Jobs", "Queued work, the newest first", "jobs", { input: { limit } }),
  read("job_get", "One job", "One piece of work", "job", {
    input: { job: id("job") },
    path: { job: "id" },
  }),
  act("job_cancel", "Cancel a job", "Cancel queued work", "jobCancelled", {
    hazard: "low",
    isDestructive: true,
    input: { job: id("job") },
    path: { job: "id" },
    device: "job",
  }),
  act(
    "command_run",
    "Run a command",
    "Run an allow-listed command of a machine; a dangerous one waits for a person",
    "exec",
    {
      input: {
        command: z.string().min(1).max(120).describe("As machines_list names it"),
        args: z.record(z.string(), z.unknown()).optional(),
      },
      device: "command",
    },
  ),
  read("queues_list", "Queues", "Queues: what is ready, leased, dead", "queues"),
  read("queue_get", "One queue", "One queue with its policy", "queue", {
    input: { queue },
    path: { queue: "queue" },
  }),
  act(
    "queue_pause",
    "Pause a queue",
    "Start nothing of a queue until it is resumed",
    "queuePaused",
    {
      hazard: "low",
      input: { queue },
      path: { queue: "queue" },
      device: "queue",
    },
  ),
  act("queue_resume", "Resume a queue", "Let a paused queue go on", "queueResumed", {
    hazard: "low",
    input: { queue },
    path: { queue: "queue" },
    device: "queue",
  }),
  // workflows and runs
  read("workflows_list", "Workflows", "Workflows by name", "workflows", { input: { limit } }),
  read("workflow_get", "One workflow", "Versions, tags and graph of a workflow", "workflow", {
    input: { workflow: nameSchema },
    path: { workflow: "name" },
  }),
  act("run_start", "Start a workflow", "Start a run of a workflow that is kept", "runStarted", {
    hazard: "low",
    input: { workflow, inputs: z.record(z.string(), z.json()).optional() },
  }),
  read("runs_list", "Runs", "Runs of workflows, the newest first", "runs", { input: { limit } }),
  read("run_get", "One run", "State, nodes and result of a run", "run", {
    input: { run: id("run") },
    path: { run: "id" },
  }),
  act("run_cancel", "Cancel a run", "Cancel a run; what it did is undone", "runCancelled", {
    hazard: "low",
    isDestructive: true,
    input: { run: id("run"), reason: z.string().max(500).optional() },
    path: { run: "id" },
    device: "run",
  }),
  read("approvals_list", "Approvals", "Questions of runs that people must answer", "approvals"),
  // schedules
  read("schedules_list", "Schedules", "What runs by the clock, and when next", "schedules", {
    input: { limit },
  }),
  act(
    "schedule_pause",
    "Pause a schedule",
    "Let a schedule start nothing until resumed",
    "schedulePaused",
    {
      hazard: "low",
      input: { schedule: id("schedule") },
      path: { schedule: "id" },
      device: "schedule",
    },
  ),
  act("schedule_resume", "Resume a schedule", "Let a schedule go on", "scheduleResumed", {
    hazard: "low",
    input: { schedule: id("schedule") },
    path: { schedule: "id" },
    device: "schedule",
  }),
  act(
    "schedule_run",
    "Run a schedule now",
    "Start what a schedule starts, besides its times",
    "scheduleRun",
    {
      hazard: "medium",
      input: { schedule: id("schedule") },
      path: { schedule: "id" },
      device: "schedule",
    },
  ),
  // what is remembered, and documents
  read("memory_search", "Memory", "What is remembered of this person, by words", "memorySearched", {
    input: { q: z.string().min(1).max(500).describe("Words to look for") },
  }),
  act("memory_keep", "Remember", "Remember a fact about this person", "memoryKept", {
    hazard: "low",
    input: { text: z.string().min(1).max(500), about: z.string().min(1).max(80).optional() },
  }),
  read(
    "knowledge_search",
    "Documents",
    "Pieces of the house's documents, by words",
    "knowledgeSearched",
    {
      input: { q: z.string().min(1).max(500).describe("Words to look for") },
    },
  ),
  // the house
  read("machines_list", "Machines", "Machines, their models, printers and commands", "registry"),
  read("models_list", "Models", "Local models", "models"),
  read("flags_list", "Flags", "All flags", "flags"),
  read("cluster_status", "Cluster", "Hubs, the leader and how far each has come", "cluster"),
  read("costs", "Costs", "Answers, runs, tokens and money", "costs"),
];

type More = Pick<
  Spec,
  "input" | "path" | "device" | "hazard" | "isDestructive" | "isEmergencyStop"
>;

function read(
  name: string,
  title: string,
  description: string,
  route: RouteName,
  more: More = {},
): Spec {
  return { name, title, description, route, effect: "read", ...more };
}

/** The desk does it once under its replay key. */
function act(name: string, title: string, description: string, route: RouteName, more: More): Spec {
  return { name, title, description, route, effect: "replayed", ...more };
}

function toolOf(spec: Spec): HouseTool {
  const { name, title, description, route, hazard = "none", effect = "read", path = {} } = spec;
  const schema = z.strictObject(spec.input ?? {});
  const { $schema: _, ...inputSchema } = z.toJSONSchema(schema, { io: "input" });
  const { method, access } = ROUTES[route];
  return {
    name,
    title,
    description,
    inputSchema,
    hazardClass: hazard,
    effect,
    role: access as Role, // no public or wall route is among them
    isDestructive: spec.isDestructive ?? false,
    isIdempotent: effect === "read",
    isOpenWorld: false,
    ...(spec.isEmergencyStop === true ? { isEmergencyStop: true } : {}),
    route,
    request(given) {
      const result = schema.safeParse(given);
      if (!result.success) {
        const [issue] = result.error.issues;
        const where = issue?.path.map(String).join(".") || "arguments";
        throw new GantryError("bad_request", `${name}: ${where}: ${issue?.message}`);
      }
      const params: Record<string, string> = {};
      const rest: Record<string, unknown> = {};
      for (const [key, value] of Object.entries(result.data)) {
        if (value === undefined) continue;
        const place = path[key];
        if (place === undefined) rest[key] = value;
        else if (typeof value === "string") params[place] = value; // all that stand in a path are
      }
      const isGet = method === "GET";
      return { route, params, query: isGet ? rest : {}, body: isGet ? {} : rest };
    },
    deviceOf(given) {
      const device = spec.device === undefined ? undefined : given[spec.device];
      return typeof device === "string" ? device : undefined;
    },
  };
}

export const HOUSE_TOOLS: readonly HouseTool[] = SPECS.map(toolOf);
