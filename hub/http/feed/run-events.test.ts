import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { DoorBounds } from "../app.ts";
import { eventually, makeRig, type Rig } from "../testing/rig.ts";
import { openSse, type SseClient, type SseMessage } from "../testing/sse-client.ts";

type NewEvent = Omit<LedgerEvent, "id" | "atMs">;

const node = (run: string, place: string, note = ""): NewEvent => ({
  type: "run.node",
  subject: run,
  data: { run, what: "finished", place, note },
});
const change = (run: string, state: string): NewEvent => ({
  type: "run.changed",
  subject: run,
  data: { id: run, state },
});

interface Live extends AsyncDisposable {
  readonly rig: Rig;
  readonly port: number;
  open(run: string, query?: string, lastId?: string): Promise<SseClient>;
}

async function makeLive(bounds: DoorBounds = {}): Promise<Live> {
  const rig = await makeRig({}, bounds);
  const { port } = await rig.serve();
  const spans = new Map<string, { first: number; last?: number }>();
  rig.desk.on("run", ({ params }) => {
    const positions = spans.get(params["id"] ?? "");
    if (positions === undefined) throw new GantryError("not_found", "There is no such run");
    return { positions };
  });
  const emit = rig.desk.emit.bind(rig.desk);
  rig.desk.emit = (...events) => {
    const id = emit(...events);
    for (const { type, subject, data } of events) {
      if (type !== "run.changed") continue;
      const { state } = data as { state: string };
      const first = spans.get(subject)?.first ?? id;
      spans.set(subject, { first, ...(state === "done" ? { last: id } : {}) });
    }
    return id;
  };
  const clients: SseClient[] = [];
  return {
    rig,
    port,
    async open(run, query = "", lastId) {
      const headers = {
        authorization: "Bearer ann-token",
        ...(lastId === undefined ? {} : { "last-event-id": lastId }),
      };
      const url = `http://127.0.0.1:${port}/api/runs/${run}/events${query}`;
      const client = await openSse(url, { headers });
      clients.push(client);
      if (client.response.ok) await eventually(() => client.text().includes("retry:"));
      return client;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
      await rig[Symbol.asyncDispose]();
    },
  };
}

/** Other things happen all the time. */
function noise({ desk }: Rig, count: number): void {
  for (let n = 0; n < count; n += 1) desk.emit({ type: "flag.changed", subject: `f${n}`, data: 0 });
}

function tellRun({ desk }: Rig, run: string, nodes: number): void {
  desk.emit(change(run, "running"));
  for (let n = 0; n < nodes; n += 1) desk.emit(node(run, `n${n}`));
  desk.emit(change(run, "done"));
}

const placesOf = (messages: readonly SseMessage[]): readonly unknown[] =>
  messages.map(({ data }) => {
    const { data: told } = JSON.parse(data ?? "{}") as LedgerEvent;
    const { place, state } = told as { place?: string; state?: string };
    return place ?? state;
  });
const whole = (nodes: number): readonly string[] => [
  "running",
  ...Array.from({ length: nodes }, (_, n) => `n${n}`),
  "done",
];

describe("the events of one run", () => {
  it("[M17] [M36] come whole after it has ended, without a walk through what came after", async () => {
    await using live = await makeLive({ ringItemsMax: 50 });
    noise(live.rig, 3_000);
    tellRun(live.rig, "run_1", 30);
    noise(live.rig, 5_000);
    const client = await live.open("run_1", "?since=0");
    expect(placesOf(await client.take(32))).toEqual(whole(30));
    const pages = live.rig.desk.asked.filter(({ route }) => route === "events");
    expect(pages.map(({ request }) => request.query["since"])).toEqual([3_000]);
    live.rig.desk.emit(change("run_1", "running")); // it is retried
    live.rig.desk.emit(node("run_2", "other"));
    live.rig.desk.emit(node("run_1", "n0"));
    expect(placesOf(await client.take(34)).slice(32)).toEqual(["running", "n0"]);
  });

  it("[M16] [M17] two viewers have each their own cursor, and one that left goes on where it was", async () => {
    await using live = await makeLive({ ringItemsMax: 20 });
    live.rig.desk.emit(change("run_1", "running"));
    const early = await live.open("run_1", "?since=0");
    for (let n = 0; n < 60; n += 1) {
      live.rig.desk.emit(node("run_1", `n${n}`));
      noise(live.rig, 3);
    }
    const seen = await early.take(61);
    const lastId = seen[30]?.id ?? "";
    await early[Symbol.asyncDispose]();
    const late = await live.open("run_1", "?since=0");
    const again = await live.open("run_1", "?since=0", lastId);
    live.rig.desk.emit(change("run_1", "done"));
    expect(placesOf(await late.take(62))).toEqual(whole(60));
    expect(placesOf(await again.take(31))).toEqual(whole(60).slice(31));
  });

  it("[M19] [M35] a viewer that does not read delays no other, and has all of it in the end", async () => {
    await using live = await makeLive({ ringItemsMax: 50 });
    live.rig.desk.emit(change("run_1", "running"));
    const quick = await live.open("run_1", "?since=0");
    const slow = connect(live.port, "127.0.0.1");
    let text = "";
    slow.setEncoding("utf8");
    slow.on("data", (chunk) => {
      text += String(chunk);
    });
    slow.write(
      "GET /api/runs/run_1/events?since=0 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer bob-token\r\n\r\n",
    );
    await eventually(() => text.includes("retry:"));
    slow.pause();
    const padding = "x".repeat(20_000);
    for (let n = 0; n < 400; n += 1) live.rig.desk.emit(node("run_1", `n${n}`, padding));
    live.rig.desk.emit(change("run_1", "done"));
    expect(placesOf(await quick.take(402))).toEqual(whole(400)); // 8 MB while the other holds still
    slow.resume();
    await eventually(() => text.includes('"state":"done"'));
    const plain = text.replaceAll(/\r\n[0-9a-f]+\r\n/g, "");
    const places = [...plain.matchAll(/"place":"(n\d+)"/g)].map(([, place]) => place);
    expect(places).toEqual(whole(400).slice(1, -1));
    slow.destroy();
  });

  it("of a run that nobody knows are refused", async () => {
    await using live = await makeLive();
    expect((await live.open("run_0")).response.status).toBe(404);
  });

  it("come by a walk through the log where nobody can say where they are", async () => {
    await using live = await makeLive({ ringItemsMax: 20 });
    noise(live.rig, 100);
    tellRun(live.rig, "run_1", 5);
    noise(live.rig, 100);
    live.rig.desk.on("run", () => {
      throw new GantryError("no_leader", "There is no leader now");
    });
    const client = await live.open("run_1", "?since=0");
    expect(placesOf(await client.take(7))).toEqual(whole(5));
  });
});
