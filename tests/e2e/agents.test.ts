// Agents and MCP against the whole appliance with a tiny language model: official client, published suite.

import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runConformance } from "../../hub/mcp/testing/suite.ts";
import { type Appliance, MODELS, ROOT, until } from "../support/appliance.ts";
import { gantry } from "../support/gantry.ts";
import { PATIENCE_MS, startFast, untilModel } from "./steps.ts";

const MODEL = "tiny-random";
const PATH = join(MODELS, `${MODEL}.gguf`);

/** What the person at the client types when asked; undefined: the client cannot ask anybody. */
type Person = ((message: string) => string | undefined) | undefined;

describe.skipIf(!existsSync(PATH))("agents and tools", { timeout: 2 * PATIENCE_MS }, () => {
  let a: Appliance;
  const open: { close(): Promise<void> }[] = [];
  beforeAll(async () => {
    a = await startFast({ env: { GANTRY_LLM_MODELS: PATH, GANTRY_LLM_SLOTS: "1" } });
    await untilModel(a, MODEL);
  }, PATIENCE_MS);
  afterAll(async () => {
    await Promise.all(open.map((one) => one.close().catch(() => {})));
    await a[Symbol.asyncDispose]();
  });

  function makeClient(person: Person): Client {
    const capabilities = person === undefined ? {} : { elicitation: {} };
    const client = new Client({ name: "test", version: "1.0.0" }, { capabilities });
    if (person !== undefined)
      client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
        const phrase = person(params.message);
        return phrase === undefined
          ? { action: "decline" }
          : { action: "accept", content: { phrase } };
      });
    open.push(client);
    return client;
  }

  async function connect(person?: Person, token = a.token): Promise<Client> {
    const client = makeClient(person);
    const requestInit = { headers: { authorization: `Bearer ${token}` } };
    const transport = new StreamableHTTPClientTransport(new URL(`${a.url}/mcp`), { requestInit });
    await client.connect(transport);
    return client;
  }

  it("an official MCP client lists what its role may use, and reads printers", async () => {
    const client = await connect();
    const { tools } = await client.listTools();
    const byName = new Map(tools.map((tool) => [tool.name, tool]));
    expect(byName.get("printers_list")?.annotations?.readOnlyHint).toBe(true);
    expect(byName.get("print_cancel")?.annotations?.destructiveHint).toBe(true);
    expect([...byName.keys()].filter((name) => /confirm|approve|token/.test(name))).toEqual([]);
    const { structuredContent } = await client.callTool({ name: "printers_list", arguments: {} });
    expect(textIn(structuredContent)).toContain('"sim"');
    const { body } = await a.api("POST", "/api/tokens", { person: "vera", role: "viewer" });
    const viewer = await connect(undefined, body.secret ?? body.token);
    const names = (await viewer.listTools()).tools.map(({ name }) => name);
    expect([names.includes("printers_list"), names.includes("print_pause")]).toEqual([true, false]);
    const refused = await viewer.callTool({ name: "print_pause", arguments: { print: "prt_1" } });
    expect(refused.isError).toBe(true);
    await expect(
      client.callTool({ name: "printer_get", arguments: { printer: "nobody" } }),
    ).resolves.toMatchObject({ isError: true });
  });

  it("[K117] a dangerous tool asks the client's person for the phrase, and nothing else lets it happen", async () => {
    const silent = await connect();
    const args = { name: "bed_cleared", arguments: { printer: "sim" } };
    const waiting = await silent.callTool(args);
    expect(waiting.structuredContent).toMatchObject({ requiresConfirmation: true });
    expect(textIn(waiting)).not.toMatch(/confirm bed cleared/); // the phrase is the person's alone

    let asked = "";
    const wrong = await connect((message) => `please do NOT ${phraseIn((asked = message))}`);
    expect(await wrong.callTool(args)).toMatchObject({ isError: true });
    expect(asked).toContain("bed");
    const declining = await connect(() => undefined);
    expect(await declining.callTool(args)).toMatchObject({ isError: true });
    const right = await connect(phraseIn);
    const done = await right.callTool(args);
    expect(done.isError).toBeUndefined();
    const { body } = await a.api("GET", "/api/agents");
    const states = body.turns.map((turn: { state: string }) => turn.state);
    expect(states.filter((state: string) => state === "done")).toHaveLength(1);
  });

  it("resources are read, completed, and told of when they change", async () => {
    const client = await connect(phraseIn);
    const { contents } = await client.readResource({ uri: "gantry://printers/sim" });
    expect(textIn(contents)).toContain("sim");
    const { completion } = await client.complete({
      ref: { type: "ref/resource", uri: "gantry://printers/{id}" },
      argument: { name: "id", value: "s" },
    });
    expect(completion.values).toEqual(["sim"]);
    const updated = new Promise<string>((resolve) => {
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
        resolve(params.uri),
      );
    });
    await client.subscribeResource({ uri: "gantry://agents" });
    await client.callTool({ name: "bed_cleared", arguments: { printer: "sim" } });
    expect(await updated).toBe("gantry://agents");
    const { messages } = await client.getPrompt({
      name: "print_a_part",
      arguments: { what: "a box" },
    });
    expect(textIn(messages)).toContain("a box");
  });

  it("gantry mcp speaks the same on standard input and output, over a restart of the hub", async () => {
    const client = makeClient(phraseIn);
    const transport = new StdioClientTransport({
      command: join(ROOT, "node_modules/.bin/node"),
      args: [
        "--disable-warning=ExperimentalWarning",
        join(ROOT, "node-agent/bin/gantry.js"),
        "mcp",
      ],
      env: {
        PATH: process.env["PATH"] ?? "",
        GANTRY_DATA_DIR: a.dataDir,
        GANTRY_TOKEN: a.token,
        GANTRY_HTTP_PORT: new URL(a.url).port,
      },
    });
    await client.connect(transport);
    const call = { name: "printers_list", arguments: {} };
    expect(textIn(await client.callTool(call))).toContain("sim");
    expect(
      (await client.callTool({ name: "bed_cleared", arguments: { printer: "sim" } })).isError,
    ).toBeUndefined();
    await a.kill("hub", "SIGKILL");
    await a.start("hub");
    await until("the hub", async () => (await a.api("GET", "/readyz")).status === 200, PATIENCE_MS);
    expect(textIn(await client.callTool(call))).toContain("sim");
  });

  it("the published suite's scenarios without fixtures pass against the hub itself", async () => {
    const target = new URL(a.url);
    // The suite sends no token: this adds it, and nothing else.
    const proxy = createServer((incoming: IncomingMessage, response: ServerResponse) => {
      const headers = { ...incoming.headers, authorization: `Bearer ${a.token}` };
      const { method, url } = incoming;
      const onward = httpRequest(
        { host: target.hostname, port: target.port, path: url, method, headers },
        (reply) => {
          response.writeHead(reply.statusCode ?? 502, reply.headers);
          reply.pipe(response);
        },
      );
      onward.on("error", () => response.destroy());
      incoming.pipe(onward);
    });
    await new Promise<void>((resolve) => void proxy.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/mcp`;
    try {
      const found: (readonly [string, string])[] = [];
      for (const scenario of HUB_SCENARIOS) {
        const { checks } = await runConformance(["server", "--url", url, "--scenario", scenario]);
        expect([scenario, checks.length > 0]).toEqual([scenario, true]);
        for (const { status } of checks) found.push([scenario, status]);
      }
      expect(found.filter(([, status]) => status !== "SUCCESS")).toEqual([]);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  it("a question is answered by the loop, with its turn; gantry agent shows its steps", async () => {
    const body = { prompt: "look after the printers", useAgent: true };
    const { status, body: reply } = await a.api("POST", "/api/query", body);
    const { body: page } = await a.api("GET", "/api/agents?limit=1");
    const [turn] = page.turns;
    expect(turn.goal).toBe(body.prompt);
    const isAnswer = status === 200;
    expect(isAnswer ? reply.routing.metadata.turn : turn.state).toBe(isAnswer ? turn.id : "failed");
    const env = {
      GANTRY_DATA_DIR: a.dataDir,
      GANTRY_TOKEN: a.token,
      GANTRY_HTTP_PORT: new URL(a.url).port,
    };
    const shown = await gantry(["agent", "show", turn.id], env);
    expect([shown.code, shown.out]).toEqual([
      0,
      expect.stringContaining(`${turn.steps.length} steps`),
    ]);
    const tools = await gantry(["agent", "tools"], env);
    expect(tools.out).toContain("printers_list");
    const called = await gantry(["agent", "call", "printer_get", "--arg", "printer=sim"], env);
    expect([called.code, called.out]).toEqual([0, expect.stringContaining("sim")]);
  });

  it("a tiny model's calls are forced by grammar: each step is a tool that exists, and no hazard begins", async () => {
    const { status, body } = await a.api("POST", "/api/agents", {
      goal: "look at the printers",
      tools: ["printers_list", "queues_list", "bed_cleared"],
      budget: { steps: 4, timeS: 120 },
      wait: true,
    });
    expect(status).toBe(202);
    const turn = await until(
      "the turn's end",
      async () => {
        const { body: now } = await a.api("GET", `/api/agents/${body.id}`);
        return now.state === "running" ? undefined : now;
      },
      2 * PATIENCE_MS,
    );
    expect(["done", "failed", "waiting"]).toContain(turn.state);
    expect(turn.steps.length).toBeGreaterThan(0);
    const steps: { tool?: string; state: string }[] = turn.steps;
    const tools = new Set(["printers_list", "queues_list", "bed_cleared", undefined]);
    expect(steps.filter(({ tool }) => !tools.has(tool))).toEqual([]);
    const begun = steps.filter(({ tool, state }) => tool === "bed_cleared" && state !== "waiting");
    expect(begun).toEqual([]);
  });
});

const phraseIn = (message: string): string => message.split("type exactly: ")[1] ?? "";
const textIn = (result: unknown): string => JSON.stringify(result);

const HUB_SCENARIOS = [
  "server-initialize",
  "logging-set-level",
  "ping",
  "completion-complete",
  "tools-list",
  "resources-list",
  "resources-subscribe",
  "resources-unsubscribe",
  "prompts-list",
  "server-sse-multiple-streams",
  "dns-rebinding-protection",
];
