import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sendJson, sseText, startEvents } from "@gantry/shared/client/testing/fake-hub.ts";
import { completeLine, SLASH_COMMANDS } from "./chat-commands.ts";
import { queryReply } from "./testing/fixtures.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const ROUTE = [
  { tier: "rule", outcome: "skipped", reason: "the sentence is no built-in intent" },
  { tier: "loaded", outcome: "failed", reason: "busy: the queue is full" },
  { tier: "cloud", outcome: "taken", target: "sim/big", reason: "no machine could" },
] as const;

function answers(): void {
  rig.hub.on("POST /api/query", (_, reply) => {
    startEvents(reply).write(sseText("queued", { position: 2, etaMs: 4_200 }));
    reply.write(sseText("token", { text: "Hel" }));
    const base = queryReply();
    reply.end(
      sseText(
        "reply",
        queryReply({
          routing: { ...base.routing, tier: "frontier", model: "big", route: [...ROUTE] },
          usage: { ...base.usage, costMicroUsd: 1_234 },
        }),
      ),
    );
  });
}
const bodies = (): unknown[] =>
  rig.hub.seen.filter(({ url }) => url === "/api/query").map(({ body }) => body);

describe("gantry chat", () => {
  it("sends what the slash commands have set with each question, until they are auto again", async () => {
    answers();
    const typed = [
      "/model big",
      "/provider sim",
      "/verbosity 1",
      "/class local-only",
      "/tools off",
      "one",
      "/model auto",
      "/provider auto",
      "/verbosity auto",
      "/class auto",
      "two",
    ];
    const { out } = await rig.gantry(["chat"], { typed });
    expect(out).toContain("model: big");
    expect(bodies()).toMatchObject([
      {
        prompt: "one",
        model: "big",
        provider: "sim",
        verbosity: 1,
        dataClass: "local-only",
        toolMode: "off",
      },
      { prompt: "two", conversationId: "cnv_1", toolMode: "off" },
    ]);
    expect(bodies()[1]).not.toHaveProperty("model");
  });

  it("says of a wrong word what the right ones are, and goes on", async () => {
    answers();
    const { err, out } = await rig.gantry(["chat"], { typed: ["/verbosity 9", "/nothing", "one"] });
    expect(err).toContain('"9" is none of 1, 2, 3, 4, 5');
    expect(out).toContain("There is no /nothing here: /help");
    expect(bodies()).toHaveLength(1);
  });

  it("takes several lines as one question: after a backslash, and between three quotes", async () => {
    answers();
    await rig.gantry(["chat"], { typed: ["a\\", "b\\", "c", '"""', "d", "", "e", '"""'] });
    expect(bodies()).toMatchObject([{ prompt: "a\nb\nc" }, { prompt: "d\n\ne" }]);
    expect(rig.prompts).toContain("...> ");
  });

  it("shows the route of an answer, its cost, and the place in line while it waits", async () => {
    answers();
    const { out, err } = await rig.gantry(["chat"], { typed: ["one", "/trace"], isTty: true });
    expect(err).toContain("waiting: 2 in line, about 5 s");
    expect(err).toContain("$0.001234");
    expect(out).toContain("cloud (sim/big): no machine could");
    expect(out).toContain("loaded: busy: the queue is full");
    const traced = await rig.gantry(["ask", "--trace", "one"]);
    expect(traced.err).toContain("✓ cloud (sim/big): no machine could");
    expect(traced.err).not.toContain("waiting");
    expect(traced.out).toBe("Hello\n");
  });

  it("saves a conversation as Markdown, and over no file that is there", async () => {
    answers();
    rig.hub.on("GET /api/conversations/cnv_1", (_, reply) =>
      sendJson(reply, {
        id: "cnv_1",
        title: "one",
        createdAt: "2026-11-21T04:05:22.000Z",
        changedAt: "2026-11-21T04:05:22.000Z",
        total: 1,
        messages: [
          {
            id: "m",
            seq: 0,
            role: "user",
            text: "one",
            at: "2026-11-21T04:05:22.000Z",
            requestId: "r",
          },
        ],
      }),
    );
    const { out, err } = await rig.gantry(["chat"], { typed: ["one", "/save a.md", "/save a.md"] });
    expect(out).toContain("Saved 1 messages");
    expect(err).toContain("is there already");
    expect(await readFile(join(rig.dir, "a.md"), "utf8")).toContain("## You, 2026");
  });

  it("completes commands and their words", () => {
    expect(completeLine("/ver")).toEqual([["/verbosity "], "/ver"]);
    expect(completeLine("/class l")).toEqual([["local-only"], "l"]);
    expect(completeLine("hello")).toEqual([[], "hello"]);
    for (const name of [
      "model",
      "provider",
      "memory",
      "devices",
      "confirm",
      "trace",
      "verbosity",
      "council",
      "help",
      "clear",
      "save",
    ])
      expect(Object.keys(SLASH_COMMANDS)).toContain(`/${name}`);
  });
});

describe("gantry budget", () => {
  it("lists, sets and drops budgets in dollars", async () => {
    rig.hub.on("GET /api/budgets", (_, reply) =>
      sendJson(reply, {
        reserved: [],
        budgets: [
          {
            id: "appliance",
            perDayUsd: 5,
            by: "ada",
            changedAt: "2026-11-21T04:05:22.000Z",
            use: [
              {
                period: "2026-11-21",
                maxUsd: 5,
                spentUsd: 0.5,
                uncertainUsd: 0,
                reservedUsd: 0.1,
                calls: 3,
              },
            ],
          },
        ],
      }),
    );
    rig.hub.on("PUT /api/budgets/person%3Aada", (_, reply) =>
      sendJson(reply, {
        id: "person:ada",
        perDayUsd: 2,
        by: "ada",
        changedAt: "2026-11-21T04:05:22.000Z",
        use: [],
      }),
    );
    expect((await rig.gantry(["budget"])).out).toMatch(
      /appliance +2026-11-21 +0\.500000 +0\.100000 +5\.00 +3/,
    );
    expect((await rig.gantry(["budget", "set", "person:ada", "--day", "2"])).out).toContain(
      "is set",
    );
    expect(rig.hub.seen.at(-1)?.body).toEqual({ perDayUsd: 2 });
    expect((await rig.gantry(["budget", "set", "person:ada"])).code).toBe(64);
    expect((await rig.gantry(["budget", "set", "person:ada", "--day", "x"])).code).toBe(64);
  });
});
