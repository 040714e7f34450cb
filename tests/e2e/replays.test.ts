// Runs once more: as a whole, from a node on, from a log position on; frozen, in the shadow, and live.

import { beforeAll, afterAll, describe, expect, it } from "vitest";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";
import { gantry } from "../support/gantry.ts";
import { type Outside, startOutside } from "./outside.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any
const OVER = new Set(["done", "failed", "cancelled"]);

describe("a run once more", () => {
  let outside: Outside;
  let a: Appliance;
  let first: Json;

  const over = (id: string): Promise<Json> =>
    until(
      `the end of ${id}`,
      async () => {
        const { body } = await a.api("GET", `/api/runs/${id}`);
        return OVER.has(body.state) && body;
      },
      60_000,
    );
  const call = (name: string): object => ({
    type: "http",
    method: "POST",
    url: `${outside.url}/${name}`,
    body: "${inputs.word}",
  });
  async function replay(body: object): Promise<Json> {
    const reply = await a.api("POST", `/api/runs/${first.id}/replay`, body);
    expect([reply.status, reply.body.detail]).toEqual([202, undefined]);
    return over(reply.body.run.id);
  }
  const paths = (since: number): readonly string[] =>
    outside.asked.slice(since).map(({ path }) => path);

  beforeAll(async () => {
    outside = await startOutside();
    a = await startAppliance({
      parts: ["hub"],
      env: { GANTRY_EGRESS_ALLOW: `127.0.0.1:${outside.port}` },
    });
    const graph = {
      nodes: { one: call("one"), two: call("two"), three: call("three") },
      edges: [
        { from: "one", to: "two" },
        { from: "two", to: "three" },
      ],
      output: [
        "${nodes.one.output.body.n}",
        "${nodes.two.output.body.n}",
        "${nodes.three.output.body.n}",
      ],
    };
    const { body } = await a.api("POST", "/api/runs", { graph, inputs: { word: "first" } });
    first = await over(body.run.id);
  }, 60_000);
  afterAll(async () => {
    await a?.[Symbol.asyncDispose]();
    await outside?.[Symbol.asyncDispose]();
  });

  it("begin with a run that is done", () => {
    expect(first).toMatchObject({ state: "done", result: [1, 2, 3] });
  });

  it("[A63] from a node on, frozen: a new run with what came before as it was, and no effect again", async () => {
    const asked = outside.asked.length;
    const words = [
      "run",
      "replay",
      first.id,
      "--from",
      "two",
      "--mode",
      "freeze",
      "--json",
      "--hub",
      a.url,
      "--token",
      a.token,
    ];
    const told = await gantry(words, {});
    expect(told).toMatchObject({ code: 0, err: "" });
    const again = await over(JSON.parse(told.out).run.id);
    expect(again).toMatchObject({ state: "done", result: [1, 2, 3], replayOf: first.id });
    expect(again.id).not.toBe(first.id);
    expect(outside.asked).toHaveLength(asked);
    const { body } = await a.api("GET", `/api/runs/${again.id}/timeline`);
    const places = body.entries.flatMap(({ items }: Json) =>
      items.flatMap(({ place }: Json) => place ?? []),
    );
    expect(new Set(places)).toEqual(new Set(["two", "three"]));
  }, 60_000);

  it("[A63] in the shadow: another workflow and other inputs, answered from the record, null where there is none", async () => {
    const asked = outside.asked.length;
    const graph = {
      nodes: { one: call("one"), fresh: call("fresh") },
      edges: [{ from: "one", to: "fresh" }],
      output: {
        n: "${nodes.one.output.body.n}",
        fresh: "${nodes.fresh.output}",
        word: "${inputs.word}",
      },
    };
    const kept = await a.api("POST", "/api/workflows", { name: "other", graph });
    expect(kept.status).toBe(201);
    const shadow = await replay({ mode: "shadow", workflow: "other", inputs: { word: "second" } });
    expect(shadow).toMatchObject({ state: "done", result: { n: 1, fresh: null, word: "second" } });
    const frozen = await a.api("POST", `/api/runs/${first.id}/replay`, {
      mode: "freeze",
      workflow: "other",
    });
    expect(frozen.status).toBe(400);
    expect(outside.asked).toHaveLength(asked);
  }, 60_000);

  it("live, from a node on: what comes from there is done once more, under keys of its own", async () => {
    const asked = outside.asked.length;
    const live = await replay({ mode: "live", from: "two" });
    expect(live).toMatchObject({
      state: "done",
      forkOf: first.id,
      result: [1, asked + 1, asked + 2],
    });
    expect(paths(asked)).toEqual(["/two", "/three"]);
    expect(new Set(outside.asked.map(({ key }) => key)).size).toBe(outside.asked.length);
    const { body } = await a.api("GET", `/api/runs/${first.id}`);
    expect(body).toEqual(first);
    const again = await a.api("POST", `/api/runs/${live.id}/replay`, { mode: "freeze" });
    expect(await over(again.body.run.id)).toMatchObject({ result: live.result });
    expect(outside.asked).toHaveLength(asked + 2);
  }, 60_000);

  it("from a log position on: what had ended by then is as it was", async () => {
    const { body } = await a.api("GET", `/api/runs/${first.id}/timeline`);
    const at = body.entries.find(({ items }: Json) =>
      items.some(({ place, what }: Json) => place === "two" && what === "finished"),
    ).position;
    const asked = outside.asked.length;
    const live = await replay({ mode: "live", at });
    expect(paths(asked)).toEqual(["/three"]);
    expect(live.result).toEqual([1, 2, asked + 1]);
    expect(await replay({ mode: "freeze", at: 0 })).toMatchObject({ result: [1, 2, 3] });
    expect(outside.asked).toHaveLength(asked + 1);
  }, 60_000);

  it("is refused where it makes no sense, and says why", async () => {
    const cases: readonly [object, number, string][] = [
      [{ mode: "live" }, 400, "bad_request"],
      [{ from: "two", at: 1 }, 400, "bad_request"],
      [{ mode: "shadow", from: "two", inputs: {} }, 400, "bad_request"],
      [{ from: "nowhere" }, 404, "not_found"],
      [{ at: 999_999_999 }, 409, "conflict"],
    ];
    for (const [body, status, code] of cases) {
      const reply = await a.api("POST", `/api/runs/${first.id}/replay`, body);
      expect([reply.status, reply.body.code]).toEqual([status, code]);
    }
  });
});
