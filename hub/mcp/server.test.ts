import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { eventually } from "../http/testing/rig.ts";
import type { Desk, DeskRequest, FeedItem } from "../ports.ts";
import { makeDeskOffer, withoutPhrases } from "./desk-offer.ts";
import { makeEventStore } from "./event-store.ts";
import { makeMcpSessions, type McpSessions } from "./sessions.ts";
import { fixtureOffer } from "./testing/fixtures.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A client whose requests go to the sessions without a socket. */
async function connect(
  sessions: McpSessions,
  owner: string,
  person?: (message: string) => string | undefined,
) {
  const client = new Client(
    { name: "test", version: "1" },
    { capabilities: person === undefined ? {} : { elicitation: {} } },
  );
  if (person !== undefined)
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      const phrase = person(params.message);
      return phrase === undefined
        ? { action: "cancel" }
        : { action: "accept", content: { phrase } };
    });
  const transport = new StreamableHTTPClientTransport(new URL("http://localhost/mcp"), {
    fetch: (url, init) => sessions.handle(new Request(url, init), owner),
  });
  await client.connect(transport);
  ends.push(() => client.close());
  return { client, transport };
}

const makeSessions = (sessionsMax?: number): McpSessions => {
  const sessions = makeMcpSessions({
    offerFor: fixtureOffer,
    version: "1",
    ...(sessionsMax === undefined ? {} : { sessionsMax }),
  });
  ends.push(() => sessions.close());
  return sessions;
};
const ping = (sessions: McpSessions, id: string, owner: string): Promise<Response> =>
  sessions.handle(
    new Request("http://localhost/mcp", {
      method: "POST",
      headers: {
        "mcp-session-id": id,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: '{"jsonrpc":"2.0","id":9,"method":"ping"}',
    }),
    owner,
  );

describe("sessions", () => {
  it("belong to the token that opened them (MS1), and end with it (MS3)", async () => {
    const sessions = makeSessions();
    const { transport } = await connect(sessions, "ada");
    const id = transport.sessionId ?? "";
    expect((await ping(sessions, id, "ada")).status).toBe(200);
    expect((await ping(sessions, id, "eve")).status).toBe(404);
    await sessions.endOf("ada");
    expect([(await ping(sessions, id, "ada")).status, sessions.count()]).toEqual([404, 0]);
  });

  it("are bounded: the one used longest ago goes (MS2)", async () => {
    const sessions = makeSessions(2);
    const [first, second] = [await connect(sessions, "a"), await connect(sessions, "b")];
    await first.client.ping();
    await connect(sessions, "c");
    expect(sessions.count()).toBe(2);
    expect((await ping(sessions, second.transport.sessionId ?? "", "b")).status).toBe(404);
    expect((await ping(sessions, first.transport.sessionId ?? "", "a")).status).toBe(200);
  });

  it("take any body without a fault of the hub", async () => {
    const sessions = makeSessions();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string(), fc.json()),
        fc.option(fc.string({ unit: "grapheme-ascii" })),
        async (body, id) => {
          const headers = new Headers({
            "content-type": "application/json",
            accept: "application/json, text/event-stream",
          });
          if (id !== null) headers.set("mcp-session-id", id);
          const request = new Request("http://localhost/mcp", { method: "POST", headers, body });
          const { status } = await sessions.handle(request, "ada");
          expect(status).toBeGreaterThanOrEqual(400);
          expect(status).toBeLessThan(500);
        },
      ),
      { numRuns: 100 },
    );
    expect(sessions.count()).toBe(0);
  });
});

const message = (id: number) => ({ jsonrpc: "2.0" as const, id, result: {} });

describe("the store of what was said", () => {
  it("gives what came after on the same stream, and no more than it holds (EV1, EV2)", async () => {
    const store = makeEventStore(3);
    const ids: string[] = [];
    for (const [stream, id] of [
      ["a", 1],
      ["b", 2],
      ["a", 3],
      ["a", 4],
      ["b", 5],
    ] as const)
      ids.push(await store.storeEvent(stream, message(id)));
    const replayed: unknown[] = [];
    const send = async (_id: string, said: unknown): Promise<void> => void replayed.push(said);
    expect(await store.replayEventsAfter(ids[0] ?? "", { send })).toBe("a");
    expect(replayed).toEqual([message(3), message(4)]);
    await expect(store.replayEventsAfter("nonsense", { send })).rejects.toMatchObject({
      code: "bad_request",
    });
  });
});

// ── the hub's own offer ─────────────────────────────────────────────────────────────────────────

const ada: Actor = { person: "ada", role: "operator", token: "tok_1" };
const waits = {
  id: "cfm_1",
  phrase: "confirm it cedar",
  hazardClass: "medium",
  summary: "Bed is clear",
  hazards: ["moves"],
  state: "pending",
  expiresAt: "2026-01-01T00:00:00.000Z",
};

interface Scene {
  readonly sessions: McpSessions;
  readonly asked: { readonly route: string; readonly request: DeskRequest }[];
  turn: object;
  confirm: (phrase: unknown) => object;
  emit(event: Partial<LedgerEvent>): void;
}

function makeScene(actor: Actor = { ...ada, role: "maker" }): Scene {
  const asked: Scene["asked"] = [];
  const watchers = new Set<(items: readonly FeedItem[]) => void>();
  const desk: Desk = {
    authenticate: () => Promise.resolve(actor),
    async call(route, request) {
      asked.push({ route, request });
      if (route === "toolCalled") return { turn: "trn_1" };
      if (route === "agentTurn") return scene.turn;
      if (route === "confirm") return scene.confirm((request.body as { phrase: unknown }).phrase);
      return {};
    },
    watch: (onItems) => void watchers.add(onItems),
  };
  const sessions = makeMcpSessions({
    version: "1",
    offerFor: () =>
      makeDeskOffer({ desk, actor: () => actor, clock: systemClock, newRequestId: () => "req_1" }),
  });
  ends.push(() => sessions.close());
  const scene: Scene = {
    sessions,
    asked,
    turn: { state: "waiting", steps: [{ state: "waiting", confirmation: waits }] },
    confirm: () => ({ job: { state: "ready" } }),
    emit(event) {
      const whole = {
        id: 1,
        atMs: 0,
        subject: "",
        data: {},
        type: "device.changed",
        ...event,
      } as LedgerEvent;
      for (const watcher of watchers) watcher([{ kind: "ledger", id: 1, events: [whole] }]);
    },
  };
  return scene;
}

const routes = ({ asked }: Scene): string[] => asked.map(({ route }) => route);
const callIt = { name: "bed_cleared", arguments: { printer: "sim" } };

describe("a dangerous tool over MCP", () => {
  it("gives the word that the person typed, as it was typed, to the hub alone", async () => {
    const scene = makeScene();
    const said: unknown[] = [];
    scene.confirm = (phrase) => {
      said.push(phrase);
      scene.turn = { state: "done", steps: [{ state: "done", result: '{"ok":true}' }] };
      return { job: { state: "ready" } };
    };
    const { client } = await connect(scene.sessions, "ada", () => " Confirm  it Cedar. ");
    const result = await client.callTool(callIt);
    expect(said).toEqual([" Confirm  it Cedar. "]);
    expect(result.structuredContent).toEqual({ ok: true });
  });

  it("waits as it is when two must agree, and tells where the other one can", async () => {
    const scene = makeScene();
    scene.confirm = () => ({ job: { state: "awaiting" } });
    const { client } = await connect(scene.sessions, "ada", () => "confirm it cedar");
    expect(JSON.stringify(await client.callTool(callIt))).toContain("another person must agree");
  });

  it("is withdrawn when the person refuses, and is told no phrase where nobody can be asked (MO2)", async () => {
    const scene = makeScene();
    const refusing = await connect(scene.sessions, "ada", () => undefined);
    expect(await refusing.client.callTool(callIt)).toMatchObject({ isError: true });
    expect(routes(scene)).toContain("confirmationCancelled");
    const alone = await connect(scene.sessions, "ada");
    const result = await alone.client.callTool(callIt);
    expect(JSON.stringify(result)).toContain("cfm_1");
    expect(JSON.stringify(result)).not.toContain("cedar");
  });

  it("takes no further step when the client cancels the call (MO3)", async () => {
    const scene = makeScene();
    scene.turn = { state: "running", steps: [{ state: "ready" }] };
    const { client } = await connect(scene.sessions, "ada");
    const end = new AbortController();
    const call = client.callTool(callIt, undefined, { signal: end.signal });
    await eventually(() => routes(scene).includes("agentTurn"));
    end.abort("enough");
    await expect(call).rejects.toThrow(/enough/);
    await eventually(() => routes(scene).includes("agentCancelled"));
  });

  it("asks the desk for nothing that the role may not do", async () => {
    const scene = makeScene({ ...ada, role: "operator" });
    const { client } = await connect(scene.sessions, "ada", () => "confirm it cedar");
    expect(await client.callTool(callIt)).toMatchObject({ isError: true });
    expect(routes(scene)).not.toContain("confirm"); // needs a maker
  });
});

it("updates go to those who subscribed and may hear of it (MC2)", async () => {
  const scene = makeScene({ person: "vera", role: "viewer", token: "tok_2" });
  const { client } = await connect(scene.sessions, "vera");
  const heard: string[] = [];
  client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void heard.push(params.uri),
  );
  for (const uri of ["gantry://printers/sim", "gantry://agents", "gantry://jobs"])
    await client.subscribeResource({ uri });
  await client.unsubscribeResource({ uri: "gantry://jobs" });
  scene.emit({ type: "job.changed", subject: "job_1" });
  scene.emit({ type: "agent.changed", subject: "trn_1", person: "ada" });
  scene.emit({ type: "agent.changed", subject: "trn_2", person: "vera" });
  scene.emit({ type: "device.changed", subject: "sim" });
  await eventually(() => heard.length >= 2);
  expect(heard).toEqual(["gantry://agents", "gantry://printers/sim"]);
});

it("no phrase of a confirmation is left in anything, at whatever depth", () => {
  const secret = { phrase: "confirm it cedar", hazardClass: "medium", summary: "it" };
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 3 }), (value, depth) => {
      let nested: unknown = { value, confirmation: secret };
      for (let n = 0; n < depth; n += 1) nested = n % 2 === 0 ? [nested] : { nested };
      const shown = JSON.stringify(withoutPhrases(nested));
      expect(shown).not.toContain("confirm it cedar");
      expect(shown).toContain('"summary":"it"');
    }),
  );
});

it("what fails for a reason of ours is told in words, a bug is not (MC1)", async () => {
  const scene = makeScene();
  scene.confirm = () => {
    throw new GantryError("phrase_mismatch", "The phrase is: confirm it cedar");
  };
  const { client } = await connect(scene.sessions, "ada", () => "no");
  const wrong = JSON.stringify(await client.callTool(callIt));
  expect(wrong).toContain("that was not the phrase");
  expect(wrong).not.toContain("cedar");
  scene.confirm = () => {
    throw new TypeError("secret of a bug");
  };
  expect(JSON.stringify(await client.callTool(callIt))).not.toContain("secret of a bug");
});
