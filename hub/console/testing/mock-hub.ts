// Test equipment, not a hub: serves hub/console/dist with the hub's content policy and answers the
// API from canned facts, so that the console can be seen and tested without the rest of the house.
// Nothing is checked here but the session; what the real hub decides is proven in tests/.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import type { EventType, SoftEvent } from "@gantry/shared/contract/events.ts";
import type { QueryReply } from "@gantry/shared/contract/schemas/asking.ts";
import { FIRINGS, NEXT_TIMES } from "./mock-clockwork.ts";
import { confirmation, print, type Facts } from "./mock-facts.ts";
import { readAgents } from "./mock-agents.ts";
import { readGoals } from "./mock-goals.ts";
import { readMind } from "./mock-mind.ts";
import { readAnalytics } from "./mock-analytics.ts";
import { readTraces } from "./mock-traces.ts";
import { readArtifacts } from "./mock-documents.ts";
import { actOnParts, MOCK_STL, readParts } from "./mock-parts.ts";
import { MOCK_MODELS } from "./mock-models.ts";
import { MOCK_BUDGETS, MOCK_PROVIDERS } from "./mock-money.ts";
import { actOnFarm, type FarmFacts, noFarm, readFarm } from "./mock-farm.ts";
import { actOnEngine, type EngineFacts, noEngine, readEngine } from "./mock-runs.ts";

export const MOCK_TOKEN = "gt_mock_0123456789abcdef";

const CSP =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'";
const MEDIA: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

export class MockHub {
  readonly facts: Facts;
  readonly engine: EngineFacts;
  readonly farm: FarmFacts;
  /** Every API request but the feed's, in order. */
  readonly heard: Heard[] = [];
  /** The Last-Event-ID of each opening of the feed. */
  readonly feeds: (string | undefined)[] = [];
  /** While it is false a streamed answer stops after its first half. */
  isAnswerFree = true;
  /** While it is true the feed answers 503, as a hub does that has no leader. */
  isFeedShut = false;
  /** While it is true the wall is not answered. */
  isWallShut = false;
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #streams = new Set<ServerResponse>();
  readonly #waiting: (() => void)[] = [];
  #position = 100;

  readonly #dist: string;

  /** `dist`: the folder of the built console. */
  constructor(
    facts: Facts,
    dist: string = join(import.meta.dirname, "..", "dist"),
    engine: EngineFacts = noEngine(),
    farm: FarmFacts = noFarm(),
  ) {
    this.farm = farm;
    this.facts = facts;
    this.engine = engine;
    this.#dist = dist;
  }

  /** Port 0 of loopback unless told; resolves to the address. */
  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    const { port: bound } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${bound}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  get openFeeds(): number {
    return this.#streams.size;
  }

  emit(type: EventType, subject: string, data: unknown = {}): void {
    this.#position += 1;
    const event = { id: this.#position, type, atMs: Date.now(), subject, data };
    this.#say(`id: ${this.#position}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  soft(event: SoftEvent): void {
    this.#say(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  gap(): void {
    this.#say(`event: gap\ndata: {}\n\n`);
  }

  /** Cuts every feed, as a restart of the hub does. */
  cutFeeds(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  freeAnswer(): void {
    this.isAnswerFree = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Told of each question before its answer, which then does not begin until it is free. */
  queued: readonly { readonly position: number; readonly etaMs: number }[] = [];

  #say(text: string): void {
    for (const stream of this.#streams) stream.write(text);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://mock");
    response.setHeader("content-security-policy", CSP);
    if (!url.pathname.startsWith("/api/")) {
      serveFile(this.#dist, url.pathname, response);
      return;
    }
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const method = request.method ?? "GET";
    if (url.pathname === "/api/session") {
      this.#session(method, body, response);
      return;
    }
    const isOfWall =
      url.pathname === "/api/wall" && request.headers.authorization === `Bearer ${MOCK_TOKEN}`;
    if (isOfWall && this.isWallShut) {
      problem(response, 503, "no_leader", "There is no leader now");
      return;
    }
    if (!isOfWall && !/gantry=yes/.test(request.headers.cookie ?? "")) {
      problem(response, 401, "unauthenticated", "No valid token");
      return;
    }
    if (url.pathname === "/api/events" && url.searchParams.get("format") !== "json") {
      this.#feed(request, response);
      return;
    }
    this.heard.push({ method, path: url.pathname, body, headers: request.headers });
    if (/^\/api\/cad\/jobs\/[^/]+\/files\/stl$/u.test(url.pathname)) {
      response.setHeader("content-type", "model/stl");
      response.end(MOCK_STL);
      return;
    }
    if (url.pathname === "/api/query") {
      await this.#query(JSON.parse(body), response);
      return;
    }
    const ofEngine =
      method === "GET"
        ? readEngine(this.engine, url.pathname, url.searchParams)
        : actOnEngine(this.engine, url.pathname, body, (type, id) => this.emit(type, id));
    const ofFarm =
      method === "GET"
        ? readFarm(this.farm, this.facts.devices, url.pathname, url.searchParams)
        : actOnFarm(this.farm, url.pathname, body, (type, id) => this.emit(type, id));
    const ofDocuments =
      url.pathname === "/api/artifacts"
        ? readArtifacts(url.searchParams)
        : (readTraces(url.pathname) ??
          readAnalytics(url.pathname) ??
          readMind(url.pathname) ??
          readGoals(method, url.pathname));
    const answer =
      ofEngine ??
      ofDocuments ??
      readAgents(url.pathname) ??
      ofFarm ??
      (method === "GET" ? this.#read(url.pathname) : this.#act(method, url.pathname, body));
    if (answer === undefined) problem(response, 404, "not_found", "There is no such thing");
    else json(response, 200, answer);
  }

  #session(method: string, body: string, response: ServerResponse): void {
    const isOpening = method === "POST";
    if (isOpening && (JSON.parse(body) as { token: string }).token !== MOCK_TOKEN) {
      problem(response, 401, "unauthenticated", "No valid token");
      return;
    }
    const life = isOpening ? "" : "; Max-Age=0";
    response.setHeader("set-cookie", `gantry=yes; HttpOnly; SameSite=Strict; Path=/${life}`);
    json(response, isOpening ? 201 : 200, isOpening ? ME : { ok: true });
  }

  #feed(request: IncomingMessage, response: ServerResponse): void {
    if (this.isFeedShut) {
      problem(response, 503, "no_leader", "There is no leader now");
      return;
    }
    this.feeds.push(request.headers["last-event-id"]?.toString());
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(": open\n\n");
    this.#streams.add(response);
    response.once("close", () => this.#streams.delete(response));
  }

  #read(path: string): unknown {
    const { devices, prints, jobs, confirmations, machines, conversations, flags, costs } =
      this.facts;
    const { schedules, webhooks } = this.facts;
    const [, , area, id] = path.split("/");
    const talk = conversations.find((row) => row.id === id);
    switch (area ?? "") {
      case "me":
        return ME;
      case "cad":
        return readParts(path);
      case "devices":
        return { devices };
      case "fabrication": {
        const wanted = path.split("/")[4];
        return wanted === undefined ? { jobs: prints } : prints.find((row) => row.id === wanted);
      }
      case "jobs":
        return { jobs: id === "dead" ? jobs.filter(({ dead }) => dead) : jobs };
      case "confirmations":
        return { confirmations };
      case "registry":
        return { revision: 7, nodes: machines };
      case "models":
        return MOCK_MODELS;
      case "cluster":
        return CLUSTER;
      case "conversations":
        if (id === undefined) return { conversations: conversations.map(summary) };
        return (
          talk && {
            ...summary(talk),
            total: talk.messages.length,
            messages: talk.messages,
            ...this.#pending(talk),
          }
        );
      case "schedules": {
        if (id === undefined) return { enabled: true, schedules };
        const part = path.split("/")[4];
        if (part === "next") return { zone: "America/Los_Angeles", next: NEXT_TIMES };
        if (part === "history") return { firings: FIRINGS };
        return schedules.find((row) => row.id === id);
      }
      case "webhooks":
        return { webhooks };
      case "flags":
        return { flags };
      case "analytics":
        return costs;
      case "budgets":
        return MOCK_BUDGETS;
      case "providers":
        return MOCK_PROVIDERS;
      case "audit":
        return { entries: AUDIT };
      case "events":
        return { events: PAST };
      default:
        return undefined;
    }
  }

  #act(method: string, path: string, body: string): unknown {
    const [, , area, id, verb] = path.split("/");
    if (path === "/api/fabrication/stop") return this.#stop();
    if (area === "confirmation") return this.#decide(id ?? "", method, body);
    if (path === "/api/fabrication/jobs") return this.#upload();
    if (area === "cad") return actOnParts(path);
    if (area === "devices" && verb === "bed-cleared") {
      this.facts.devices = this.facts.devices.map((row) =>
        row.id === id ? { ...row, bed: "clear" } : row,
      );
      this.emit("device.changed", id ?? "");
    }
    return { ok: true };
  }

  #stop(): unknown {
    const stopped = this.facts.devices.map((row) => row.id);
    this.facts.devices = this.facts.devices.map((row) => ({ ...row, phase: "stopped" }));
    this.emit("stop.pressed", "all");
    return { stopped, unreachable: [] };
  }

  #decide(id: string, method: string, body: string): unknown {
    const found = this.facts.confirmations.find((row) => row.id === id);
    if (found === undefined) return undefined;
    const state = method === "DELETE" ? "cancelled" : "consumed";
    this.facts.confirmations = this.facts.confirmations.filter((row) => row.id !== id);
    this.facts.prints = this.facts.prints.map(({ confirmation: held, ...row }) =>
      held?.id === id
        ? { ...row, state: state === "consumed" ? ("ready" as const) : ("cancelled" as const) }
        : held === undefined
          ? row
          : { ...row, confirmation: held },
    );
    this.emit("confirmation.closed", id, { state, phrase: body });
    return { job: { id: String(found.args["job"]), state: "ready" } };
  }

  #upload(): unknown {
    const held = confirmation("cfm_new", "prt_new", {
      summary: "Print widget on ender",
      phrase: "print widget",
    });
    this.facts.confirmations.push(held);
    this.facts.prints.unshift(
      print("prt_new", "widget", { state: "awaiting", confirmation: held }),
    );
    this.emit("confirmation.asked", held.id);
    return { job: { id: "prt_new", state: "awaiting" }, confirmation: held };
  }

  async #query(
    { prompt, conversationId = "cnv_new" }: { prompt: string; conversationId?: string },
    response: ServerResponse,
  ): Promise<void> {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const say = (type: string, data: unknown): void => {
      response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    };
    const isOrder = prompt.startsWith("print ");
    const output = isOrder
      ? "This waits for your word."
      : `You asked: ${prompt} <img src=x onerror="document.title='pwned'">`;
    const half = Math.ceil(output.length / 2);
    for (const place of this.queued) say("queued", place);
    if (this.queued.length === 0) say("token", { text: output.slice(0, half) });
    if (!this.isAnswerFree) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        response.once("close", resolve);
      });
    }
    if (response.destroyed) return;
    say("token", { text: output.slice(half) });
    const reply = this.#reply(conversationId, output, isOrder);
    this.#record(prompt, reply);
    say("reply", reply);
    response.end();
    this.emit("question.answered", conversationId);
  }

  #record(prompt: string, reply: QueryReply): void {
    const { conversationId: id, requestId, messageId, result, routing, usage } = reply;
    const at = new Date().toISOString();
    const found = this.facts.conversations.find((row) => row.id === id);
    const talk = found ?? { id, title: prompt, changedAt: at, messages: [] };
    if (found === undefined) this.facts.conversations.unshift(talk);
    const seq = talk.messages.length;
    talk.messages.push(
      { id: `${messageId}_q`, seq, role: "user", text: prompt, at, requestId },
      {
        id: messageId,
        seq: seq + 1,
        role: "assistant",
        text: result.output,
        at,
        requestId,
        routing,
        usage,
        ...(reply.confirmation === undefined ? {} : { confirmationId: reply.confirmation.id }),
      },
    );
  }

  #pending(talk: Facts["conversations"][number]) {
    const ids = new Set(talk.messages.map(({ confirmationId }) => confirmationId));
    const held = this.facts.confirmations.find(({ id }) => ids.has(id));
    return held === undefined ? {} : { pendingConfirmation: held };
  }

  #reply(conversationId: string, output: string, isOrder: boolean): QueryReply {
    const held = this.facts.confirmations[0];
    return {
      requestId: "req_mock",
      conversationId,
      messageId: `msg_${this.heard.length}`,
      result: { output, verbosity: 3 },
      routing: {
        tier: "local",
        model: "mock-model",
        confidence: 0.9,
        cached: false,
        latencyMs: 412,
        reason: "test equipment",
        metadata: {},
      },
      usage: { promptTokens: 9, completionTokens: 12, cachedTokens: 0, costMicroUsd: 0 },
      requiresConfirmation: isOrder,
      ...(isOrder && held !== undefined
        ? { confirmation: held, job: { id: "prt_gear", state: "awaiting" as const } }
        : {}),
    };
  }
}

const ME = { person: "mara", role: "admin", token: "tok_mock" };
const HUB_IDS = ["hub-1", "hub-2", "hub-3"];
const hubView = (id: string, place: number): Record<string, unknown> => ({
  id,
  role: place === 0 ? "leader" : "follower",
  term: 3,
  commitIndex: 1_204,
  appliedIndex: 1_204 - place,
  lastIndex: 1_204,
  reachable: place < 2,
  address: `tcp://10.77.0.${place + 1}:7700`,
  ...(place === 0 ? {} : { lag: place === 1 ? 0 : 310 }),
  ...(place === 2
    ? {}
    : {
        pulse: {
          loopP99Ms: 11.4,
          loopMaxMs: 64,
          syncP50Ms: 0.41,
          syncP99Ms: 2.2,
          syncs: 512,
          stalls: place,
        },
        links: HUB_IDS.filter((other) => other !== id).map((other) => ({
          hub: other,
          isConnected: other !== "hub-3",
          ...(other === "hub-3" ? {} : { heardAgoMs: 12 }),
          dropped: other === "hub-3" ? 4 : 0,
        })),
      }),
});
const CLUSTER = {
  leader: "hub-1",
  term: 3,
  clusterId: "00112233aabbccdd",
  electionMs: 250,
  voters: HUB_IDS,
  learners: [],
  isChanging: false,
  alarms: [
    { text: "One more voter that fails stops all changes" },
    { hub: "hub-3", text: "does not answer" },
  ],
  hubs: HUB_IDS.map(hubView),
};
const PAST = [
  {
    id: 61,
    type: "print.changed",
    atMs: Date.now() - 2_520_000,
    subject: "prt_bracket",
    data: { state: "awaiting" },
  },
  {
    id: 64,
    type: "print.changed",
    atMs: Date.now() - 2_490_000,
    subject: "prt_bracket",
    data: { state: "ready" },
  },
  {
    id: 66,
    type: "print.changed",
    atMs: Date.now() - 2_460_000,
    subject: "prt_bracket",
    data: { state: "printing" },
  },
  {
    id: 65,
    type: "confirmation.closed",
    atMs: Date.now() - 2_480_000,
    subject: "cfm_bracket",
    data: {
      id: "cfm_bracket",
      summary: "Print bracket on ender",
      hazardClass: "medium",
      person: "mara",
      state: "consumed",
    },
  },
];
const AUDIT = [
  {
    seq: 42,
    position: 66,
    at: new Date(Date.now() - 2_460_000).toISOString(),
    actor: "mara",
    action: "print.confirmed",
    object: "prt_bracket",
    requestId: "req_1",
    detail: { printer: "ender" },
    hash: "b7d8033c1e6f0a4d2b59c7e8841f6a0b3d7c2e19584a6f0e3b1d7c59f2c4e5a1",
  },
];

function summary(row: Facts["conversations"][number]) {
  const { id, title, changedAt, messages } = row;
  return { id, title, changedAt, createdAt: changedAt, messages: messages.length };
}

function serveFile(dist: string, path: string, response: ServerResponse): void {
  const file = join(dist, normalize(path === "/" ? "/index.html" : path));
  if (!file.startsWith(dist) || !existsSync(file) || !statSync(file).isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": MEDIA[extname(file)] ?? "application/octet-stream" });
  createReadStream(file).pipe(response);
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

function problem(response: ServerResponse, status: number, code: string, title: string): void {
  const hint = "Send Authorization: Bearer TOKEN.";
  json(response, status, {
    type: "about:blank",
    title,
    status,
    detail: "",
    code,
    hint,
    requestId: "req_mock",
    retryable: false,
  });
}
