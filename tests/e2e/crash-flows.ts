// Test equipment: one workflow for each thing that runs do, what people do with a run of it, and what
// must come out, written down by hand: whatever dies on the way, it is this.

import type { World } from "./crash-world.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

/** A person who asks until there is an answer, under one key however often. */
export interface Person {
  readonly world: World;
  /** Throws for any status but 2xx. */
  readonly call: (method: string, path: string, body?: unknown) => Promise<Json>;
  /** The run, as soon as `fits`. */
  readonly when: (id: string, fits: (run: Json) => boolean) => Promise<Json>;
}

export interface Flow {
  readonly name: string;
  readonly graph?: (url: string) => Json;
  /** Starts it where there is no graph to start. */
  start?(person: Person, n: number): Promise<string>;
  /** What people do until it is over. */
  live?(person: Person, id: string, n: number): Promise<void>;
  /** Left out: `done`. */
  readonly end?: { readonly state: "failed" | "cancelled"; readonly code: string };
  /** Of one that is done. */
  readonly result?: (n: number) => unknown;
  /** Everything that happens outside, by path. */
  readonly effects: (n: number) => readonly string[];
}

export const isOver = ({ state }: Json): boolean =>
  state === "done" || state === "failed" || state === "cancelled";

const fn = (value: unknown): Json => ({ type: "function", function: "value", with: { value } });

/** `/KIND/NAME/n`, posted. */
const post = (url: string, kind: string, name: string, more: object = {}): Json => ({
  type: "http",
  method: "POST",
  url: `${url}/${kind}/${name}/\${inputs.n}`,
  ...more,
});
const chain = (...ids: readonly string[]): Json =>
  ids.slice(1).map((to, at) => ({ from: ids[at], to }));
const gatePath = (name: string, n: number): string => `/gate/${name}/${n}`;

async function approve({ call, when }: Person, id: string): Promise<void> {
  const { approvals } = await when(id, (run) => Object.keys(run.approvals).length > 0);
  const [ticket] = Object.values(approvals);
  await call("POST", `/api/approvals/${String(ticket)}/approve`, { reason: "seen" });
}

const ship: Flow = {
  name: "ship",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "ship"),
      wait: { type: "timer", delayMs: 30 },
      ask: { type: "approval", question: "Ship ${inputs.n}?" },
      last: post(url, "do", "ship"),
      note: { type: "artifact", name: "note.json", value: { n: "${inputs.n}" } },
    },
    edges: chain("gate", "wait", "ask", "last", "note"),
    output: "${nodes.last.output.body.path}",
  }),
  async live(person, id, n) {
    await approve(person, id);
    await person.when(id, isOver);
    const { run } = await person.call("POST", `/api/runs/${id}/replay`, { mode: "freeze" });
    const again = await person.when(run.id, isOver);
    if (again.result !== `/do/ship/${n}`) throw new Error(`replayed as ${JSON.stringify(again)}`);
  },
  result: (n) => `/do/ship/${n}`,
  effects: (n) => [gatePath("ship", n), `/do/ship/${n}`],
};

const flaky: Flow = {
  name: "flaky",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "flaky"),
      try: post(url, "flaky", "flaky", { retry: { attempts: 9, delayMs: 5, delayMaxMs: 20 } }),
      again: {
        type: "loop",
        start: 0,
        while: "state < 3",
        body: {
          nodes: {
            step: { type: "http", method: "POST", url: `${url}/do/round/\${inputs.n}/\${round}` },
            next: fn("${state + 1}"),
          },
          edges: chain("step", "next"),
          output: "${nodes.next.output}",
        },
      },
    },
    edges: chain("gate", "try", "again"),
    output: "${nodes.again.output}",
  }),
  result: () => 3,
  effects: (n) => [
    gatePath("flaky", n),
    `/flaky/flaky/${n}`,
    ...[0, 1, 2].map((round) => `/do/round/${n}/${round}`),
  ],
};

const isUnknown = (run: Json): boolean => run.nodes.some(({ state }: Json) => state === "unknown");

/** Somebody goes and looks whether it happened, each time nobody knows. */
async function tellWhatIsUnknown(
  { call, when, world }: Person,
  id: string,
  place: string,
  path: string,
): Promise<void> {
  for (;;) {
    const run = await when(id, (each) => isOver(each) || isUnknown(each));
    if (isOver(run)) return;
    const told = world.asked.has(path) ? { outcome: "done", output: {} } : { outcome: "again" };
    await call("POST", `/api/runs/${id}/resolve`, { place, reason: "looked", ...told });
  }
}

const door: Flow = {
  name: "door",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "door"),
      door: post(url, "door", "door", { effect: "once" }),
      last: post(url, "do", "door"),
    },
    edges: chain("gate", "door", "last"),
    output: "${nodes.last.output.body.path}",
  }),
  live: (person, id, n) => tellWhatIsUnknown(person, id, "door", `/door/door/${n}`),
  result: (n) => `/do/door/${n}`,
  effects: (n) => [gatePath("door", n), `/door/door/${n}`, `/do/door/${n}`],
};

const greet: Flow = {
  name: "greet",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "greet"),
      say: { type: "task", capability: "command:greet", with: { name: "${string(inputs.n)}" } },
    },
    edges: chain("gate", "say"),
    output: "${nodes.say.output.stdout}",
  }),
  result: (n) => `hello ${n}\n`,
  effects: (n) => [gatePath("greet", n)],
};

/** Done by a program that leases from the queue `packing`, under the node's key. */
const pack: Flow = {
  name: "pack",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "pack"),
      pack: { type: "task", queue: "packing", capability: "pack", with: { n: "${inputs.n}" } },
    },
    edges: chain("gate", "pack"),
    output: "${nodes.pack.output.packed}",
  }),
  result: (n) => n,
  effects: (n) => [gatePath("pack", n), `/pack/${n}`],
};

/** As `pack`, of what must not be begun twice: its lease is in the log. */
const lift: Flow = {
  name: "lift",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "lift"),
      lift: {
        type: "task",
        queue: "packing",
        capability: "lift",
        effect: "once",
        with: { n: "${inputs.n}" },
      },
    },
    edges: chain("gate", "lift"),
    output: "${inputs.n}",
  }),
  live: (person, id, n) => tellWhatIsUnknown(person, id, "lift", `/lift/${n}`),
  result: (n) => n,
  effects: (n) => [gatePath("lift", n), `/lift/${n}`],
};

const made = (url: string, name: string): Json => ({
  make: post(url, "make", name, { undo: "unmake" }),
  unmake: post(url, "unmake", name),
});

const undo: Flow = {
  name: "undo",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "undo"),
      ...made(url, "undo"),
      bad: post(url, "refuse", "undo"),
    },
    edges: chain("gate", "make", "bad"),
  }),
  end: { state: "failed", code: "command_failed" },
  effects: (n) => [gatePath("undo", n), `/make/undo/${n}`, `/unmake/undo/${n}`],
};

const permit: Flow = {
  name: "permit",
  graph: (url) => ({
    nodes: { gate: post(url, "gate", "permit"), ask: post(url, "permit", "permit") },
    edges: chain("gate", "ask"),
    output: "${nodes.ask.output.body.path}",
  }),
  async live({ call, when, world }, id, n) {
    await when(id, ({ state }) => state === "failed");
    world.permit(`/permit/permit/${n}`);
    await call("POST", `/api/runs/${id}/retry`, {});
    await when(id, ({ state }) => state === "done");
  },
  result: (n) => `/permit/permit/${n}`,
  effects: (n) => [gatePath("permit", n), `/permit/permit/${n}`],
};

const patched: Flow = {
  name: "patched",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "patched"),
      ask: { type: "approval", question: "Go on?" },
      end: fn("${inputs.n}"),
    },
    edges: chain("gate", "ask", "end"),
    output: "${nodes.end.output}",
  }),
  async live(person, id) {
    const { call, when, world } = person;
    await when(id, (run) => Object.keys(run.approvals).length > 0);
    const patch = async (name: string): Promise<void> => {
      const operations = [
        { op: "addNode", id: name, node: post(world.url, "do", name) },
        { op: "addEdge", edge: { from: "end", to: name } },
      ];
      await call("POST", `/api/runs/${id}/patch`, { operations, reason: name });
    };
    await call("POST", `/api/runs/${id}/pause`);
    await patch("extra");
    await patch("mistake");
    await call("POST", `/api/runs/${id}/revert`, { patch: 2, reason: "a mistake" });
    await call("POST", `/api/runs/${id}/resume`);
    await approve(person, id);
  },
  result: (n) => n,
  effects: (n) => [gatePath("patched", n), `/do/extra/${n}`],
};

const cancelled: Flow = {
  name: "cancelled",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "cancelled"),
      ...made(url, "cancelled"),
      ask: { type: "approval", question: "Go on?" },
      never: post(url, "do", "cancelled"),
    },
    edges: chain("gate", "make", "ask", "never"),
  }),
  async live({ call, when }, id) {
    await when(id, (run) => Object.keys(run.approvals).length > 0);
    await call("POST", `/api/runs/${id}/cancel`, { reason: "no longer wanted" });
  },
  end: { state: "cancelled", code: "cancelled" },
  effects: (n) => [gatePath("cancelled", n), `/make/cancelled/${n}`, `/unmake/cancelled/${n}`],
};

const big: Flow = {
  name: "big",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "big"),
      big: post(url, "big", "big"),
      last: post(url, "do", "big"),
    },
    edges: chain("gate", "big", "last"),
    output: "${nodes.last.output.body.path}",
  }),
  result: (n) => `/do/big/${n}`,
  effects: (n) => [gatePath("big", n), `/big/big/${n}`, `/do/big/${n}`],
};

const child = (url: string): Json => ({
  nodes: { call: post(url, "do", "child") },
  output: "${nodes.call.output.body.path}",
});

const parent: Flow = {
  name: "parent",
  graph: (url) => ({
    nodes: {
      gate: post(url, "gate", "parent"),
      sub: { type: "subworkflow", workflow: "child", with: { n: "${inputs.n}" } },
      each: {
        type: "map",
        over: "[0, 1, 2]",
        body: {
          nodes: {
            one: { type: "http", method: "POST", url: `${url}/do/each/\${inputs.n}/\${item}` },
          },
          output: "${nodes.one.output.body.path}",
        },
      },
    },
    edges: chain("gate", "sub", "each"),
    output: { sub: "${nodes.sub.output}", each: "${nodes.each.output}" },
  }),
  result: (n) => ({
    sub: `/do/child/${n}`,
    each: [0, 1, 2].map((item) => `/do/each/${n}/${item}`),
  }),
  effects: (n) => [
    gatePath("parent", n),
    `/do/child/${n}`,
    ...[0, 1, 2].map((item) => `/do/each/${n}/${item}`),
  ],
};

const ROUNDS = 10_000; // more than one fact may compute (LIMIT.runSteps)

/** A version and a tag of its own, started as a line of a batch. */
const long: Flow = {
  name: "long",
  async start({ call, world }, n) {
    const name = `long-${n}`;
    const body = { nodes: { add: fn("${state + 1}") }, output: "${nodes.add.output}" };
    const graph = {
      nodes: {
        gate: post(world.url, "gate", "long"),
        loop: {
          type: "loop",
          start: 0,
          while: `state < ${ROUNDS}`,
          body,
          maxRounds: ROUNDS,
          title: name,
        },
      },
      edges: chain("gate", "loop"),
      output: "${nodes.loop.output}",
    };
    const kept = await call("POST", "/api/workflows", { name, graph });
    const { sha256 } = kept;
    await call("PUT", `/api/workflows/${name}/tags/exp%2Fone`, { sha256 });
    const line = JSON.stringify({ workflow: `${name}@exp/one`, inputs: { n } });
    const { run } = await call("POST", "/api/runs:batch", `${line}\n`);
    return run.id;
  },
  result: () => ROUNDS,
  effects: (n) => [gatePath("long", n)],
};

export const CHILD = { name: "child", graph: child };
/** `long` is among those that everyday are started while hubs die: it starts as nothing else does. */
export const FLOWS: readonly Flow[] = [
  ship,
  flaky,
  long,
  door,
  greet,
  pack,
  lift,
  undo,
  permit,
  patched,
  cancelled,
  big,
  parent,
];
