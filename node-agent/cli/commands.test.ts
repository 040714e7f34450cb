import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  sendJson,
  sendProblem,
  sseText,
  startEvents,
} from "@gantry/shared/client/testing/fake-hub.ts";
import { confirmationView, deviceView, jobView, printView } from "./testing/fixtures.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const CONFIRMED = { job: { id: "prt_1", state: "ready" } };
const TOKEN = { id: "tok_1", token: "gt_new", person: "Ada", role: "maker" };
const FLAG = { key: "a.b", value: { on: true }, revision: 7 };
const QUEUE = {
  name: "mail",
  isPaused: false,
  policy: {},
  ready: 4,
  parked: 2,
  delayed: 0,
  waiting: 1,
  leased: 3,
  dead: 1,
  lagMs: 1_500,
};
const JOBS = { jobs: [jobView({ dead: true })] };
const SUMS = {
  total_cost_usd: 0,
  answers: 2,
  cached_answers: 1,
  prompt_tokens: 3,
  completion_tokens: 4,
  by: [],
};
const NODE = {
  id: "node-1",
  name: "box",
  bootId: "b",
  state: "alive",
  labels: { room: "w" },
  lastSeenMs: 900,
  capabilities: {},
};
const AT = "2026-11-21T04:05:22.000Z";
const SCHEDULE = {
  id: "sch_1",
  name: "morning",
  by: "ada",
  state: "active",
  when: { kind: "cron", pattern: "0 4 * * *", zone: "America/Los_Angeles" },
  target: { type: "question", text: "how are you" },
  catchUp: "once",
  overlap: "skip",
  nextAt: AT,
  counts: { started: 1, skipped: 0, refused: 0, missed: 0 },
};
const STARTED = { type: "question", id: "msg_1", state: "open" };
const RAN = { firing: "sch_1/run-7", outcome: "started", started: STARTED };
const LOCAL = { at: AT, local: "2026-11-21T04:00:00-08:00", startsAt: AT };
const NEXT = { zone: "America/Los_Angeles", next: [LOCAL] };
const FIRING = {
  ...RAN,
  id: "f",
  plannedAt: AT,
  firedAt: AT,
  lateMs: 3,
  why: "catch-up",
  by: "hub",
};
const FIRED = { firings: [FIRING] };
const HOOK = {
  id: "whk_1",
  url: "http://a/b",
  types: ["job.*"],
  by: "ada",
  delivery_count: 2,
  failure_count: 1,
  dead: 1,
};
const LETTER = {
  id: "whk_1.7.0",
  type: "print.changed",
  subject: "prt_1",
  at: AT,
  diedAt: AT,
  attempts: 4,
  error: { code: "unreachable", message: "no" },
  wanted: false,
};
const LOCK_GIVEN = { name: "bench", owner: "me", token: 12, ttlMs: 5_000 };
const LOCK = { ...LOCK_GIVEN, by: "ada", acquiredAt: AT };
const waiting = ["two", "three"].map((owner) => ({
  owner,
  by: "ada",
  ticket: 13,
  since: AT,
  until: AT,
}));
const QUEUED = { ...LOCK, waiting };
const RING = { at: AT, cycle: [{ owner: "one", by: "ada", lock: "b" }] };
const CLUSTER = {
  leader: "hub-1",
  term: 2,
  hubs: [{ id: "hub-1", role: "leader", commitIndex: 9, appliedIndex: 9, reachable: true }],
};
const AUDIT = {
  seq: 1,
  position: 2,
  at: AT,
  actor: "owner",
  action: "flagSet",
  object: "a.b",
  requestId: "req_1",
  detail: {},
  hash: "",
};

const MEMORY = {
  id: "mem_1",
  kind: "fact",
  text: "the nozzles are in drawer 4",
  state: "kept",
  said: 1,
  at: "2026-01-01T00:00:00.000Z",
  changedAt: "2026-01-01T00:00:00.000Z",
  byWords: true,
};
const FOLDER = {
  id: "kno_1",
  name: "manuals",
  folder: "/m",
  by: "ada",
  version: 2,
  documents: 1,
  faults: [{ path: "b.pdf", error: { code: "bad_request", message: "it is no PDF" } }],
};
const PIECE = {
  path: "dryer.md",
  knowledge: "kno_1",
  title: "Dryer",
  headings: ["Dryer", "Nylon"],
  line: 5,
  text: "Dry nylon at 70 C.",
  version: 1,
};
const KEPT = {
  size: 1,
  hits: 0,
  misses: 0,
  exactHits: 1,
  semanticHits: 2,
  savedMs: 4_000,
  vectors: 1,
  threshold: 0.8,
  audits: { agree: 97, differ: 3, falseHitRate: 0.03, falseHitRateMost: 0.09 },
  dropped: { person: 0, audit: 0, prefix: 0, tag: 0, changed: 0 },
  refused: {},
};
const ENTRY = {
  key: "k1",
  prompt: "What is a brim?",
  text: "A rim.",
  model: "m",
  hits: 1,
  depends: [],
  tags: [],
  at: "2026-01-01T00:00:00.000Z",
  expiresAt: "2026-01-02T00:00:00.000Z",
};

describe("every command of the hub", () => {
  it.each([
    ["devices", "GET /api/devices", { devices: [deviceView()] }, "sim"],
    ["devices sim", "GET /api/devices/sim", deviceView(), "220 x 220 x 250 mm"],
    ["devices reset sim", "POST /api/devices/sim/reset", { ok: true }, "sim may be used again"],
    [
      "bed-cleared sim --job prt_1",
      "POST /api/devices/sim/bed-cleared",
      deviceView({ bed: "clear" }),
      "is clear",
    ],
    ["stop", "POST /api/fabrication/stop", { stopped: ["sim"], unreachable: [] }, "Stopped: sim"],
    ["prints", "GET /api/fabrication/jobs", { jobs: [printView()] }, "bracket"],
    ["prints prt_1", "GET /api/fabrication/jobs/prt_1", printView(), "about 1 h 2 min"],
    ["prints pause prt_1", "POST /api/fabrication/jobs/prt_1/pause", printView(), "asked to pause"],
    [
      "prints resolve prt_1 done",
      "POST /api/fabrication/jobs/prt_1/resolve",
      printView(),
      "recorded as done",
    ],
    ["pause prt_1", "POST /api/fabrication/jobs/prt_1/pause", printView(), "asked to pause"],
    ["resume prt_1", "POST /api/fabrication/jobs/prt_1/resume", printView(), "asked to resume"],
    ["cancel prt_1", "POST /api/fabrication/jobs/prt_1/cancel", printView(), "asked to cancel"],
    [
      "confirm cfm_1 print bracket",
      "POST /api/confirmation/cfm_1/confirm",
      CONFIRMED,
      "prt_1 is ready",
    ],
    [
      "confirmations",
      "GET /api/confirmations",
      { confirmations: [confirmationView()] },
      "Print bracket on sim",
    ],
    [
      "confirmations withdraw cfm_1",
      "DELETE /api/confirmation/cfm_1",
      { ok: true },
      "cfm_1 is withdrawn",
    ],
    ["jobs", "GET /api/jobs", JOBS, "command:echo"],
    ["jobs dead --limit 5", "GET /api/jobs/dead", JOBS, "dead"],
    ["jobs job_1", "GET /api/jobs/job_1", jobView({ result: { x: 1 } }), '"x": 1'],
    ["jobs requeue job_1", "POST /api/jobs/job_1/requeue", jobView(), "job_1"],
    ["jobs cancel job_1", "POST /api/jobs/job_1/cancel", jobView(), "job_1"],
    ["queues", "GET /api/queues", { queues: [QUEUE] }, "mail"],
    ["queues mail", "GET /api/queues/mail", QUEUE, "2 by limits"],
    ["queues pause mail", "POST /api/queues/mail/pause", QUEUE, "starts nothing more"],
    ["queues resume mail", "POST /api/queues/mail/resume", QUEUE, "goes on"],
    ["queues requeue mail", "POST /api/jobs/dead", { count: 3, jobs: [] }, "3 are tried again"],
    [
      "queues drop mail --preview",
      "POST /api/jobs/dead",
      { count: 3, jobs: [] },
      "3 would be dropped",
    ],
    ["jobs drop job_1", "DELETE /api/jobs/job_1", { ok: true }, "job_1 is dropped"],
    ["exec echo --arg n=3 --arg text=hi", "POST /api/exec", jobView({ result: "hi 3" }), "hi 3"],
    ["schedule", "GET /api/schedules", { enabled: true, schedules: [SCHEDULE] }, "0 4 * * *"],
    ["schedule show sch_1", "GET /api/schedules/sch_1", SCHEDULE, "question: how are you"],
    ["schedule pause sch_1", "POST /api/schedules/sch_1/pause", SCHEDULE, "sch_1"],
    ["schedule resume sch_1", "POST /api/schedules/sch_1/resume", SCHEDULE, "sch_1"],
    ["schedule run sch_1", "POST /api/schedules/sch_1/run", RAN, "started: question msg_1"],
    ["schedule rm sch_1", "DELETE /api/schedules/sch_1", { ok: true }, "sch_1 is deleted"],
    ["schedule next sch_1 --count 1", "GET /api/schedules/sch_1/next", NEXT, "T04:00:00-08:00"],
    ["schedule history sch_1", "GET /api/schedules/sch_1/history", FIRED, "catch-up"],
    ["schedule add x --every 60 --event tick", "POST /api/schedules", SCHEDULE, "sch_1"],
    ["webhook", "GET /api/webhooks", { webhooks: [HOOK] }, "job.*"],
    ["webhook add http://a/b", "POST /api/webhooks", { ...HOOK, secret: "whsec_x" }, "whsec_x"],
    [
      "webhook dead whk_1",
      "GET /api/webhooks/whk_1/dead",
      { deadLetters: [LETTER] },
      "print.changed",
    ],
    [
      "webhook redeliver whk_1",
      "POST /api/webhooks/whk_1/redeliver",
      { count: 3 },
      "3 dead letters",
    ],
    ["webhook rm whk_1", "DELETE /api/webhooks/whk_1", { ok: true }, "whk_1 is deleted"],
    ["memory", "GET /api/memory", { memories: [MEMORY] }, "drawer 4"],
    ["memory search nozzles", "GET /api/memory/search", { memories: [MEMORY] }, "drawer 4"],
    ["memory add it is in drawer 4", "POST /api/memory", MEMORY, "drawer 4"],
    ["memory review", "GET /api/memory", { memories: [] }, "Nothing waits for your word"],
    ["memory keep mem_1", "POST /api/memory/mem_1/review", { ok: true }, "mem_1 is kept"],
    ["memory forget mem_1", "DELETE /api/memory/mem_1", { count: 2 }, "2 forgotten"],
    ["memory forget --all", "DELETE /api/memory", { count: 9 }, "9 forgotten"],
    ["knowledge", "GET /api/knowledge", { knowledge: [FOLDER] }, "manuals"],
    ["knowledge add manuals /m", "POST /api/knowledge", FOLDER, "b.pdf: it is no PDF"],
    [
      "knowledge show manuals",
      "GET /api/knowledge/manuals",
      { ...FOLDER, list: [] },
      "no documents",
    ],
    [
      "knowledge refresh manuals",
      "POST /api/knowledge/manuals/refresh",
      { version: 3, read: 1, gone: 0, faults: 1 },
      "version 3: 1 read",
    ],
    ["knowledge search dry nylon", "GET /api/knowledge/search", { hits: [PIECE] }, "dryer.md:5"],
    ["knowledge rm manuals", "DELETE /api/knowledge/manuals", { ok: true }, "not known any more"],
    ["cache", "GET /api/cache", KEPT, "wrong 3 %"],
    ["cache list brim", "GET /api/cache/entries", { entries: [ENTRY] }, "What is a brim?"],
    ["cache wrong k1 what is a raft", "POST /api/cache/k1/wrong", { count: 1 }, "Nobody gets"],
    ["cache rm k1", "DELETE /api/cache/k1", { count: 1 }, "1 dropped"],
    ["cache clear --tag device:sim", "DELETE /api/cache", { ok: true, count: 4 }, "4 dropped"],
    ["cache clear", "DELETE /api/cache", { ok: true }, "All kept answers"],
    ["flags", "GET /api/flags", { flags: [FLAG] }, "a.b"],
    ["flags get a.b --consistency local", "GET /api/flags/a.b", FLAG, '{"on":true}'],
    ["flags set a.b on --if-revision 6", "PUT /api/flags/a.b", FLAG, "revision 7"],
    ["flags delete a.b", "DELETE /api/flags/a.b", { ok: true }, "a.b is deleted"],
    [
      "audit --limit 9",
      "GET /api/audit",
      { entries: [AUDIT], next: "c" },
      "more: gantry audit --after c",
    ],
    ["costs", "GET /api/analytics/costs", SUMS, "2 answers, 0.0000 USD"],
    [
      "token list",
      "GET /api/tokens",
      { tokens: [{ ...TOKEN, createdAt: AT, revoked: false }] },
      "never",
    ],
    ["token create Ada --role maker --days 2", "POST /api/tokens", TOKEN, "gt_new"],
    ["token revoke tok_1", "DELETE /api/tokens/tok_1", { ok: true }, "tok_1 is revoked"],
    [
      "join-code box",
      "POST /api/nodes/join-codes",
      { code: "GJ1-x", name: "box", expiresAt: AT },
      "GJ1-x",
    ],
    ["registry", "GET /api/registry", { revision: 1, nodes: [NODE] }, "room=w"],
    [
      "registry --selector room=w,!printer",
      "GET /api/registry",
      { revision: 1, nodes: [NODE] },
      "box",
    ],
    ["lock list", "GET /api/locks", { revision: 3, locks: [LOCK] }, "bench"],
    ["lock acquire bench --owner me --ttl 5", "POST /api/locks/bench", LOCK_GIVEN, "token 12"],
    ["lock acquire bench --wait 5", "POST /api/locks/bench", LOCK_GIVEN, "token 12"],
    [
      "lock list",
      "GET /api/locks",
      { revision: 3, locks: [QUEUED], deadlocks: [RING] },
      "two, three",
    ],
    [
      "lock list",
      "GET /api/locks",
      { revision: 3, locks: [], deadlocks: [RING] },
      "one waits for b",
    ],
    ["lock cancel bench --owner two", "DELETE /api/locks/bench/wait", { ok: true }, "no longer"],
    ["lock renew bench --fence 12", "PUT /api/locks/bench", LOCK_GIVEN, "token 12"],
    ["lock release bench --fence 12", "DELETE /api/locks/bench", { ok: true }, "released"],
    ["cluster status", "GET /api/cluster", CLUSTER, "leader hub-1, term 2"],
    [
      "models list",
      "GET /api/models",
      {
        machines: [
          {
            node: "node_1",
            name: "box",
            memory: [],
            models: [{ name: "tiny", state: "ready", isPinned: true, running: 1, waiting: 2 }],
          },
        ],
        queues: [],
      },
      "loaded, pinned",
    ],
  ])("[A66] gantry %s", async (line, route, reply, shown) => {
    rig.hub.json(route, reply);
    const argv = line.split(" ");
    const people = await rig.gantry(argv);
    expect(people).toMatchObject({ code: 0 });
    expect(people.out).toContain(shown);
    expect(people.out).not.toContain("\u001b");
    const program = await rig.gantry(["--json", ...argv]);
    expect(program.code).toBe(0);
    expect(JSON.parse(program.out)).toMatchObject(reply);
    expect(JSON.parse(program.out)).toHaveProperty("requestId");
    rig.hub.on(route, (_, answer) => sendProblem(answer, "forbidden", "Not for you"));
    const refused = await rig.gantry(argv);
    expect(refused).toMatchObject({ code: 77, out: "" });
    expect(refused.err).toMatch(/^gantry: Not for you\n {2}Ask an admin.*\n {2}request req_/);
    const [first] = rig.hub.seen;
    expect(`${first?.method} ${first?.url.split("?")[0]}`).toBe(route);
  });

  it("sends what the options say", async () => {
    rig.hub.json("POST /api/exec", jobView());
    rig.hub.json("PUT /api/flags/a", FLAG);
    rig.hub.json("POST /api/tokens", TOKEN);
    await rig.gantry(["exec", "echo", "--arg", "n=3", "--arg", "t=a=b", "--arg", 'j={"k":1}']);
    await rig.gantry(["flags", "set", "a", "on", "--if-revision", "6"]);
    await rig.gantry(["token", "create", "Ada", "--role", "maker", "--days", "2"]);
    expect(rig.hub.seen.map((seen) => seen.body)).toEqual([
      { command: "echo", args: { n: 3, t: "a=b", j: { k: 1 } } },
      { value: "on" },
      { person: "Ada", role: "maker", expiresInS: 172_800 },
    ]);
    expect(rig.hub.seen[1]?.headers["if-match"]).toBe("6");
  });

  it("makes a schedule of what the options say, and asks for exactly one time and one target", async () => {
    rig.hub.json("POST /api/schedules", SCHEDULE);
    const add = ["schedule", "add", "x"];
    await rig.gantry([...add, "--cron", "0 4 * * *", "--zone", "UTC", "--ask", "how are you"]);
    await rig.gantry([
      ...add,
      "--every",
      "60",
      "--exec",
      "echo",
      "--arg",
      "n=3",
      "--overlap",
      "skip",
    ]);
    expect(rig.hub.seen.map((seen) => seen.body)).toEqual([
      {
        name: "x",
        when: { kind: "cron", pattern: "0 4 * * *", zone: "UTC" },
        target: { type: "question", text: "how are you" },
      },
      {
        name: "x",
        when: { kind: "every", everyS: 60 },
        target: { type: "job", job: { kind: "command", command: "echo", args: { n: 3 } } },
        overlap: "skip",
      },
    ]);
    const both = await rig.gantry([...add, "--every", "60", "--at", AT, "--event", "tick"]);
    expect(both).toMatchObject({ code: 64 });
    expect(await rig.gantry([...add, "--every", "60"])).toMatchObject({ code: 64 });
  });

  it("asks for machines by selector, and for locks with owner, life time and fencing token", async () => {
    rig.hub.json("GET /api/registry", { revision: 1, nodes: [] });
    rig.hub.json("POST /api/locks/bench", LOCK_GIVEN);
    rig.hub.json("PUT /api/locks/bench", LOCK_GIVEN);
    rig.hub.json("DELETE /api/locks/bench", { ok: true });
    const { out } = await rig.gantry(["registry", "--selector", "room=w, !printer"]);
    expect(out).toContain("No machine is like that.");
    await rig.gantry(["lock", "acquire", "bench", "--owner", "me", "--ttl", "5"]);
    await rig.gantry(["lock", "renew", "bench", "--fence", "12"]);
    await rig.gantry(["lock", "release", "bench", "--fence", "12"]);
    const [found, acquired, renewed, released] = rig.hub.seen;
    expect(new URLSearchParams(found?.url.split("?")[1]).get("selector")).toBe("room=w, !printer");
    expect(acquired?.body).toEqual({ owner: "me", ttlMs: 5_000 });
    expect(renewed?.body).toEqual({ token: 12 });
    expect(released?.url).toBe("/api/locks/bench?token=12");
    const { code, err } = await rig.gantry(["lock", "release", "bench"]);
    expect(code).toBe(64);
    expect(err).toContain("--fence");
  });

  it("exits with 69 when the emergency stop did not reach a printer", async () => {
    rig.hub.json("POST /api/fabrication/stop", { stopped: [], unreachable: ["ender"] });
    const { code, out } = await rig.gantry(["stop", "ender"]);
    expect(code).toBe(69);
    expect(out).toContain("NOT REACHED: ender. Switch off the power there.");
    expect(rig.hub.seen[0]?.body).toEqual({ printer: "ender" });
  });

  it("runs a dangerous command only after the word, and gives its outcome", async () => {
    const waiting = jobView({ state: "awaiting", confirmation: confirmationView() });
    rig.hub.json("POST /api/exec", waiting);
    rig.hub.json("POST /api/confirmation/cfm_1/confirm", CONFIRMED);
    rig.hub.on("GET /api/jobs/job_1", (_, reply, nth) =>
      sendJson(reply, jobView({ state: nth === 0 ? "leased" : "failed" })),
    );
    expect((await rig.gantry(["exec", "burn"])).code).toBe(0);
    expect(rig.hub.seen).toHaveLength(1);
    expect((await rig.gantry(["exec", "burn", "--yes", "print bracket"])).code).toBe(70);
  });
});

describe("events", () => {
  it("[A66] tails the feed as lines or JSON lines, resumed by the client", async () => {
    rig.hub.on("GET /api/events", (_, reply, nth) => {
      startEvents(reply).write(sseText("print.changed", { n: nth }, 10 + nth));
      if (nth % 2 === 0) reply.end();
    });
    const lines = await rig.gantry([
      "events",
      "--types",
      "print.changed",
      "--since",
      "9",
      "--count",
      "2",
    ]);
    expect(lines.out).toBe('      10  print.changed  {"n":0}\n      11  print.changed  {"n":1}\n');
    expect(rig.hub.seen.map((seen) => seen.headers["last-event-id"])).toEqual(["9", "10"]);
    const json = await rig.gantry(["events", "--json", "--count", "1"]);
    expect(JSON.parse(json.out)).toEqual({ id: 12, type: "print.changed", data: { n: 2 } });
  });
});
