import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { makeRig, type Rig } from "../testing/rig.ts";

const PATH = "/api/runs:batch";
const NDJSON = { "content-type": "application/x-ndjson" };

interface Asked {
  readonly runs: readonly { readonly workflow: string; readonly inputs: { readonly n?: number } }[];
}

interface Line {
  readonly run?: { readonly id: string };
  readonly error?: { readonly code: string };
  /** Of a refusal as a whole. */
  readonly code?: string;
}

async function makeBatchRig(): Promise<Rig> {
  const rig = await makeRig();
  rig.desk.on("runsStarted", ({ body }) => ({
    results: (body as Asked).runs.map(({ inputs }) => ({
      run: { id: `run_${inputs.n}`, state: "done" },
    })),
  }));
  return rig;
}

const send = (rig: Rig, lines: readonly string[], headers: object = {}): Promise<Response> =>
  rig.ask("POST", PATH, {
    token: "maker-token",
    headers: { ...NDJSON, ...headers },
    body: lines.join("\n"),
  });
const line = (n: number): string => JSON.stringify({ workflow: "flow", inputs: { n } });
const read = async (reply: Response): Promise<Line[]> =>
  (await reply.text())
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text) as Line);
const asked = (rig: Rig): readonly number[] =>
  rig.desk.asked.map(({ request }) => (request.body as Asked).runs.length);

describe("runs started by the line", () => {
  it("are answered in order, a line each, and what is wrong in its place (RB2)", async () => {
    await using rig = await makeBatchRig();
    const lines = [
      line(0),
      "{",
      '{"workflow": "a b"}',
      '{"inputs": {}}',
      '{"workflow": "x", "y": 1}',
      line(5),
    ];
    const reply = await send(rig, ["", ...lines, "  "]);
    expect([reply.status, reply.headers.get("content-type")]).toEqual([
      202,
      "application/x-ndjson",
    ]);
    const answers = await read(reply);
    expect(answers.map(({ run, error }) => run?.id ?? error?.code)).toEqual([
      "run_0",
      "bad_json",
      "bad_request",
      "bad_request",
      "bad_request",
      "run_5",
    ]);
  });

  it("go to the hub a thousand at a time, each part under a key of its own (RB1)", async () => {
    await using rig = await makeBatchRig();
    const lines = Array.from({ length: 2_100 }, (_, n) => line(n));
    const answers = await read(await send(rig, lines, { "idempotency-key": "k" }));
    expect(answers.map(({ run }) => run?.id)).toEqual(lines.map((_, n) => `run_${n}`));
    expect(asked(rig)).toEqual([1_000, 1_000, 100]);
    const keys = rig.desk.asked.map(({ request }) => request.replay?.key);
    expect(new Set(keys).size).toBe(3);
  });

  it("are bounded in number and in length (RB1)", async () => {
    await using rig = await makeBatchRig();
    const many = await read(
      await send(
        rig,
        Array.from({ length: LIMIT.runStarts.max + 1 }, (_, n) => line(n)),
      ),
    );
    expect(many.at(-1)?.error?.code).toBe("too_large");
    expect(many.length).toBeLessThanOrEqual(LIMIT.runStarts.max + 1);
    for (const after of ["", "\n{}"]) {
      const long = await send(rig, [`${"x".repeat(200_000)}${after}`]);
      expect([long.status, (await read(long))[0]]).toMatchObject([413, { code: "too_large" }]);
    }
  });

  it("need makers, and a body of lines", async () => {
    await using rig = await makeBatchRig();
    const options = { headers: NDJSON, body: line(1) };
    expect((await rig.ask("POST", PATH, { token: "operator-token", ...options })).status).toBe(403);
    const json = { headers: { "content-type": "application/json" }, body: line(1) };
    expect((await rig.ask("POST", PATH, { token: "maker-token", ...json })).status).toBe(415);
    expect(rig.desk.asked).toEqual([]);
  });

  it("that the hub refuses later say so as the last line: the status is sent already", async () => {
    await using rig = await makeBatchRig();
    let part = 0;
    rig.desk.on("runsStarted", ({ body }) => {
      part += 1;
      if (part === 2) throw new GantryError("busy", "full");
      return { results: (body as Asked).runs.map(() => ({ run: { id: "run_1", state: "done" } })) };
    });
    const reply = await send(
      rig,
      Array.from({ length: 1_500 }, (_, n) => line(n)),
    );
    const answers = await read(reply);
    expect([reply.status, answers.length, answers.at(-1)?.error?.code]).toEqual([
      202,
      1_001,
      "busy",
    ]);
  });
});
