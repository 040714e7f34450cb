import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  sendJson,
  sendProblem,
  sseText,
  startEvents,
} from "@gantry/shared/client/testing/fake-hub.ts";
import { confirmationView, queryReply } from "./testing/fixtures.ts";
import { CLEAN_ENV, LAUNCHER, run } from "./testing/launcher.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

/** The hub answers a query with these pieces and this reply. */
function answers(pieces: readonly string[], set: Parameters<typeof queryReply>[0] = {}): void {
  rig.hub.on("POST /api/query", (_, reply) => {
    startEvents(reply);
    for (const text of pieces) reply.write(sseText("token", { text }));
    reply.end(
      sseText("reply", queryReply({ result: { output: pieces.join(""), verbosity: 1 }, ...set })),
    );
  });
}

describe("ask", () => {
  it("[K1] prints the answer from a shell; one request id goes with the request and is shown", async () => {
    rig.hub.on("POST /api/query", (seen, reply) => {
      startEvents(reply).write(sseText("token", { text: "Hello" }));
      const requestId = String(seen.headers["x-request-id"]);
      reply.end(sseText("reply", queryReply({ requestId })));
    });
    const { port } = new URL(rig.hub.url);
    const env = { ...CLEAN_ENV, GANTRY_HTTP_PORT: port, GANTRY_TOKEN: "gt_1", HOME: rig.dir };
    const { stdout, stderr } = await run(process.execPath, [LAUNCHER, "ask", "how are you"], {
      env,
    });
    expect(stdout).toBe("Hello\n");
    const [seen] = rig.hub.seen;
    expect(seen?.body).toEqual({ prompt: "how are you", stream: true });
    expect(seen?.headers["authorization"]).toBe("Bearer gt_1");
    expect(seen?.headers["x-request-id"]).toMatch(/^req_[0-9a-z]{26}$/);
    expect(stderr).toContain(String(seen?.headers["x-request-id"]));
  });

  it("[K1] says when the token is refused, with code 77 and the request id", async () => {
    rig.hub.on("POST /api/query", (_, reply) => sendProblem(reply, "unauthenticated", "No token"));
    const { code, err } = await rig.gantry(["ask", "hi"]);
    expect(code).toBe(77);
    expect(err).toContain("gantry: No token\n  Send Authorization: Bearer TOKEN.\n");
    expect(err).toContain(`request ${String(rig.hub.seen[0]?.headers["x-request-id"])}`);
  });

  it("passes prefixes on as they are and reads standard input for -", async () => {
    answers(["ok"]);
    await rig.gantry(["ask", "@openai:", "#gpt-4o:", "hi"]);
    await rig.gantry(["ask", "--new", "-"], { stdin: "two\nlines" });
    expect(rig.hub.seen.map((seen) => seen.body)).toMatchObject([
      { prompt: "@openai: #gpt-4o: hi" },
      { prompt: "two\nlines" },
    ]);
    expect((await rig.gantry(["ask", "-"], { stdin: " \n" })).code).toBe(64);
  });

  it("goes on with the last conversation, and begins a new one with --new", async () => {
    answers(["ok"]);
    await rig.gantry(["ask", "one"]);
    await rig.gantry(["ask", "two"]);
    await rig.gantry(["ask", "--new", "three"]);
    await rig.gantry(["ask", "--conversation", "cnv_9", "four"]);
    const ids = rig.hub.seen.map(
      (seen) => (seen.body as { conversationId?: string }).conversationId,
    );
    expect(ids).toEqual([undefined, "cnv_1", undefined, "cnv_9"]);
  });

  it("begins anew when the hub has forgotten the remembered conversation", async () => {
    answers(["ok"]);
    await rig.gantry(["ask", "one"]);
    rig.hub.on("POST /api/query", ({ body }, reply) =>
      "conversationId" in (body as object)
        ? sendProblem(reply, "not_found", "No such conversation")
        : sendJson(reply, queryReply()),
    );
    expect(await rig.gantry(["ask", "two"])).toMatchObject({ code: 0, out: "Hello\n" });
    expect((await rig.gantry(["ask", "--conversation", "cnv_x", "three"])).code).toBe(66);
  });

  it("[K18] is plain in a pipe and formatted on a terminal", async () => {
    answers(["**bo", "ld**\n\u001b]0;owned\u0007x"]);
    expect((await rig.gantry(["ask", "hi"])).out).toBe("**bold**\nx\n");
    const rich = await rig.gantry(["ask", "hi"], { isTty: true });
    expect(rich.out).toContain("\u001b[1mbold\u001b[22m\n");
    expect(rich.out).not.toContain("owned");
    const plain = await rig.gantry(["ask", "hi"], { isTty: true, env: { NO_COLOR: "1" } });
    expect(plain.out).toBe("**bold**\nx\n");
  });

  it("gives JSON lines with --json", async () => {
    answers(["a", "b"]);
    const { out } = await rig.gantry(["ask", "--json", "hi"]);
    const lines = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.map((line) => line.type)).toEqual(["token", "token", "reply"]);
    expect(lines[2]).toMatchObject({ requestId: "req_1", routing: { model: "tiny" } });
  });

  it("[K117] asks for the phrase, passes it on as typed, and lets it be typed again", async () => {
    answers(["Shall I?"], { requiresConfirmation: true, confirmation: confirmationView() });
    rig.hub.on("POST /api/confirmation/cfm_1/confirm", ({ body }, reply) =>
      (body as { phrase: string }).phrase === "print bracket"
        ? sendJson(reply, { job: { id: "prt_1", state: "ready" } })
        : sendProblem(reply, "phrase_mismatch", "That is not the phrase"),
    );
    const typed = ["please do NOT confirm: proceed", "print bracket"];
    const { code, out, err } = await rig.gantry(["ask", "print it"], { isTty: true, typed });
    expect(code).toBe(0);
    expect(out).toContain("Needs your word");
    expect(out).toContain("job prt_1 is ready");
    expect(err).toContain("That is not the phrase");
    const phrases = rig.hub.seen.slice(1).map((seen) => (seen.body as { phrase: string }).phrase);
    expect(phrases).toEqual(typed);
  });

  it("[K117] confirms nothing without a phrase: at an empty line, in a pipe, with --json", async () => {
    answers(["Shall I?"], { requiresConfirmation: true, confirmation: confirmationView() });
    const silent = await rig.gantry(["ask", "print it"], { isTty: true, typed: [""] });
    expect(silent.err).toContain("It waits: gantry confirm cfm_1 print bracket");
    const piped = await rig.gantry(["ask", "print it"], { typed: ["print bracket"] });
    expect(piped.out).toContain("gantry confirm cfm_1 print bracket");
    await rig.gantry(["ask", "--json", "print it"], { isTty: true, typed: ["print bracket"] });
    expect(rig.hub.seen.filter((seen) => seen.url.includes("confirm"))).toEqual([]);
  });

  it("[K117] takes the phrase from --yes", async () => {
    answers(["Shall I?"], { confirmation: confirmationView() });
    rig.hub.on("POST /api/confirmation/cfm_1/confirm", (_, reply) =>
      sendProblem(reply, "phrase_mismatch", "That is not the phrase"),
    );
    expect((await rig.gantry(["ask", "print it", "--yes", "print braket"])).code).toBe(65);
  });
});

describe("chat", () => {
  it("keeps the conversation, obeys commands and survives errors", async () => {
    answers(["Hello"]);
    rig.hub.json("GET /api/confirmation/cnv_1", confirmationView());
    rig.hub.json("POST /api/confirmation/cfm_1/confirm", { job: { id: "prt_1", state: "ready" } });
    rig.hub.json("POST /api/fabrication/stop", { stopped: ["sim"], unreachable: ["b"] });
    const typed = [
      "hi",
      "again",
      "/confirm print bracket",
      "/cancel",
      "/stop sim",
      "/nonsense",
      "/new",
      "x",
      "/exit",
      "never",
    ];
    const { code, out, err } = await rig.gantry(["chat", "--new"], { typed });
    expect(code).toBe(0);
    const asked = rig.hub.seen.filter((seen) => seen.url === "/api/query").map((seen) => seen.body);
    expect(asked).toMatchObject([
      { prompt: "hi" },
      { prompt: "again", conversationId: "cnv_1" },
      { prompt: "x" },
    ]);
    expect(asked[2]).not.toHaveProperty("conversationId");
    expect(out).toContain("job prt_1 is ready");
    expect(out).toContain("Stopped: sim. NOT REACHED: b");
    expect(out).toContain("There is no /nonsense here");
    expect(err).toContain("No handler for DELETE /api/confirmation/cfm_1");
  });
});
