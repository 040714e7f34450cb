// Test equipment: a ledger over a disk in memory, and one constructor for each thing a test is about.
// What a test does not care about has a default here, so each option that it sets means something.

import { assert, present } from "@gantry/shared/base/assert.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { ErrorCode } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type {
  Command,
  CommandBody,
  ConfirmationDraft,
  JobDraft,
  PrintDraft,
  Reply,
} from "@gantry/shared/contract/commands.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { AuditRow, GcodeFacts, Routing, Usage } from "@gantry/shared/contract/rows.ts";
import { applyEntry, type Ledger } from "../apply.ts";
import type { JournalRow } from "../journal.ts";
import { HOT_PREFIX, makeRows, type Rows } from "../rows.ts";
import { startStateHash } from "../state-hash.ts";

export const START_MS = 1_700_000_000_000;

export interface LedgerRig {
  readonly ledger: Ledger;
  readonly rows: Rows;
  /** Every entry applied so far. */
  readonly entries: readonly (readonly Command[])[];
  readonly events: readonly LedgerEvent[];
  apply(...commands: readonly Command[]): readonly Reply[];
  /** Applies one command, which must be allowed; gives its value. */
  act(body: CommandBody, envelope?: Partial<Command>): Record<string, unknown>;
  /** Applies one command, which must be refused; gives the code. */
  refuse(body: CommandBody, envelope?: Partial<Command>): ErrorCode;
  /** Time of the commands that follow, ms after START_MS. */
  at(afterMs: number): void;
  /** Writes all changed rows to the disk in memory. */
  checkpoint(): void;
  /** Checkpoints, then reads everything anew from the disk, as a start of the hub does. */
  restart(): void;
  audit(): readonly AuditRow[];
  stateHash(): string;
}

export function makeLedgerRig(): LedgerRig {
  const disk = new Map<string, string>();
  const entries: (readonly Command[])[] = [];
  const events: LedgerEvent[] = [];
  let atMs = START_MS;

  const keys = (prefix: string): string[] =>
    [...disk.keys()].filter((key) => key.startsWith(prefix)).toSorted();
  const read = (key: string): unknown => JSON.parse(present(disk.get(key), key));
  const open = (): Rows =>
    makeRows(
      (key) => disk.get(key),
      keys(HOT_PREFIX).map((key) => [key, read(key)] as const),
    );
  const ledger = { rows: open(), position: 0 };

  function apply(...commands: readonly Command[]): readonly Reply[] {
    const entry = structuredClone(commands);
    entries.push(entry);
    const applied = applyEntry(ledger, entry);
    events.push(...applied.events);
    return applied.replies;
  }

  function applyOne(body: CommandBody, envelope: Partial<Command> = {}): Reply {
    const [reply] = apply(command(body, { atMs, ...envelope }));
    return present(reply, "a reply");
  }

  function checkpoint(): void {
    for (const { key, row } of ledger.rows.takeBatch()) {
      if (row === undefined) disk.delete(key);
      else disk.set(key, JSON.stringify(row));
    }
    ledger.rows.batchStored();
  }

  return {
    ledger,
    get rows() {
      return ledger.rows;
    },
    entries,
    events,
    apply,
    act(body, envelope) {
      const reply = applyOne(body, envelope);
      assert(reply.ok, `${body.type} was refused: ${JSON.stringify(reply)}`);
      return reply.value as Record<string, unknown>; // every handler answers with an object
    },
    refuse(body, envelope) {
      const reply = applyOne(body, envelope);
      assert(!reply.ok, `${body.type} was not refused`);
      return reply.error.code;
    },
    at(afterMs) {
      atMs = START_MS + afterMs;
    },
    checkpoint,
    restart() {
      checkpoint();
      ledger.rows = open();
    },
    audit() {
      checkpoint();
      return keys("cold/journal/").flatMap((key) => (read(key) as JournalRow).audit);
    },
    stateHash() {
      checkpoint();
      const hasher = startStateHash();
      for (const key of keys("")) hasher.add(key, read(key));
      return hasher.hex();
    },
  };
}

// ── constructors ────────────────────────────────────────────────────────────────────────────────

export const command = (body: CommandBody, envelope: Partial<Command> = {}): Command =>
  ({ atMs: START_MS, actor: "ada", requestId: "req_1", ...body, ...envelope }) as Command; // an envelope and one body make a command

export const confirmation = (facts: Partial<ConfirmationDraft> = {}): ConfirmationDraft => ({
  id: "cfm_1",
  phrase: "confirm print bracket",
  summary: "Print bracket on sim",
  hazardClass: "medium",
  hazards: ["heat"],
  expiresAtMs: START_MS + LIFE.confirmationMs,
  ...facts,
});

export const gcode = (facts: Partial<GcodeFacts> = {}): GcodeFacts => ({
  sha256: sha256("G28"),
  sizeBytes: 3,
  commands: 1,
  estimatedS: 60,
  nozzleMaxC: 200,
  bedMaxC: 60,
  filamentMm: 10,
  layers: 1,
  boundsMm: { min: { x: 0, y: 0, z: 0 }, max: { x: 1, y: 1, z: 1 } },
  hazards: [],
  ...facts,
});

export const print = (
  facts: Partial<PrintDraft> = {},
): PrintDraft & { type: "printSubmitted" } => ({
  type: "printSubmitted",
  job: "prt_1",
  printer: "sim",
  name: "bracket",
  gcode: gcode(),
  ...facts,
});

export const job = (facts: Partial<JobDraft> = {}): JobDraft & { type: "jobAdded" } => ({
  type: "jobAdded",
  job: "job_1",
  kind: "command",
  class: "normal",
  effect: "idempotent",
  needs: "command:light",
  input: {},
  attemptsMax: 3,
  timeoutMs: 1_000,
  ...facts,
});

export const printer = (facts: Partial<Printer> = {}): Printer => ({
  id: "sim",
  driver: "marlin",
  phase: "idle",
  isSimulated: true,
  sizeMm: { x: 200, y: 200, z: 200 },
  nozzleMaxC: 260,
  bedMaxC: 100,
  ...facts,
});

export const routing = (facts: Partial<Routing> = {}): Routing => ({
  tier: "local",
  model: "small",
  confidence: 0.5,
  cached: false,
  latencyMs: 1,
  reason: "test",
  metadata: {},
  ...facts,
});

export const usage = (costMicroUsd = 0): Usage => ({
  promptTokens: 10,
  completionTokens: 5,
  cachedTokens: 0,
  costMicroUsd,
});

/** A node `node_1` that is alive and has the given printers. */
export function addNode(
  rig: LedgerRig,
  {
    node = "node_1",
    printers = [printer()],
  }: { node?: string; printers?: readonly Printer[] } = {},
): void {
  const code = `join_${node}`;
  rig.act({
    type: "joinCodeMade",
    code,
    name: node,
    secretSha256: "code",
    expiresAtMs: START_MS + LIFE.joinCodeMs,
  });
  rig.act({
    type: "nodeEnrolled",
    code,
    codeSecretSha256: "code",
    node,
    name: node,
    publicKey: `key of ${node}`,
    secretSha256: `secret of ${node}`,
  });
  register(rig, node, printers);
}

export function register(
  rig: LedgerRig,
  node = "node_1",
  printers: readonly Printer[] = [printer()],
  bootId = "boot_1",
): void {
  rig.act({
    type: "nodeRegistered",
    node,
    bootId,
    labels: {},
    capabilities: { models: [], commands: [], printers },
    capabilitiesDigest: "digest",
  });
}

/** A question of `ada`, on record; gives its id. */
export function ask(
  rig: LedgerRig,
  { question = "msg_1", conversation = "cnv_1", text = "hello", actor = "ada" } = {},
): string {
  rig.act(
    { type: "questionAsked", conversation, message: question, text, role: "maker" },
    { actor },
  );
  return question;
}

export const answer = (
  question: string,
  facts: Partial<Extract<CommandBody, { type: "answerGiven" }>> = {},
): Extract<CommandBody, { type: "answerGiven" }> => ({
  type: "answerGiven",
  question,
  message: `answer of ${question}`,
  text: "yes",
  routing: routing(),
  usage: usage(),
  effects: [],
  ...facts,
});

/** A node, and a print that waits for the confirmation `cfm_1` of `ada`. */
export function awaitPrint(rig: LedgerRig, facts: Partial<PrintDraft> = {}): void {
  if (rig.rows.get("device", "sim") === undefined) addNode(rig);
  rig.act(print({ confirmation: confirmation(), ...facts }));
}

/** Leases `prt_1` of `node_1`; gives the fencing token. */
export const leasePrint = (rig: LedgerRig, id = "prt_1"): number =>
  rig.act({ type: "printLeased", job: id, node: "node_1", bootId: "boot_1" })["token"] as number;
