// Test equipment: any sequence of commands, from every type there is, over few ids so that they meet.
// Tokens are mostly those of present leases, read off the ledger when the command is made.

import fc from "fast-check";
import type { CommandBody, Envelope } from "@gantry/shared/contract/commands.ts";
import type { Rows } from "../../hub/ledger/rows.ts";
import {
  answer,
  confirmation,
  job,
  print,
  printer,
  routing,
  START_MS,
  usage,
} from "../../hub/ledger/testing/rig.ts";

import { decision, runBodies } from "./any-runs.ts";

export interface Step {
  readonly envelope: Partial<Envelope>;
  readonly body: (rows: Rows) => CommandBody;
  /** A restart of the hub comes before it. */
  readonly isAfterRestart: boolean;
}

const oneOf = fc.constantFrom;
const few = (kind: string): fc.Arbitrary<string> => oneOf(`${kind}_1`, `${kind}_2`, `${kind}_3`);
const role = oneOf("viewer", "operator", "maker", "safety", "admin");
const error = oneOf("busy", "device_offline", "command_failed", "checksum_mismatch").map(
  (code) => ({
    code,
    message: "no",
  }),
);
const boot = oneOf("boot_1", "boot_1", "boot_2");
const atMs = fc.integer({ min: START_MS - 1_000, max: START_MS + 400_000 });
const draft = fc.option(
  fc
    .record({ id: few("cfm"), hazardClass: oneOf("medium", "high") })
    .map((facts) => ({ confirmation: confirmation(facts) })),
  { nil: {} },
);
const talk = fc.option(
  few("cnv").map((conversation) => ({ conversation })),
  { nil: {} },
);
const printers = fc
  .subarray(["sim", "two"])
  .chain((ids) =>
    fc.tuple(
      ...ids.map((id) =>
        oneOf("idle", "printing", "fault", "offline").map((phase) => printer({ id, phase })),
      ),
    ),
  );
const printDraft = fc
  .tuple(few("prt"), oneOf("sim", "two"), draft, talk)
  .map(([id, device, asked, said]) => print({ job: id, printer: device, ...asked, ...said }));

type Body = Step["body"];
const body = <T extends CommandBody>(made: fc.Arbitrary<T>): fc.Arbitrary<Body> =>
  made.map((command) => () => command);

/** Mostly the token of the present lease, sometimes another. */
const fenced = <T extends CommandBody & { job: string; token: number }>(
  table: "print" | "job",
  made: fc.Arbitrary<T>,
): fc.Arbitrary<Body> =>
  fc.tuple(made, fc.nat(9)).map(([command, draw]) => (rows) => {
    const token = rows.get(table, command.job)?.lease?.token;
    return draw === 0 || token === undefined ? command : { ...command, token };
  });

const type = <T extends string>(name: T): fc.Arbitrary<T> => fc.constant(name);
const token = fc.integer({ min: 1, max: 40 });

const term = fc.integer({ min: 1, max: 3 });
const hubFacts = {
  peerAddress: type("tcp://a:1"),
  peerKey: type("k"),
  agentAddress: type("tcp://a:2"),
  agentKey: type("k"),
  httpAddress: oneOf("http://a", "http://b"),
  version: type("1"),
  bootId: boot,
};

type LockWord = Exclude<
  Extract<CommandBody, { type: `lock${string}` }>,
  { type: `lockWait${string}` }
>;

/** Mostly with the present token, revision and term. */
const locked = (made: fc.Arbitrary<LockWord>): fc.Arbitrary<Body> =>
  fc.tuple(made, fc.nat(4)).map(([command, draw]) => (rows) => {
    if (draw === 0 || command.type === "lockAcquired") return command;
    const reign = rows.get("reign", "cluster")?.term ?? 0;
    if (command.type === "locksCheckpointed") {
      const locks = command.locks.map((one) => ({ ...one, token: tokenOf(rows, one) }));
      return { ...command, locks, term: reign };
    }
    const known = { ...command, token: tokenOf(rows, command) };
    if (known.type !== "lockExpired") return known;
    return { ...known, term: reign, revision: rows.get("lock", known.name)?.revision ?? 0 };
  });

const tokenOf = (rows: Rows, { name, token: other }: { name: string; token: number }): number =>
  rows.get("lock", name)?.token ?? other;

const bodies = fc.oneof(
  body(
    fc.record({
      type: type("tokenMade"),
      token: few("tok"),
      person: oneOf("ada", "bob"),
      role,
      secretSha256: type("s"),
    }),
  ),
  body(fc.record({ type: type("tokenRevoked"), token: few("tok") })),
  body(
    fc.record({
      type: type("joinCodeMade"),
      code: few("join"),
      name: type("n"),
      secretSha256: type("s"),
      expiresAtMs: atMs,
    }),
  ),
  body(
    fc.record({
      type: type("nodeEnrolled"),
      code: few("join"),
      codeSecretSha256: oneOf("s", "s", "x"),
      node: few("node"),
      name: type("n"),
      publicKey: oneOf("k1", "k2"),
      secretSha256: type("s"),
    }),
  ),
  body(
    fc.record({
      type: type("nodeRegistered"),
      node: few("node"),
      bootId: boot,
      labels: fc.constant({}),
      capabilities: printers.map((list) => ({ models: [], commands: [], printers: list })),
      capabilitiesDigest: type("d"),
    }),
  ),
  body(
    fc.record({
      type: type("nodeStateChanged"),
      node: few("node"),
      bootId: boot,
      state: oneOf("alive", "suspect", "down", "alive", "removed"),
    }),
  ),
  body(
    fc.record({
      type: type("nodeStateChanged"),
      node: few("node"),
      bootId: boot,
      state: oneOf("alive", "suspect", "down"),
      why: oneOf("silent", "heard"),
      term,
    }),
  ),
  body(fc.record({ type: type("reignBegan"), hub: few("hub"), term })),
  body(fc.record({ type: oneOf("hubJoined", "hubChanged"), hub: few("hub"), ...hubFacts })),
  body(fc.record({ type: type("hubLeft"), hub: few("hub") })),
  body(fc.record({ type: oneOf("sessionOpened", "sessionClosed"), clientSession: few("ses") })),
  body(
    fc
      .tuple(
        few("lock"),
        few("owner"),
        oneOf({}, { node: "node_1" }, { boundTo: "ses_1" }),
        oneOf({}, { waitMs: 1_000 }, { waitMs: 200_000 }),
      )
      .map(([name, owner, bound, wait]) => ({
        type: "lockAcquired" as const,
        name,
        owner,
        ttlMs: 5_000,
        ...bound,
        ...wait,
      })),
  ),
  body(fc.record({ type: type("lockWaitCancelled"), name: few("lock"), owner: few("owner") })),
  body(fc.record({ type: type("lockWaitsExpired"), term })),
  locked(fc.record({ type: oneOf("lockRenewed", "lockReleased"), name: few("lock"), token })),
  locked(fc.record({ type: type("lockExpired"), name: few("lock"), token, revision: token, term })),
  locked(
    fc.tuple(few("lock"), token, term, fc.nat(6_000)).map(([name, its, at, remainingMs]) => ({
      type: "locksCheckpointed" as const,
      term: at,
      locks: [{ name, token: its, remainingMs }],
    })),
  ),
  body(fc.record({ type: type("printersChanged"), node: few("node"), printers })),
  body(
    fc.record({
      type: type("questionAsked"),
      conversation: few("cnv"),
      message: few("msg"),
      text: type("hello"),
      role,
    }),
  ),
  body(
    fc
      .tuple(
        few("msg"),
        fc.nat(1_000),
        fc.array(
          fc.oneof(
            printDraft.map((given) => ({ ...given, type: "print" as const })),
            few("prt").map((id) => ({
              type: "printWish" as const,
              job: id,
              wish: "cancel" as const,
            })),
            oneOf("sim", "two").map((device) => ({ type: "bedCleared" as const, device })),
          ),
          { maxLength: 2 },
        ),
      )
      .map(([question, cost, effects]) =>
        answer(question, {
          routing: routing(),
          usage: usage(cost),
          effects,
          cache: { key: question, prompt: "p", expiresAtMs: START_MS },
        }),
      ),
  ),
  body(fc.record({ type: type("answerFailed"), question: few("msg"), message: type("m"), error })),
  body(
    fc.record({
      type: type("budgetSet"),
      budget: oneOf("appliance", "appliance", "person:ada", "workload:exploration", "moon"),
      perDayMicroUsd: oneOf(0, 50, 100),
    }),
  ),
  body(fc.record({ type: type("budgetDropped"), budget: oneOf("person:ada", "appliance") })),
  body(
    fc.record({
      type: type("spendReserved"),
      reservation: few("rsv"),
      person: oneOf("ada", "bob"),
      workload: oneOf("interactive", "exploration"),
      provider: type("p"),
      model: type("m"),
      worstMicroUsd: oneOf(0, 10, 40, -1),
      term,
    }),
  ),
  body(
    fc.oneof(
      fc.record({
        type: type("spendSettled"),
        reservation: few("rsv"),
        how: type("reported"),
        costMicroUsd: oneOf(0, 7),
      }),
      fc.record({
        type: type("spendSettled"),
        reservation: few("rsv"),
        how: oneOf("worst", "released", "reported"),
      }),
    ),
  ),
  body(
    fc.tuple(few("msg"), few("rsv"), oneOf(0, 9)).map(([question, reservation, cost]) => ({
      ...answer(question, { message: "m", usage: usage(cost) }),
      type: "answerBought" as const,
      reservation,
    })),
  ),
  body(
    fc.oneof(
      fc.record({ type: type("cacheCleared") }),
      fc.record({ type: type("cacheCleared"), key: few("msg") }),
    ),
  ),
  body(
    fc
      .tuple(
        few("cfm"),
        oneOf(null, "confirm print bracket", "confirm print bracket", "no"),
        role,
        fc.option(few("msg"), { nil: undefined }),
      )
      .map(([id, phrase, by, question]) => ({
        type: "confirmationConsumed" as const,
        confirmation: id,
        phrase,
        role: by,
        ...(question === undefined ? {} : { question, message: "m" }),
      })),
  ),
  body(fc.record({ type: type("confirmationCancelled"), confirmation: few("cfm") })),
  body(
    fc.record({
      type: type("responseKept"),
      id: few("resp"),
      previous: few("resp"),
      input: fc.constant([{ type: "message" }]),
      response: fc.constant({ output: [] }),
    }),
  ),
  body(fc.record({ type: type("responseDropped"), id: few("resp") })),
  body(fc.record({ type: type("confirmationsTicked") })),
  body(printDraft),
  body(printDraft),
  body(fc.record({ type: type("printLeased"), job: few("prt"), node: few("node"), bootId: boot })),
  fenced(
    "print",
    fc.record({
      type: type("printReported"),
      job: few("prt"),
      token,
      phase: oneOf("started", "paused", "resumed", "done", "failed", "cancelled", "interrupted"),
      progress: oneOf(0, 0.5, 1),
      startedCount: oneOf(0, 1, 1),
    }),
  ),
  fenced("print", fc.record({ type: type("printRefused"), job: few("prt"), token, error })),
  body(
    fc.record({
      type: type("printWished"),
      job: few("prt"),
      wish: oneOf("pause", "resume", "cancel"),
    }),
  ),
  body(
    fc.record({ type: type("printResolved"), job: few("prt"), outcome: oneOf("done", "failed") }),
  ),
  body(fc.record({ type: type("bedCleared"), device: oneOf("sim", "two") })),
  body(fc.record({ type: type("emergencyStopped"), devices: fc.constant(["sim"]) })),
  body(
    fc
      .tuple(
        few("job"),
        oneOf("pure", "idempotent", "once"),
        fc.integer({ min: 1, max: 2 }),
        draft,
        talk,
      )
      .map(([id, effect, attemptsMax, asked, said]) =>
        job({ job: id, effect, attemptsMax, ...asked, ...said }),
      ),
  ),
  body(fc.record({ type: type("jobLeased"), job: few("job"), node: few("node"), bootId: boot })),
  fenced(
    "job",
    fc.record({ type: type("jobFinished"), job: few("job"), token, result: fc.jsonValue() }),
  ),
  fenced(
    "job",
    fc.tuple(few("job"), token, error, fc.boolean()).map(([id, its, why, again]) => ({
      type: "jobFailed" as const,
      job: id,
      token: its,
      error: why,
      ...(again ? { retryAtMs: START_MS } : {}),
    })),
  ),
  fenced("job", fc.record({ type: type("jobLeaseLost"), job: few("job"), token, retryAtMs: atMs })),
  body(fc.record({ type: oneOf("jobCancelled", "jobRequeued", "jobDropped"), job: few("job") })),
  body(
    fc.tuple(few("job"), few("job"), fc.boolean()).map(([one, other, isFamily]) => ({
      type: "jobsAdded" as const,
      queue: "mail",
      jobs: [
        { job: `w_${one}`, data: 1, attemptsMax: 2, ...(isFamily ? { waits: "go" as const } : {}) },
        ...(one === other
          ? []
          : [{ job: `w_${other}`, data: 2, ...(isFamily ? { parent: `w_${one}` } : {}) }]),
      ],
    })),
  ),
  body(
    fc.tuple(few("job"), token, fc.boolean()).map(([id, its, isLost]) => ({
      type: "jobsEnded" as const,
      ends: [
        isLost
          ? { job: `w_${id}`, token: its, lost: true as const, retryAtMs: START_MS }
          : { job: `w_${id}`, token: its, result: 1 },
      ],
    })),
  ),
  body(
    fc.tuple(oneOf("cancel", "requeue", "drop"), few("job")).map(([wish, id]) => ({
      type: "jobsDirected" as const,
      wish,
      jobs: [`w_${id}`],
    })),
  ),
  body(
    fc.boolean().map((keepDone) => ({
      type: "queueSet" as const,
      queue: "mail",
      policy: { keepDone },
    })),
  ),
  body(fc.record({ type: type("queuePaused"), queue: type("mail"), isPaused: fc.boolean() })),
  body(fc.record({ type: type("flagSet"), key: few("flag"), value: fc.jsonValue() })),
  body(fc.record({ type: type("flagDeleted"), key: few("flag"), ifRevision: fc.nat(20) })),
  { weight: 12, arbitrary: body(runBodies) },
  {
    weight: 2,
    arbitrary: decision.map(
      (made) => (rows: Rows) => made([...rows.hot("ticket").keys()].toSorted()),
    ),
  },
);

const replay = fc.record({ key: few("key"), requestSha256: oneOf("one", "two") });
const session = fc.record({ id: few("ses"), seq: fc.integer({ min: 1, max: 3 }) });
const envelope = fc.oneof(
  { weight: 4, arbitrary: fc.record({ atMs, actor: oneOf("ada", "ada", "bob", "hub") }) },
  { weight: 1, arbitrary: fc.record({ atMs, actor: type("ada"), replay }) },
  { weight: 1, arbitrary: fc.record({ atMs, actor: type("ada"), session }) },
);

/** Up to `maxLength` commands. */
export const steps = (maxLength: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc
      .tuple(envelope, bodies, fc.nat(19))
      .map(([given, made, draw]) => ({ envelope: given, body: made, isAfterRestart: draw === 0 })),
    { maxLength },
  );
