// Views as a hub gives them, with defaults: what a test sets is what it is about.

import type { QueryReply } from "@gantry/shared/contract/schemas/asking.ts";
import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";

const AT = "2026-11-21T04:05:22.000Z";

export const confirmationView = (set: Partial<ConfirmationView> = {}): ConfirmationView => ({
  id: "cfm_1",
  phrase: "print bracket",
  hazardClass: "high",
  summary: "Print bracket on sim",
  hazards: ["heats the nozzle to 215 °C", "moves without anybody near"],
  tool: "print",
  args: {},
  state: "pending",
  person: "owner",
  expiresAt: AT,
  secondsLeft: 287,
  ...set,
});

export const queryReply = (set: Partial<QueryReply> = {}): QueryReply => ({
  requestId: "req_1",
  conversationId: "cnv_1",
  messageId: "msg_1",
  result: { output: "Hello", verbosity: 2 },
  routing: {
    tier: "local",
    model: "tiny",
    confidence: 1,
    cached: false,
    latencyMs: 12.4,
    reason: "",
    metadata: {},
  },
  usage: { promptTokens: 1, completionTokens: 1, cachedTokens: 0, costMicroUsd: 0 },
  requiresConfirmation: false,
  ...set,
});

export const printView = (set: Partial<PrintView> = {}): PrintView => ({
  id: "prt_1",
  name: "bracket",
  printer: "sim",
  state: "printing",
  progress: 0.42,
  startedCount: 1,
  by: "owner",
  createdAt: AT,
  estimatedS: 3_725,
  remainingS: 1_200,
  gcode: {
    sha256: "0".repeat(64),
    sizeBytes: 1_536,
    commands: 90,
    nozzleMaxC: 215,
    bedMaxC: 60,
    filamentMm: 1_234,
    layers: 10,
    hazards: ["heats the nozzle to 215 °C"],
  },
  ...set,
});

export const deviceView = (set: Partial<DeviceView> = {}): DeviceView => ({
  id: "sim",
  kind: "printer",
  type: "Marlin",
  node: "node-1",
  machine: "bench",
  online: true,
  phase: "printing",
  simulated: true,
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 110,
  temperatures: { nozzleC: 214.6, nozzleTargetC: 215, bedC: 59.8, bedTargetC: 60 },
  bed: "part",
  ...set,
});

export const jobView = (set: Partial<JobView> = {}): JobView => ({
  id: "job_1",
  kind: "command",
  class: "normal",
  state: "done",
  needs: "command:echo",
  by: "owner",
  attempts: 1,
  createdAt: AT,
  changedAt: AT,
  dead: false,
  ...set,
});
