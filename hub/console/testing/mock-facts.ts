// Test equipment: the facts of a workshop that does not exist, in the shapes of contract/schemas.
// `workshop()` shows each kind of thing that the console can draw; `empty()` shows none.

import type { MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { ScheduleView } from "@gantry/shared/contract/schemas/schedules.ts";
import type { WebhookView } from "@gantry/shared/contract/schemas/webhooks.ts";
import type { Costs, MachineView } from "../src/core/views.ts";
import { SCHEDULES, WEBHOOKS } from "./mock-clockwork.ts";

export interface Facts {
  devices: DeviceView[];
  prints: PrintView[];
  jobs: JobView[];
  confirmations: ConfirmationView[];
  machines: MachineView[];
  conversations: { id: string; title: string; changedAt: string; messages: MessageView[] }[];
  flags: { key: string; value: unknown; revision: number }[];
  costs: Costs;
  schedules: readonly ScheduleView[];
  webhooks: readonly WebhookView[];
}

const SHA = "9f2c4e5a1b7d8033c1e6f0a4d2b59c7e8841f6a0b3d7c2e19584a6f0e3b1d7c5";
const at = (minutesAgo: number): string => new Date(Date.now() - minutesAgo * 60_000).toISOString();

export function device(id: string, members: Partial<DeviceView> = {}): DeviceView {
  return {
    id,
    kind: "printer",
    type: "marlin",
    node: "bench",
    machine: "bench",
    online: true,
    phase: "idle",
    simulated: true,
    sizeMm: { x: 220, y: 220, z: 250 },
    nozzleMaxC: 275,
    bedMaxC: 110,
    temperatures: { nozzleC: 22.4, nozzleTargetC: 0, bedC: 21.8, bedTargetC: 0 },
    bed: "clear",
    ...members,
  };
}

export function print(id: string, name: string, members: Partial<PrintView> = {}): PrintView {
  return {
    id,
    name,
    printer: "ender",
    state: "ready",
    progress: 0,
    startedCount: 0,
    by: "mara",
    createdAt: at(42),
    estimatedS: 5_520,
    gcode: {
      sha256: SHA,
      sizeBytes: 2_411_724,
      commands: 84_213,
      nozzleMaxC: 215,
      bedMaxC: 60,
      filamentMm: 8_420,
      layers: 148,
      hazards: ["Heats the nozzle to 215 °C and the bed to 60 °C", "Moves for 1 h 32 min"],
    },
    ...members,
  };
}

export function job(id: string, members: Partial<JobView> = {}): JobView {
  return {
    id,
    kind: "command",
    class: "normal",
    state: "ready",
    needs: "command:slice",
    by: "mara",
    attempts: 0,
    createdAt: at(8),
    changedAt: at(7),
    dead: false,
    ...members,
  };
}

export function confirmation(
  id: string,
  job: string,
  members: Partial<ConfirmationView> = {},
): ConfirmationView {
  return {
    id,
    phrase: "print gear-housing",
    hazardClass: "medium",
    summary: "Print gear-housing on prusa",
    hazards: ["Heats the nozzle to 215 °C and the bed to 60 °C", "Moves for 1 h 32 min"],
    tool: "print",
    args: { printer: "prusa", name: "gear-housing", sha256: SHA, job },
    state: "pending",
    person: "mara",
    expiresAt: new Date(Date.now() + 247_000).toISOString(),
    secondsLeft: 247,
    ...members,
  };
}

const machine = (id: string, state: string, models: readonly string[]): MachineView => ({
  id,
  name: id,
  bootId: `boot_${id}`,
  state,
  labels: { room: "workshop" },
  lastSeenMs: Date.now() - (state === "alive" ? 800 : 190_000),
  capabilities: {
    models: models.map((name) => ({ name, contextTokens: 4_096, slots: 2, sizeBytes: 397e6 })),
    commands: [{ name: "slice", summary: "Slice a model", hazard: "none", effect: "pure" }],
    printers: [{ id: "ender" }],
  },
});

const routing = (tier: "rule" | "local", model: string, latencyMs: number, cached = false) => ({
  tier,
  model,
  confidence: 1,
  cached,
  latencyMs,
  reason: tier === "rule" ? "A rule knows this" : "No rule matched",
  metadata: {},
});
const usage = { promptTokens: 212, completionTokens: 64, cachedTokens: 0, costMicroUsd: 0 };

const talk: MessageView[] = [
  { id: "m0", seq: 0, role: "user", text: "what is printing?", at: at(30), requestId: "r0" },
  {
    id: "m1",
    seq: 1,
    role: "assistant",
    text: "bracket-v2 is at 46 % on ender, about 49 minutes left. prusa is idle.",
    at: at(30),
    requestId: "r0",
    routing: routing("rule", "printers", 3),
    usage: { ...usage, promptTokens: 0, completionTokens: 0 },
  },
  {
    id: "m2",
    seq: 2,
    role: "user",
    text: "why do my PETG prints string so much?",
    at: at(12),
    requestId: "r1",
  },
  {
    id: "m3",
    seq: 3,
    role: "assistant",
    text: "Stringing with PETG has three usual causes:\n\n1. The nozzle is too hot. Try 5 °C steps from 240 °C down.\n2. Retraction is too short for a Bowden tube.\n3. The filament is wet. Dry it at 65 °C for 6 hours.\n\nA retraction test in the start code:\n\n```gcode\nM207 S4.5 F2400 ; 4.5 mm at 40 mm/s\nM104 S235\n```\nPrint two towers and compare.",
    at: at(12),
    requestId: "r1",
    routing: routing("local", "qwen2.5-0.5b-instruct-q4_k_m", 2_840),
    usage,
  },
];

export function workshop(): Facts {
  const error = { code: "command_failed", message: "slice ended with exit code 2" };
  return {
    schedules: SCHEDULES,
    webhooks: WEBHOOKS,
    devices: [
      device("ender", {
        phase: "printing",
        job: "prt_bracket",
        progress: 0.463,
        remainingS: 2_964,
        temperatures: { nozzleC: 214.6, nozzleTargetC: 215, bedC: 60.1, bedTargetC: 60 },
      }),
      device("prusa", { simulated: false, sizeMm: { x: 250, y: 210, z: 210 } }),
      device("voron", { bed: "part", bedJob: "prt_hinge", simulated: false }),
    ],
    prints: [
      print("prt_gear", "gear-housing", {
        state: "awaiting",
        printer: "prusa",
        waitsFor: "your confirmation",
        confirmation: confirmation("cfm_gear", "prt_gear"),
        createdAt: at(1),
      }),
      print("prt_bracket", "bracket-v2", {
        state: "printing",
        progress: 0.463,
        remainingS: 2_964,
        startedCount: 1,
        startedAt: at(41),
      }),
      print("prt_clip", "cable-clip", { state: "ready", waitsFor: "ender to be free" }),
      print("prt_hinge", "hinge", {
        state: "done",
        progress: 1,
        printer: "voron",
        startedCount: 1,
        startedAt: at(140),
        finishedAt: at(55),
        createdAt: at(150),
      }),
      print("prt_lid", "lid", {
        state: "interrupted",
        progress: 0.71,
        printer: "voron",
        startedCount: 1,
        startedAt: at(400),
        createdAt: at(410),
        error: { code: "interrupted", message: "The printer lost its power" },
      }),
    ],
    jobs: [
      job("job_slice", { state: "leased", node: "bench", attempts: 1 }),
      job("job_dead", { state: "failed", dead: true, attempts: 3, error }),
    ],
    confirmations: [confirmation("cfm_gear", "prt_gear")],
    machines: [
      machine("bench", "alive", ["qwen2.5-0.5b-instruct-q4_k_m"]),
      machine("gpu-box", "suspect", ["qwen2.5-7b-instruct-q4_k_m", "llama-3.2-3b"]),
    ],
    conversations: [
      {
        id: "cnv_petg",
        title: "why do my PETG prints string so much?",
        changedAt: at(12),
        messages: talk,
      },
      { id: "cnv_gear", title: "print gear-housing on prusa", changedAt: at(90), messages: [] },
    ],
    flags: [
      { key: "night-shift", value: true, revision: 118 },
      { key: "filament.default", value: { kind: "PETG", colour: "black" }, revision: 92 },
    ],
    costs: {
      total_cost_usd: 0.0182,
      answers: 214,
      cached_answers: 61,
      prompt_tokens: 48_120,
      completion_tokens: 19_402,
      by: [
        {
          day: "2026-11-21",
          person: "mara",
          tier: "local",
          model: "qwen2.5-0.5b-instruct-q4_k_m",
          answers: 41,
          cached_answers: 12,
          prompt_tokens: 9_120,
          completion_tokens: 3_802,
          cost_usd: 0,
        },
        {
          day: "2026-11-20",
          person: "jon",
          tier: "frontier",
          model: "gpt-4o",
          answers: 9,
          cached_answers: 0,
          prompt_tokens: 4_120,
          completion_tokens: 1_802,
          cost_usd: 0.0182,
        },
      ],
    },
  };
}

export const empty = (): Facts => ({
  schedules: [],
  webhooks: [],
  devices: [],
  prints: [],
  jobs: [],
  confirmations: [],
  machines: [],
  conversations: [],
  flags: [],
  costs: {
    total_cost_usd: 0,
    answers: 0,
    cached_answers: 0,
    prompt_tokens: 0,
    completion_tokens: 0,
    by: [],
  },
});
