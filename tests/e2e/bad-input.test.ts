// Everything that should never come, and does: each gets a stable code, and the appliance lives on.

import { connect, createServer, type Server } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { curveKeyPair, Dealer } from "zeromq";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERRORS, isErrorCode } from "@gantry/shared/base/errors.ts";
import { between, type Random, seededRandom } from "@gantry/shared/base/prng.ts";
import { type Route, ROUTES } from "@gantry/shared/contract/routes.ts";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";
import { PATIENCE_MS, printer, startFast, untilIdle } from "./steps.ts";

describe("bad input at the doors", { timeout: PATIENCE_MS }, () => {
  let a: Appliance;
  beforeAll(async () => {
    a = await startFast();
    await untilIdle(a);
  }, PATIENCE_MS);
  afterAll(() => a[Symbol.asyncDispose]());

  const MEGABYTES_10 = "x".repeat(10_000_000);
  it.for([
    ["half a JSON", "POST", "/api/query", '{"prompt": "hel', 400, "bad_json"],
    ["a list as the body", "POST", "/api/query", "[]", 400, "bad_request"],
    ["a number as the prompt", "POST", "/api/query", '{"prompt": 7}', 400, "bad_request"],
    ["a field nobody knows", "POST", "/api/query", '{"prompt":"hi","x":1}', 400, "bad_request"],
    [
      "a prompt of 10 MB",
      "POST",
      "/api/query",
      JSON.stringify({ prompt: MEGABYTES_10 }),
      413,
      "too_large",
    ],
    ["an unknown print", "GET", "/api/fabrication/jobs/prt_none", undefined, 404, "not_found"],
    [
      "an unknown confirmation",
      "POST",
      "/api/confirmation/cfm_no/confirm",
      '{"phrase":"x"}',
      404,
      "not_found",
    ],
    ["an unknown talk", "GET", "/api/conversations/cnv_none", undefined, 404, "not_found"],
    ["an unknown printer", "POST", "/api/devices/none/bed-cleared", "{}", 404, "not_found"],
    [
      "an unknown command",
      "POST",
      "/api/exec",
      '{"command":"rm -rf /"}',
      403,
      "command_not_listed",
    ],
    ["an id that climbs", "GET", "/api/devices/..%2f..%2ftoken", undefined, 400, "bad_request"],
    ["a path that is not there", "GET", "/api/none", undefined, 404, "not_found"],
    ["a method that is not there", "PUT", "/api/query", "{}", 405, "method_not_allowed"],
  ] as const)("answers %s", async ([_what, method, path, body, status, code]) => {
    const reply = await a.api(method, path, body);
    expect({ status: reply.status, code: reply.body.code }).toEqual({ status, code });
    expect(reply.body.requestId).toMatch(/^req_/);
  });

  it.for([
    ["a token that is not one", { authorization: "Bearer nonsense" }, 401, "unauthenticated"],
    ["no token", { authorization: "" }, 401, "unauthenticated"],
    ["a host that is not ours", { host: "evil.example" }, 421, "bad_host"],
  ] as const)("refuses %s", async ([_what, headers, status, code]) => {
    // fetch sets Host by itself: the bytes are written by hand.
    const reply = await rawPost(a, { authorization: `Bearer ${a.token}`, ...headers });
    expect(reply).toEqual({ status, code });
  });

  it.for([
    ["out of bounds", "G28\nG1 X5000 F600\n", "gcode_out_of_bounds"],
    ["over temperature", "M104 S999\nG28\n", "gcode_too_hot"],
    ["a forbidden command", "G28\nM500\n", "gcode_forbidden"],
    ["the emergency stop inside", "G28\nM112\n", "gcode_forbidden"],
    ["not G-code", "<html></html>\n", "gcode_invalid"],
    ["10 MB of one line", MEGABYTES_10, "gcode_invalid"],
    ["bytes of zero", "\0\0\0\n", "gcode_invalid"],
    ["cut off in its last line", ";TYPE:WALL\nG28\nG1 X1", "gcode_truncated"],
  ] as const)("refuses G-code: %s", async ([_what, gcode, code]) => {
    const reply = await a.api("POST", "/api/fabrication/jobs", {
      printer: "sim",
      name: "bad",
      gcode,
    });
    expect({ status: reply.status, code: reply.body.code }).toEqual({ status: 422, code });
  });

  it.for([
    "../../etc/passwd",
    "a/b",
    "..",
    "C:\\x",
    "a\u0000b",
    "-rf",
    ".hidden",
    "a..b",
    "x".repeat(200),
  ])("refuses the file name %j", async (name) => {
    const reply = await a.api("POST", "/api/fabrication/jobs", {
      printer: "sim",
      name,
      gcode: "G28\n",
    });
    expect({ status: reply.status, code: reply.body.code }).toEqual({
      status: 400,
      code: "bad_name",
    });
  });

  it("lives through noise and wrong keys at the port of the nodes", async () => {
    const { hostname, port } = new URL(a.agentEndpoint);
    const random = seededRandom(3);
    for (let round = 0; round < 20; round += 1) {
      const noise = Buffer.from(Array.from({ length: 600 }, () => between(random, 0, 255)));
      await shout(hostname, Number(port), noise);
    }
    const deniedBefore = await deniedHandshakes(a);
    using stranger = stray();
    stranger.socket.connect(a.agentEndpoint);
    await until("a handshake to be denied", async () => (await deniedHandshakes(a)) > deniedBefore);
    expect((await printer(a)).online).toBe(true);
  });

  it("answers 300 random requests with a status of its table, never 500", async () => {
    const random = seededRandom(20_261_121);
    for (let round = 0; round < 300; round += 1) {
      const request = randomRequest(random);
      const { status, code } = await send(a, request);
      const isHonest = status < 400 || (status !== 500 && isErrorCode(code));
      const told = isHonest ? "honest" : JSON.stringify({ round, ...request, status, code });
      expect(told).toBe("honest");
    }
    expect((await a.api("GET", "/readyz")).status).toBe(200);
  });

  it("after all of it no part has logged a fault of its own", () => {
    for (const part of ["hub", "agent", "bridge"] as const) {
      expect(a.pid(part)).toBeGreaterThan(0);
      // A random request may well be a good one, and the emergency stop among them.
      const lines = a.output(part).split("\n");
      const own = lines.filter((line) => !line.includes('"why":"Emergency stop"')).join("\n");
      expect(own).not.toMatch(/"code":"internal"|AssertionError|"level":50/);
    }
  });
});

describe("bad surroundings at the start", { timeout: PATIENCE_MS }, () => {
  it.for([
    ["http", "GANTRY_HTTP_PORT", (a: Appliance) => Number(new URL(a.url).port)],
    ["nodes", "GANTRY_AGENT_BIND", (a: Appliance) => Number(new URL(a.agentEndpoint).port)],
    ["mqtt", "GANTRY_MQTT_PORT", (a: Appliance) => a.mqttPort],
  ] as const)(
    "ends with a word when the port of %s is taken",
    async ([_door, variable, portOf]) => {
      await using a = await startAppliance({ parts: [] });
      using _taken = await occupy(portOf(a));
      await expect(a.start("hub")).rejects.toThrow(variable);
      expect(await a.kill("hub", "SIGKILL")).toBe(ERRORS.port_busy.exit);
    },
  );

  it("does not touch a data folder of another version", async () => {
    await using a = await startAppliance({ parts: [] });
    await writeFile(join(a.dataDir, "format.json"), '{"format":999}\n');
    await expect(a.start("hub")).rejects.toThrow("format 999");
    expect(await a.kill("hub", "SIGKILL")).toBe(ERRORS.data_dir_version.exit);
  });

  it("does not share a data folder with a running hub", async () => {
    await using a = await startAppliance({ parts: ["hub"] });
    await using other = await startAppliance({ parts: [], env: { GANTRY_DATA_DIR: a.dataDir } });
    await expect(other.start("hub")).rejects.toThrow("data_dir_locked");
    expect(await other.kill("hub", "SIGKILL")).toBe(ERRORS.data_dir_locked.exit);
    expect((await a.api("GET", "/readyz")).status).toBe(200);
  });

  it("[K12] a file that is no model is not offered, and the node goes on without it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gantry-model-"));
    const path = join(folder, "broken.gguf");
    await writeFile(path, Buffer.alloc(4_096, "GGUF?"));
    await using a = await startFast({ env: { GANTRY_LLM_MODELS: path } });
    await until(
      "the file to be refused",
      () => a.output("agent").includes("model not offered"),
      PATIENCE_MS,
    );
    await untilIdle(a);
    const { body } = await a.api("GET", "/v1/models");
    expect(body.data.map(({ id }: { id: string }) => id)).not.toContain("broken");
    const reply = await a.api("POST", "/api/query", { prompt: "Once upon a time" });
    expect({ status: reply.status, code: reply.body.code }).toEqual({
      status: 503,
      code: "no_model",
    });
    expect((await a.api("POST", "/api/exec", { command: "uptime", args: {} })).status).toBe(200);
    await rm(folder, { recursive: true });
  });
});

// ── senders ─────────────────────────────────────────────────────────────────────────────────────

/** A POST of `{"prompt":"status"}` with exactly these headers; status and code of the answer. */
async function rawPost(
  a: Appliance,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; code: string }> {
  const { host, hostname, port } = new URL(a.url);
  const body = '{"prompt":"status"}';
  const all = {
    host,
    "content-type": "application/json",
    "content-length": body.length,
    connection: "close",
    ...headers,
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  const text = await exchange(
    hostname,
    Number(port),
    `POST /api/query HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n${body}`,
  );
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    code: /"code":"(\w+)"/.exec(text)?.[1] ?? "",
  };
}

function exchange(host: string, port: number, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let heard = "";
  const socket = connect(port, host, () => socket.write(text));
  socket.on("data", (chunk) => (heard += chunk.toString()));
  socket.on("error", reject);
  socket.on("close", () => resolve(heard));
  return promise;
}

/** Writes the bytes and hangs up; the other end may hang up first. */
function shout(host: string, port: number, bytes: Buffer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(port, host, () => socket.end(bytes));
  socket.on("error", () => resolve());
  socket.on("close", () => resolve());
  return promise;
}

/** A node with keys of its own making, which no hub has allowed. */
function stray(): Disposable & { readonly socket: Dealer } {
  const keys = curveKeyPair();
  const socket = new Dealer({
    curvePublicKey: keys.publicKey,
    curveSecretKey: keys.secretKey,
    curveServerKey: curveKeyPair().publicKey,
    linger: 0,
  });
  return { socket, [Symbol.dispose]: () => socket.close() };
}

async function deniedHandshakes(a: Appliance): Promise<number> {
  const { body } = await a.api("GET", "/metrics");
  const count = (name: string): number =>
    Number(new RegExp(`^${name} (\\d+)`, "m").exec(body)?.[1]);
  return count("gantry_zap_denied");
}

async function occupy(port: number): Promise<Disposable> {
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { [Symbol.dispose]: () => void server.close() };
}

// ── chance ──────────────────────────────────────────────────────────────────────────────────────

interface RandomRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

const PIECES: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  "",
  "sim",
  "status",
  "print cube on sim",
  "\u0000",
  "🙂".repeat(50),
  "../../token",
  "confirm print cube on sim",
  [],
  {},
  [[[[]]]],
  { phrase: null },
  "9".repeat(400),
  "NaN",
];
const NAMES = [
  "prompt",
  "phrase",
  "printer",
  "name",
  "gcode",
  "value",
  "person",
  "role",
  "command",
  "args",
  "kind",
  "input",
  "stream",
  "conversationId",
  "messages",
  "model",
  "outcome",
  "__proto__",
  "constructor",
];
const SEGMENTS = [
  "sim",
  "none",
  "prt_1",
  "%00",
  "..%2f",
  "a".repeat(300),
  "%F0%9F%99%82",
  "constructor",
  "0",
];

const pick = <T>(random: Random, from: readonly T[]): T =>
  from[between(random, 0, from.length - 1)] as T; // never empty

function randomRequest(random: Random): RandomRequest {
  const route: Route = pick(random, Object.values(ROUTES));
  const path = route.path.replaceAll(/(?<=\/):\w+/g, () => pick(random, SEGMENTS));
  const query =
    random() < 0.3
      ? `?${pick(random, ["limit", "after", "since", "types", "format"])}=${pick(random, ["-1", "x", "1e9", "%00", "999999999999999999"])}`
      : "";
  const headers: Record<string, string> = {
    "content-type": pick(random, [
      "application/json",
      "application/json",
      "text/plain",
      "multipart/form-data; boundary=x",
      "x/y",
    ]),
  };
  if (random() < 0.2) headers["idempotency-key"] = pick(random, ["k", "x".repeat(300), "a b"]);
  if (random() < 0.1) headers["if-match"] = pick(random, ["1", "*", "-1"]);
  if (random() < 0.1) headers["last-event-id"] = pick(random, ["1", "abc", "-5"]);
  const body = route.method === "GET" ? undefined : randomBody(random);
  return { method: route.method, path: path + query, headers, body };
}

function randomBody(random: Random): string {
  const fields = Array.from({ length: between(random, 0, 4) }, () => [
    pick(random, NAMES),
    pick(random, PIECES),
  ]);
  const text = JSON.stringify(Object.fromEntries(fields));
  return random() < 0.2 ? text.slice(0, between(random, 0, text.length)) : text;
}

/** A stream is let go once its status is known. */
interface Problem {
  readonly code?: unknown;
  readonly gantry_code?: unknown;
  readonly error?: string | { readonly code?: unknown; readonly gantry_code?: unknown };
}

async function send(
  a: Appliance,
  { method, path, headers, body }: RandomRequest,
): Promise<{ status: number; code: unknown }> {
  const reply = await fetch(`${a.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${a.token}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  if (reply.status < 400) {
    await reply.body?.cancel();
    return { status: reply.status, code: undefined };
  }
  // Doors in other people's words carry our code as `gantry_code`, in `error` or beside it.
  const problem = (await reply.json()) as Problem;
  const { error, gantry_code: beside } = problem;
  // JSON-RPC has numbers, and the library that speaks it answers for itself.
  const word = path.startsWith("/mcp") && typeof error === "object" ? "bad_request" : undefined;
  const inside = typeof error === "object" ? (error.gantry_code ?? word) : undefined;
  return { status: reply.status, code: problem.code ?? beside ?? inside };
}
