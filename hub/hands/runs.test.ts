import { afterEach, describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { OutboundReply, OutboundRequest } from "../adapters/outbound.ts";
import { graph, http, kept, runOf, started, value } from "../ledger/testing/flows.ts";
import { command } from "../ledger/testing/rig.ts";
import type { BlobStore } from "../ports.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import { optimize } from "../workflow/optimizer/optimize.ts";
import { type PassName, PASSES } from "../workflow/optimizer/pass.ts";
import { makeRunHands } from "./runs.ts";

const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort(new GantryError("stopping", "the test is over"));
});

type Answer = OutboundReply | GantryError | Promise<OutboundReply>;
const ok = (body: string): OutboundReply => ({
  status: 200,
  headers: { "content-type": "application/json" },
  bytes: Buffer.from(body),
});

interface Scene extends FakeHub {
  readonly sent: readonly OutboundRequest[];
  readonly prompts: readonly string[];
  /** Of what was begun outside, in this order. */
  readonly signals: readonly AbortSignal[];
  readonly blobs: ReadonlyMap<string, string>;
  answer: (request: OutboundRequest) => Answer;
  /** What keeps blobs from other hubs. */
  spreadFault: GantryError | undefined;
  say: string;
  /** A model's turn ends with this. */
  turn: Promise<void>;
  /** Another leader takes over: what was under way here is forgotten. */
  reign(): AbortController;
}

function makeScene(flow: Graph, facts: object = {}): Scene {
  const fake = makeFakeHub();
  const sent: OutboundRequest[] = [];
  const prompts: string[] = [];
  const signals: AbortSignal[] = [];
  const blobs = new Map<string, string>();
  const store = {
    async write() {
      let text = "";
      return {
        async write(bytes: Uint8Array) {
          text += Buffer.from(bytes).toString();
        },
        async finish() {
          blobs.set(sha256(text), text);
          return { sha256: sha256(text), sizeBytes: text.length };
        },
        async abort() {},
      };
    },
  } as Pick<BlobStore, "write"> as BlobStore; // all that outputs use of it
  const hands = makeRunHands({
    hub: fake.hub,
    outbound: {
      async send(request, signal) {
        sent.push(request);
        signals.push(signal);
        const reply = await scene.answer(request);
        if (reply instanceof GantryError) throw reply;
        return reply;
      },
    },
    egressAllow: [],
    models: {
      async generate(_wanted, request, _onText, signal) {
        signals.push(signal);
        await scene.turn;
        prompts.push(request.messages.map(({ content }) => content).join("|"));
        const tokens = { promptTokens: 3, completionTokens: 5 };
        return { generated: { text: scene.say, ...tokens } } as never; // all that a turn reads of it
      },
    },
    blobs: {
      store,
      async spread() {
        if (scene.spreadFault !== undefined) throw scene.spreadFault;
      },
    },
  });
  const scene: Scene = {
    ...fake,
    sent,
    prompts,
    signals,
    blobs,
    answer: () => ok("{}"),
    spreadFault: undefined,
    say: "hello",
    turn: Promise.resolve(),
    reign() {
      const end = new AbortController();
      ends.push(end);
      void hands.run(end.signal);
      return end;
    },
  };
  fake.rig.act(kept(flow));
  fake.rig.act(started(facts));
  return scene;
}

const nextLeader = async (scene: Scene, old: AbortController): Promise<void> => {
  old.abort(new GantryError("stale_term", "another hub leads"));
  await scene.clock.pass(10);
  scene.reign();
  await scene.clock.pass(10);
};

describe("what runs owe", () => {
  it("is read off the rows and done, with facts of one turn in one command", async () => {
    const nodes = { a: http(), b: http(), c: http(), end: value("${nodes.a.output.body.n}") };
    const scene = makeScene(graph(nodes, ["a>end", "b>end", "c>end"]));
    scene.answer = () => ok('{"n": 1}');
    scene.reign();
    await scene.clock.pass(10);
    expect(runOf(scene.rig).state).toMatchObject({ state: "done" });
    expect(scene.sent).toHaveLength(3);
    const facts = scene.proposed.flatMap((one) =>
      one.type === "runsAdvanced" ? [one.facts.length] : [],
    );
    expect(facts.reduce((sum, count) => sum + count, 0)).toBe(3);
    expect(facts.length).toBeLessThan(3);
  });

  it("[A14] is done again by the next leader, under the same key, and counts once", async () => {
    const scene = makeScene(graph({ a: http() }));
    const first = Promise.withResolvers<OutboundReply>();
    scene.answer = () => first.promise;
    const old = scene.reign();
    await scene.clock.pass(10);
    scene.answer = () => ok('"second"');
    await nextLeader(scene, old);
    first.resolve(ok('"late"'));
    await scene.clock.pass(10);
    expect(scene.sent).toHaveLength(2);
    const keys = scene.sent.map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toEqual([keys[0], keys[0]]);
    expect(runOf(scene.rig).state.output).toMatchObject({ a: { body: "second" } });
  });

  it("of a `once` node is in the log before it begins, and not begun by the next leader (RH2)", async () => {
    const scene = makeScene(graph({ door: http({ effect: "once" }) }));
    scene.answer = (): Promise<OutboundReply> => {
      const taken = scene.proposed.some((one) => JSON.stringify(one).includes('"taken"'));
      expect(taken).toBe(true);
      return new Promise(() => {});
    };
    const old = scene.reign();
    await scene.clock.pass(10);
    expect(scene.sent).toHaveLength(1);
    await nextLeader(scene, old);
    expect(scene.sent).toHaveLength(1);
    expect(runOf(scene.rig).state.root.state).toEqual([8]); // NODE.unknown
  });

  it("of a `once` node that surely did not happen is a failure, else unknown", async () => {
    const refused = new GantryError("unreachable", "no", { cause: { code: "ECONNREFUSED" } });
    const cut = new GantryError("unreachable", "no", { cause: { code: "ECONNRESET" } });
    for (const [error, state] of [
      [refused, "failed"],
      [cut, "running"],
    ] as const) {
      const scene = makeScene(graph({ door: http({ effect: "once" }) }));
      scene.answer = () => error;
      scene.reign();
      await scene.clock.pass(10);
      expect([error.cause, runOf(scene.rig).state.state]).toEqual([error.cause, state]);
    }
  });

  it("of a `once` node that happened, and whose output could not be kept, is unknown", async () => {
    const scene = makeScene(graph({ door: http({ effect: "once" }) }));
    scene.answer = () => ok(JSON.stringify("x".repeat(LIMIT.runOutputBytes.max)));
    scene.spreadFault = new GantryError("unreachable", "too few hubs");
    scene.reign();
    await scene.clock.pass(10);
    expect(runOf(scene.rig).state.root.state).toEqual([8]); // NODE.unknown
    const read = makeScene(graph({ door: http({ effect: "once" }) }));
    read.answer = () => new GantryError("too_large", "The answer is too large");
    read.reign();
    await read.clock.pass(10);
    expect(runOf(read.rig).state.root.state).toEqual([8]);
  });

  it("with a header that cannot be sent fails at once, and nothing leaves", async () => {
    const header = { "x-title": "${inputs.title}" };
    const scene = makeScene(
      graph({ call: http({ headers: header, retry: { attempts: 3 }, effect: "idempotent" }) }),
      { inputs: { title: "two\nlines" } },
    );
    scene.reign();
    await scene.clock.pass(10);
    const { state } = runOf(scene.rig);
    expect([scene.sent.length, state.state, state.fault?.code]).toEqual([
      0,
      "failed",
      "bad_request",
    ]);
  });

  it("in time is told when it is due: the timer lost with the process is found by the next leader", async () => {
    const scene = makeScene(
      graph({ wait: { type: "timer", delayMs: 60_000 }, end: value(1) }, ["wait>end"]),
    );
    const old = scene.reign();
    await scene.clock.pass(30_000, 1_000);
    await nextLeader(scene, old);
    expect(runOf(scene.rig).state.state).toBe("running");
    await scene.clock.pass(31_000, 1_000);
    expect(runOf(scene.rig).state.state).toBe("done");
  });

  it("is tried again after a pause that the log knows, and not where it is of no use", async () => {
    const retry = { attempts: 3, delayMs: 1_000, delayMaxMs: 1_000 };
    const scene = makeScene(
      graph({ a: http({ retry }), b: http({ retry, url: "http://b.test/" }) }),
    );
    scene.answer = ({ url }) =>
      url.includes("b.test")
        ? new GantryError("egress_denied", "not listed")
        : scene.sent.filter((one) => !one.url.includes("b.test")).length < 3
          ? new GantryError("timeout", "late")
          : ok("{}");
    scene.reign();
    await scene.clock.pass(5_000, 200);
    expect(scene.sent.filter(({ url }) => url.includes("b.test"))).toHaveLength(1);
    expect(runOf(scene.rig).state).toMatchObject({
      state: "failed",
      fault: { code: "egress_denied" },
    });
  });

  it("[M4] [A3] no more is stopped: the request and the model's turn end, and nothing is told (RH3)", async () => {
    const think = { type: "agent", prompt: "?" };
    const scene = makeScene(graph({ a: http(), think }));
    scene.answer = () => new Promise(() => {});
    scene.turn = new Promise(() => {});
    scene.reign();
    await scene.clock.pass(10);
    expect(scene.signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    scene.rig.apply(command({ type: "runCancelled", run: "run_1", reason: "late" }));
    scene.publish();
    await scene.clock.pass(10);
    expect(scene.signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    const before = scene.proposed.length;
    await scene.clock.pass(1_000);
    expect(scene.proposed).toHaveLength(before);
    expect(runOf(scene.rig).state.state).toBe("cancelled");
    const states = scene.rig.events.flatMap(({ type, data }) =>
      type === "run.changed" ? [(data as { state: string }).state] : [],
    );
    expect(states).toEqual(["running", "cancelled"]);
  });

  it("[M43] is so much at once and no more, however many runs want it", async () => {
    const calls = Array.from({ length: 10 }, (_, n) => [`c${n}`, http()] as const);
    const scene = makeScene(graph(Object.fromEntries(calls)));
    const go = Promise.withResolvers<void>();
    let [open, most] = [0, 0];
    scene.answer = async () => {
      open += 1;
      most = Math.max(most, open);
      await go.promise;
      open -= 1;
      return ok("1");
    };
    for (let n = 2; n <= 100; n += 1) scene.rig.act(started({ run: `run_${n}` }));
    scene.reign();
    await scene.clock.pass(100, 10);
    expect(open).toBe(LIMIT.runCalls.max);
    go.resolve();
    await scene.clock.pass(2_000, 20);
    expect([scene.sent.length, open, most]).toEqual([1_000, 0, LIMIT.runCalls.max]);
    expect(scene.rig.rows.hot("run").size).toBe(0); // all have ended
  });

  it("gives a large output to the blob store, and its name to the run (RC1)", async () => {
    const scene = makeScene(graph({ a: http() }));
    const body = JSON.stringify("x".repeat(LIMIT.runOutputBytes.max));
    scene.answer = () => ok(body);
    scene.reign();
    await scene.clock.pass(10);
    const output = runOf(scene.rig).state.root.output[0] as { $blob: string; sizeBytes: number };
    expect(JSON.parse(scene.blobs.get(output.$blob) ?? "{}")).toMatchObject({ status: 200 });
    expect(scene.rig.rows.get("order", "runBlobs/0")).toBe(output.$blob);
  });

  it("[A23] of a pure node with a cache is answered from it within its time, for the same values", async () => {
    const pure = {
      effect: "pure",
      cache: { ttlMs: 5_000 },
      url: "http://outside.test/${inputs.n}",
    };
    const scene = makeScene(graph({ a: http(pure) }), { inputs: { n: 1 } });
    scene.answer = ({ url }) => ok(JSON.stringify(`${url} ${scene.sent.length}`));
    scene.reign();
    await scene.clock.pass(10);
    const again = async (run: string, n: number): Promise<unknown> => {
      scene.rig.act(started({ run, inputs: { n } }));
      await scene.clock.pass(10);
      return (runOf(scene.rig, run).state.root.output[0] as { body: unknown }).body;
    };
    expect(await again("run_2", 1)).toBe("http://outside.test/1 1");
    expect(await again("run_3", 2)).toBe("http://outside.test/2 2");
    await scene.clock.pass(5_000);
    expect(await again("run_4", 1)).toBe("http://outside.test/1 3");
  });

  it("a replay owes is answered from what was recorded: nothing reaches the world (RH4)", async () => {
    const flow = graph({ a: http(), wait: { type: "timer", delayMs: 60_000 } }, ["a>wait"]);
    const scene = makeScene(flow);
    scene.answer = () => ok('"then"');
    scene.reign();
    await scene.clock.pass(61_000, 1_000);
    scene.answer = () => ok('"now"');
    const replayOf = { run: "run_1", mode: "freeze" as const };
    scene.rig.act(started({ run: "run_2", replayOf }));
    await scene.clock.pass(10);
    expect(runOf(scene.rig, "run_2").state).toMatchObject({ state: "done" });
    const [then, now] = [runOf(scene.rig), runOf(scene.rig, "run_2")].map(
      (row) => row.state.root.output[0],
    );
    expect(now).toEqual(then);
    expect(scene.sent).toHaveLength(1);
  });
});

const think = (facts: object): Graph =>
  graph(
    {
      think: { type: "agent", prompt: "About ${inputs.it}?", system: "Be brief", ...facts },
      end: value(1),
    },
    ["think>end"],
  );

const only = (pass: PassName): { passes: Partial<Record<PassName, boolean>> } => ({
  passes: Object.fromEntries(PASSES.map((one) => [one, one === pass])),
});
const get = (path: string): object => http({ url: `http://outside.test/${path}`, effect: "pure" });

describe("what an optimized graph owes", () => {
  it("[A33] is fewer requests for the same output", async () => {
    const flow = graph({ a: get("1"), b: get("1"), c: get("2") }, [], {
      output: ["${nodes.a.output}", "${nodes.b.output}", "${nodes.c.output}"],
    });
    const seen: unknown[] = [];
    for (const one of [flow, optimize(flow, only("http-coalescing")).graph]) {
      const scene = makeScene(one);
      scene.answer = ({ url }) => ok(JSON.stringify(url));
      scene.reign();
      await scene.clock.pass(20);
      const { state, output } = runOf(scene.rig).state;
      seen.push([scene.sent.length, state, output]);
    }
    const answers = ["1", "1", "2"].map((path) => ({ body: `http://outside.test/${path}` }));
    expect(seen).toMatchObject([
      [3, "done", answers],
      [2, "done", answers],
    ]);
  });

  it("[A39] is answered from the cache when marked nodes run again", async () => {
    const flow = graph({ a: http({ effect: "pure" }) });
    const asked: number[] = [];
    for (const one of [flow, optimize(flow, only("cache-marks")).graph]) {
      const scene = makeScene(one);
      scene.reign();
      await scene.clock.pass(10);
      scene.rig.act(started({ run: "run_2" }));
      await scene.clock.pass(10);
      expect(runOf(scene.rig, "run_2").state.state).toBe("done");
      asked.push(scene.sent.length);
    }
    expect(asked).toEqual([2, 1]);
  });
});

describe("tasks", () => {
  const task = graph(
    {
      cad: {
        type: "task",
        capability: "cad:render",
        queue: "cad",
        with: { size: "${inputs.size}" },
      },
    },
    [],
    { output: "${nodes.cad.output}" },
  );

  it("of a program's own kind wait in its queue, once, whoever leads, and take its answer", async () => {
    const scene = makeScene(task, { inputs: { size: 3 } });
    const old = scene.reign();
    await scene.clock.pass(10);
    await nextLeader(scene, old);
    const jobs = [...scene.rig.rows.hot("job").values()];
    expect(jobs).toMatchObject([
      {
        kind: "work",
        queue: "cad",
        by: "ada",
        input: { data: { capability: "cad:render", with: { size: 3 } } },
      },
    ]);
    const [job] = jobs;
    const end = { job: job?.id ?? "", token: 1, result: { file: "x.stl" } };
    scene.rig.act({ type: "jobsEnded", ends: [end] });
    scene.publish();
    await scene.clock.pass(2_000);
    expect(runOf(scene.rig).state).toMatchObject({ state: "done", output: { file: "x.stl" } });
  });

  it("of a `once` task that is done, and whose output could not be kept, are unknown", async () => {
    const lift = { type: "task", capability: "lift", queue: "crane", effect: "once" };
    const scene = makeScene(graph({ lift }));
    scene.spreadFault = new GantryError("unreachable", "too few hubs");
    scene.reign();
    await scene.clock.pass(10);
    const [job = ""] = scene.rig.rows.hot("job").keys();
    const token = scene.rig.ledger.position + 1;
    scene.rig.act({ type: "jobsLeased", worker: "ada/1", jobs: [{ job, token }] });
    const result = "x".repeat(LIMIT.runOutputBytes.max);
    scene.rig.act({ type: "jobsEnded", ends: [{ job, token, result }] });
    scene.publish();
    await scene.clock.pass(2_000);
    expect(runOf(scene.rig).state.root.state).toEqual([8]); // NODE.unknown
  });

  it("of one turn are added by one command; one that is there already keeps no other out", async () => {
    const scene = makeScene(task, { inputs: { size: 3 } });
    const old = scene.reign();
    await scene.clock.pass(10);
    old.abort(new GantryError("stale_term", "another hub leads"));
    await scene.clock.pass(10);
    const [first = ""] = scene.rig.rows.hot("job").keys();
    const end = { job: first, token: 1, result: { file: "x.stl" } };
    scene.rig.act({ type: "jobsEnded", ends: [end] }); // nobody leads who could tell the run
    for (const run of ["run_2", "run_3"]) scene.rig.act(started({ run, inputs: { size: 3 } }));
    const before = scene.proposed.length;
    scene.reign();
    await scene.clock.pass(2_000);
    const added = scene.proposed
      .slice(before)
      .flatMap((each) => (each.type === "jobsAdded" ? [each.jobs.length] : []));
    expect(added).toEqual([3, 1, 1, 1]); // refused as one, then one by one
    expect(runOf(scene.rig).state).toMatchObject({ state: "done", output: { file: "x.stl" } });
    expect(scene.rig.rows.hot("job").size).toBe(2);
    expect(scene.rig.rows.hot("job").has(first)).toBe(false);
  });

  it("are cancelled with their run", async () => {
    const scene = makeScene(task, { inputs: { size: 3 } });
    scene.reign();
    await scene.clock.pass(10);
    const [job] = [...scene.rig.rows.hot("job").keys()];
    scene.rig.act({ type: "runCancelled", run: "run_1", reason: "late" });
    await scene.clock.pass(2_000);
    expect(scene.rig.rows.get("job", job ?? "")?.state).toBe("cancelled");
  });
});

describe("agents", () => {
  it("take a turn of a model, as text or as JSON of their schema", async () => {
    const scene = makeScene(think({}), { inputs: { it: "beds" } });
    scene.reign();
    await scene.clock.pass(10);
    expect(scene.prompts).toEqual(["Be brief|About beds?"]);
    expect(runOf(scene.rig).usage).toEqual({
      promptTokens: 3,
      completionTokens: 5,
      costMicroUsd: 0,
    });
    expect(runOf(scene.rig).state.root.output[0]).toEqual({ text: "hello" });
    const other = makeScene(think({ schema: { type: "object" } }), { inputs: { it: "x" } });
    other.say = "no JSON";
    other.reign();
    await other.clock.pass(10);
    expect(runOf(other.rig).state).toMatchObject({
      state: "failed",
      fault: { code: "model_failed" },
    });
  });

  it("[A16] propose a patch, which is applied, waits for a person, or is refused, as their node says (RC3)", async () => {
    const operations = [
      { op: "addNode", id: "more", node: value("more") },
      { op: "addEdge", edge: { from: "end", to: "more" } },
    ];
    const outcomes: unknown[] = [];
    for (const patches of ["apply", "ask", "no"]) {
      const scene = makeScene(think({ patches }), { inputs: { it: "x" } });
      scene.say = JSON.stringify({ text: "better", patch: { operations, reason: "it was short" } });
      scene.reign();
      await scene.clock.pass(10);
      const { root, revision, state } = runOf(scene.rig).state;
      outcomes.push([state, revision, (root.output[0] as { patched?: object }).patched]);
    }
    expect(outcomes).toEqual([
      ["done", 1, { revision: 1 }],
      ["done", 0, { approval: expect.stringMatching(/^apr_/) }],
      ["done", 0, undefined],
    ]);
  });
});
