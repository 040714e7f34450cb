// How runs failed in the systems before this one, each as a test by its name. Here are those that need
// real processes; the others are beside the code that they are about:
//
//   the 51st workflow ever, the counter that goes to -1, redelivery counted twice,
//   random branch order, the patch that reaches a node already passed   hub/ledger/domains/runs.test.ts
//   a loop's second pass                                                hub/workflow/engine.test.ts

import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeSseParser } from "@gantry/shared/client/sse.ts";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";
import { type Outside, startOutside } from "./outside.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

const PATIENCE_MS = 90_000;
const EVENTS = 1_000; // after which the predecessor's run stood still
const isOver = ({ state }: Json): boolean => ["done", "failed", "cancelled"].includes(state);

const hasEnd = ({ seen }: Viewer): boolean =>
  seen.some(({ type, data }) => type === "run.changed" && isOver(data));

interface Viewer {
  /** Events of the run, in the order in which they came. */
  readonly seen: Json[];
  leave(): void;
}

describe("what the predecessors got wrong", { timeout: 2 * PATIENCE_MS }, () => {
  let a: Appliance;
  let outside: Outside;
  beforeAll(async () => {
    outside = await startOutside();
    a = await startAppliance({
      parts: ["hub"],
      env: { GANTRY_EGRESS_ALLOW: `127.0.0.1:${outside.port}` },
    });
  }, PATIENCE_MS);
  afterAll(async () => {
    await a[Symbol.asyncDispose]();
    await outside[Symbol.asyncDispose]();
  });

  async function start(graph: object, inputs: object = {}): Promise<string> {
    const { status, body } = await a.api("POST", "/api/runs", { graph, inputs });
    expect([status, body.code, body.detail]).toEqual([202, undefined, undefined]);
    return body.run.id;
  }
  const over = (id: string): Promise<Json> =>
    until(
      `the end of ${id}`,
      async () => {
        const { body } = await a.api("GET", `/api/runs/${id}`).catch(() => ({ body: {} as Json }));
        return isOver(body) && body;
      },
      PATIENCE_MS,
    );

  /** Resolves when the stream is open. `after`: a log position. */
  async function view(id: string, after: number): Promise<Viewer> {
    const gone = new AbortController();
    const reply = await fetch(`${a.url}/api/runs/${id}/events`, {
      headers: { authorization: `Bearer ${a.token}`, "last-event-id": String(after) },
      signal: gone.signal,
    });
    const seen: Json[] = [];
    const parser = makeSseParser();
    const read = async (): Promise<void> => {
      for await (const chunk of reply.body ?? []) {
        for (const { type, data } of parser.push(chunk))
          if (type.startsWith("run.")) seen.push(JSON.parse(data));
      }
    };
    read().catch(() => {}); // it has left, or the hub has
    return { seen, leave: () => gone.abort() };
  }

  it("two viewers of one stream: both are told everything, and the first to leave closes it for nobody", async () => {
    const held = outside.hold("/viewed");
    const calls = ["one", "two", "three"];
    const graph = {
      nodes: Object.fromEntries(
        calls.map((name) => [name, { type: "http", url: `${outside.url}/viewed/${name}` }]),
      ),
    };
    const id = await start(graph);
    const [first, second] = await Promise.all([view(id, 0), view(id, 0)]);
    await until(
      "both to be told of the start",
      () => first.seen.length > 0 && second.seen.length > 0,
    );
    first.leave();
    await until("the calls to arrive", () => held.arrived() === calls.length);
    held.go();
    await over(id);
    await until("the second to be told of the end", () => hasEnd(second));
    const third = await view(id, 0);
    await until("who came late to be told of it, too", () => hasEnd(third));
    expect(second.seen).toEqual(third.seen);
    const begun = second.seen[0];
    const resumed = await view(id, begun.id);
    await until("who comes back to be told of the rest", () => hasEnd(resumed));
    expect(resumed.seen).toEqual(third.seen.filter((event) => event.id > begun.id));
    expect(resumed.seen.length).toBeGreaterThan(0);
    for (const viewer of [second, third, resumed]) viewer.leave();
  });

  it("the run nobody watches that blocks after 1,000 events: it ends, as does one whose viewer sleeps", async () => {
    const graph = {
      nodes: {
        each: {
          type: "map",
          over: "inputs.list",
          maxParallel: 50,
          body: {
            nodes: { call: { type: "http", url: `${outside.url}/item/\${item}` } },
            output: "${nodes.call.output.status}",
          },
        },
      },
      output: "${size(nodes.each.output)}",
    };
    const list = Array.from({ length: EVENTS + 200 }, (_, item) => item);
    const unseen = await start(graph, { list });
    expect(await over(unseen)).toMatchObject({ state: "done", result: list.length });
    const slept = await start(graph, { list });
    const sleeper = await fallAsleep(slept);
    expect(await over(slept)).toMatchObject({ state: "done", result: list.length });
    sleeper.destroy();
    const late = await view(unseen, 0);
    await until("all of it to be told to who comes late", () => hasEnd(late), PATIENCE_MS);
    expect(late.seen.length).toBeGreaterThan(EVENTS);
    late.leave();
  });

  /** A viewer that reads the head of the answer and then no more. */
  async function fallAsleep(id: string): Promise<Socket> {
    const { hostname, port } = new URL(a.url);
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {}); // the hub may cut it off
    socket.write(
      `GET /api/runs/${id}/events HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${a.token}\r\n\r\n`,
    );
    await new Promise((resolve) => socket.once("data", resolve));
    socket.pause();
    return socket;
  }

  it("the timer lost with the process: it fires after the hub is back, once, and never early", async () => {
    const graph = (delayMs: number): object => ({
      nodes: {
        wait: { type: "timer", delayMs },
        after: { type: "http", method: "POST", url: `${outside.url}/timed/\${inputs.n}` },
      },
      edges: [{ from: "wait", to: "after" }],
    });
    const dueAt = async (id: string): Promise<number> => {
      const { body } = await a.api("GET", `/api/runs/${id}`);
      return Date.parse(body.nodes.find(({ place }: Json) => place === "wait").dueAt);
    };
    const short = await start(graph(200), { n: "short" }); // due while there is no hub
    const long = await start(graph(6_000), { n: "long" }); // due when there is one again
    const due = { short: await dueAt(short), long: await dueAt(long) };
    await a.kill("hub", "SIGKILL");
    await until("the short one to be due", () => Date.now() > due.short);
    await a.start("hub");
    for (const [id, dueMs] of [
      [short, due.short],
      [long, due.long],
    ] as const) {
      const run = await over(id);
      expect(run.state).toBe("done");
      expect(Date.parse(run.endedAt)).toBeGreaterThanOrEqual(dueMs);
    }
    const timed = outside.asked.filter(({ path }) => path.startsWith("/timed/"));
    expect(timed.map(({ path }) => path).toSorted()).toEqual(["/timed/long", "/timed/short"]);
  });

  it("the 51st workflow ever: 120 workflows with a name of their own, one after another", async () => {
    for (let n = 1; n <= 120; n += 1) {
      const graph = { nodes: { call: { type: "http", url: `${outside.url}/ever/${n}` } } };
      const name = `ever-${n}`;
      const kept = await a.api("POST", "/api/workflows", { name, graph });
      const begun = await a.api("POST", "/api/runs", { workflow: name });
      expect([n, kept.status, begun.status]).toEqual([n, 201, 202]);
      expect((await over(begun.body.run.id)).state).toBe("done");
    }
  });
});
