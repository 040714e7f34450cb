import { describe, expect, it } from "vitest";
import { type ErrorCode, ERRORS, GantryError } from "@gantry/shared/base/errors.ts";
import { ROUTES } from "@gantry/shared/contract/routes.ts";
import { meSchema } from "@gantry/shared/contract/schemas/access.ts";
import { problemSchema } from "@gantry/shared/contract/schemas/common.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

const REPLY = {
  requestId: "req-12345678",
  conversationId: "cnv_1",
  messageId: "msg_1",
  result: { output: "hello", verbosity: 3 },
  routing: {
    tier: "local",
    model: "qwen",
    confidence: 0.9,
    cached: false,
    latencyMs: 12,
    reason: "the only model",
    metadata: {},
  },
  usage: { promptTokens: 3, completionTokens: 1, cachedTokens: 0, costMicroUsd: 0 },
  requiresConfirmation: false,
};

async function expectProblem(
  response: Response,
  code: ErrorCode,
): Promise<Record<string, unknown>> {
  const body = (await response.json()) as Record<string, unknown>;
  expect(body["code"]).toBe(code);
  expect(response.status).toBe(ERRORS[code].http);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(problemSchema.safeParse(body).error).toBeUndefined();
  expect(response.headers.get("x-request-id")).toBe(body["requestId"]);
  return body;
}

describe("who may come in", () => {
  it("[K1] refuses a missing and a wrong token with 401 and says nothing of what exists", async () => {
    await using rig = await makeRig();
    const missing = await rig.ask("GET", "/api/devices");
    expect(missing.headers.get("www-authenticate")).toContain("Bearer");
    await expectProblem(missing, "unauthenticated");
    await expectProblem(await rig.ask("GET", "/api/devices", { token: "nope" }), "unauthenticated");
    expect(rig.desk.asked).toEqual([]);
  });

  it("[K1] keeps the caller's request id in the reply, in the desk's request and in the log", async () => {
    await using rig = await makeRig();
    rig.desk.on("query", () => REPLY);
    const headers = { "x-request-id": "req-12345678" };
    const body = { prompt: "hi" };
    const response = await rig.ask("POST", "/api/query", { token: "viewer-token", body, headers });
    expect(response.headers.get("x-request-id")).toBe("req-12345678");
    expect(rig.desk.asked[0]?.request.requestId).toBe("req-12345678");
    expect(rig.lines.find(({ message }) => message === "answered")?.fields).toMatchObject({
      requestId: "req-12345678",
      status: 200,
      person: "vera",
    });
  });

  it.each(["short", "with space in it", "x".repeat(65), 'quote"quote"'])(
    "mints a request id instead of taking over %j",
    async (asked) => {
      await using rig = await makeRig();
      const response = await rig.ask("GET", "/api/limits", { headers: { "x-request-id": asked } });
      expect(response.headers.get("x-request-id")).toMatch(/^req_[0-9a-z]{26}$/);
    },
  );

  it.each(["' OR 1=1 --", '{"$ne":null}', "x".repeat(10_000), "viewer-token2", "viewer-toke"])(
    "does not know the token %.20j",
    async (secret) => {
      await using rig = await makeRig();
      const headers = { "x-api-key": secret };
      await expectProblem(await rig.ask("GET", "/api/me", { headers }), "unauthenticated");
    },
  );

  it("takes X-Api-Key as well as Bearer", async () => {
    await using rig = await makeRig();
    const response = await rig.ask("GET", "/api/me", { headers: { "x-api-key": "maker-token" } });
    expect(meSchema.parse(await response.json())).toMatchObject({ person: "mika", role: "maker" });
  });

  it("answers 429 with Retry-After after ten wrong tokens, and still knows the right ones", async () => {
    await using rig = await makeRig();
    const right = { token: "viewer-token" };
    expect((await rig.ask("GET", "/api/me", right)).status).toBe(200);
    for (let tries = 0; tries < 10; tries += 1) {
      const response = await rig.ask("GET", "/api/me", { token: `wrong-${tries}` });
      expect(response.status).toBe(401);
    }
    const asked = rig.desk.authentications();
    const refused = await rig.ask("GET", "/api/me", { token: "wrong-again" });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    await expectProblem(refused, "rate_limited");
    expect(rig.desk.authentications()).toBe(asked);
    expect((await rig.ask("GET", "/api/me", right)).status).toBe(200);
  });

  it("[K118] refuses a token at once when it was revoked, although it was just used", async () => {
    await using rig = await makeRig();
    const token = "viewer-token";
    expect((await rig.ask("GET", "/api/me", { token })).status).toBe(200);
    expect((await rig.ask("GET", "/api/me", { token })).status).toBe(200);
    expect(rig.desk.authentications()).toBe(1);
    rig.desk.revoke(token);
    rig.desk.emit({ type: "token.changed", subject: "tok_vera", data: {} });
    await expectProblem(await rig.ask("GET", "/api/me", { token }), "unauthenticated");
  });

  it("does not cache an actor who was looked up before a revocation", async () => {
    await using rig = await makeRig();
    const first = rig.ask("GET", "/api/me", { token: "viewer-token" });
    rig.desk.revoke("viewer-token");
    rig.desk.emit({ type: "token.changed", subject: "tok_vera", data: {} });
    await first;
    await expectProblem(
      await rig.ask("GET", "/api/me", { token: "viewer-token" }),
      "unauthenticated",
    );
  });

  it("lets nobody do what needs a higher role", async () => {
    await using rig = await makeRig();
    const body = { person: "eve", role: "admin" };
    const response = await rig.ask("POST", "/api/tokens", { token: "safety-token", body });
    const problem = await expectProblem(response, "forbidden");
    expect(problem["details"]).toEqual({ needs: "admin", has: "safety" });
    expect(rig.desk.asked).toEqual([]);
  });

  it("asks every route that is not public for a token", async () => {
    await using rig = await makeRig();
    for (const route of Object.values(ROUTES)) {
      if (route.access === "public") continue;
      const path = route.path.replace(/(?<=\/):\w+/, "x");
      const response = await rig.ask(route.method, path);
      expect(`${route.path} ${response.status}`).toBe(`${route.path} 401`);
    }
  });
});

describe("pages and names of others", () => {
  const cookie = "gantry_session=viewer-token";
  const body = { prompt: "hi" };

  async function post(rig: Rig, headers: Record<string, string>): Promise<Response> {
    return rig.ask("POST", "/api/query", { body, headers: { cookie, ...headers } });
  }

  it("refuses a Host that is not ours: DNS rebinding", async () => {
    await using rig = await makeRig();
    const url = "http://evil.test/api/query";
    const response = await rig.ask("POST", url, { token: "viewer-token", body });
    await expectProblem(response, "bad_host");
    await expectProblem(await rig.ask("GET", "http://evil.test/"), "bad_host");
  });

  it.each([
    "localhost",
    "gantry.local",
    "GANTRY.local.",
    "127.0.0.1:8080",
    "[::1]:8080",
    "10.0.0.9",
  ])("knows the host %s", async (host) => {
    await using rig = await makeRig();
    expect((await rig.ask("GET", `http://${host}/api/openapi.json`)).status).toBe(200);
  });

  it.each([
    ["a foreign origin", { origin: "http://evil.test" }],
    ["the null origin", { origin: "null" }],
    ["a cross-site fetch", { "sec-fetch-site": "cross-site" }],
    ["another port of the same site", { "sec-fetch-site": "same-site" }],
    ["another port by origin", { origin: "http://localhost:9999" }],
    ["no word of where it comes from", {}],
    [
      "a foreign origin with a lying fetch site",
      { origin: "http://evil.test", "sec-fetch-site": "none" },
    ],
  ])("refuses a cookie's POST from %s", async (_name, headers: Record<string, string>) => {
    await using rig = await makeRig();
    rig.desk.on("query", () => REPLY);
    await expectProblem(await post(rig, headers), "bad_origin");
    await expectProblem(
      await post(rig, { ...headers, "content-type": "text/plain" }),
      "bad_origin",
    );
    expect(rig.desk.asked).toEqual([]);
  });

  it("takes a cookie's POST from our own page", async () => {
    await using rig = await makeRig();
    rig.desk.on("query", () => REPLY);
    expect((await post(rig, { origin: "http://localhost" })).status).toBe(200);
    expect((await post(rig, { "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  it("refuses a cookie's event stream from a foreign page", async () => {
    await using rig = await makeRig();
    const headers = { cookie, "sec-fetch-site": "cross-site" };
    await expectProblem(await rig.ask("GET", "/api/events", { headers }), "bad_origin");
  });

  it("does not ask a token's caller where it comes from", async () => {
    await using rig = await makeRig();
    rig.desk.on("query", () => REPLY);
    const headers = { origin: "http://other.test" };
    const response = await rig.ask("POST", "/api/query", { token: "viewer-token", body, headers });
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("the session", () => {
  it("[K118] trades a token for a cookie that scripts cannot read, and takes it back", async () => {
    await using rig = await makeRig();
    const opened = await rig.ask("POST", "/api/session", { body: { token: "maker-token" } });
    expect(opened.status).toBe(201);
    expect(meSchema.parse(await opened.json()).person).toBe("mika");
    const set = opened.headers.get("set-cookie") ?? "";
    expect(set).toMatch(/^gantry_session=maker-token;.*HttpOnly.*SameSite=Strict/);
    expect(set).not.toContain("Secure");
    const headers = { cookie: set.split(";", 1)[0] ?? "" };
    expect((await rig.ask("GET", "/api/me", { headers })).status).toBe(200);
    const closed = await rig.ask("DELETE", "/api/session", { headers });
    expect(closed.headers.get("set-cookie")).toMatch(/^gantry_session=;.*Max-Age=0/);
  });

  it("binds the cookie to the host behind TLS", async () => {
    await using rig = await makeRig({ isTls: true });
    const opened = await rig.ask("POST", "/api/session", { body: { token: "maker-token" } });
    expect(opened.headers.get("set-cookie")).toMatch(/^__Host-gantry_session=.*Secure/);
  });

  it("refuses wrong tokens and foreign pages", async () => {
    await using rig = await makeRig();
    const wrong = await rig.ask("POST", "/api/session", { body: { token: "nope" } });
    expect(wrong.headers.get("set-cookie")).toBeNull();
    await expectProblem(wrong, "unauthenticated");
    const headers = { origin: "http://evil.test" };
    const body = { token: "maker-token" };
    await expectProblem(await rig.ask("POST", "/api/session", { body, headers }), "bad_origin");
  });
});

describe("what is sent", () => {
  const token = "viewer-token";

  it("[K3] passes every field of a query on as it is", async () => {
    await using rig = await makeRig();
    rig.desk.on("query", () => REPLY);
    const body = {
      conversationId: "cnv_1",
      userId: "u",
      intent: "ask",
      prompt: "hi",
      payload: { a: [1] },
      provider: "local",
      model: "qwen",
      freshnessRequired: true,
      useAgent: false,
      toolMode: "off",
    };
    const response = await rig.ask("POST", "/api/query", { token, body });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(REPLY);
    expect(rig.desk.asked[0]?.request.body).toEqual(body);
  });

  it.each([
    ["prompt", { prompt: 5 }],
    ["prompt", {}],
    ["prompt", { prompt: "" }],
    ["conversationId", { prompt: "a", conversationId: "../x" }],
    ["payload", { prompt: "a", payload: [] }],
    ["freshnessRequired", { prompt: "a", freshnessRequired: "yes" }],
    ["toolMode", { prompt: "a", toolMode: "always" }],
    ["colour", { prompt: "a", colour: "red" }],
    ["", []],
  ])("[K3] answers 400 with the path %j of the faulty field", async (path, body) => {
    await using rig = await makeRig();
    const problem = await expectProblem(
      await rig.ask("POST", "/api/query", { token, body }),
      "bad_request",
    );
    const { fields } = problem["details"] as { fields: { path: string; message: string }[] };
    expect(fields.map((field) => field.path)).toEqual([path]);
    expect(rig.desk.asked).toEqual([]);
  });

  it.each(["{", "", '{"prompt":"a"', "nul", '{"prompt":"\u0001"}', "\uFEFF{]"])(
    "says that %j is not a query",
    async (body) => {
      await using rig = await makeRig();
      const code = body === "" ? "bad_request" : "bad_json";
      await expectProblem(await rig.ask("POST", "/api/query", { token, body }), code);
    },
  );

  it("refuses bytes that are not UTF-8 and bodies nested a million deep", async () => {
    await using rig = await makeRig();
    const bytes = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]);
    await expectProblem(await rig.ask("POST", "/api/query", { token, body: bytes }), "bad_json");
    const deep = `{"prompt":"a","payload":{"a":${"[".repeat(400_000)}${"]".repeat(400_000)}}}`;
    await expectProblem(await rig.ask("POST", "/api/query", { token, body: deep }), "bad_json");
  });

  it("refuses ten megabytes, with and without a promised length", async () => {
    await using rig = await makeRig();
    const body = JSON.stringify({ prompt: "a".repeat(10_000_000) });
    await expectProblem(await rig.ask("POST", "/api/query", { token, body }), "too_large");
    const headers = { "content-length": String(body.length) };
    const promised = await rig.ask("POST", "/api/query", { token, body, headers });
    await expectProblem(promised, "too_large");
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])(
    "does not read JSON that calls itself %s",
    async (type) => {
      await using rig = await makeRig();
      const headers = { "content-type": type };
      const response = await rig.ask("POST", "/api/query", {
        token,
        body: '{"prompt":"a"}',
        headers,
      });
      await expectProblem(response, "unsupported_media");
    },
  );

  it("does not unpack compressed bodies", async () => {
    await using rig = await makeRig();
    const headers = { "content-encoding": "gzip" };
    const response = await rig.ask("POST", "/api/query", { token, body: "xx", headers });
    await expectProblem(response, "unsupported_media");
  });

  it("refuses ids that are no ids, in the path and in the query", async () => {
    await using rig = await makeRig();
    for (const id of ["..%2f..%2fetc", "a%00b", "%F0%9F%92%A3", "x".repeat(65)]) {
      const response = await rig.ask("GET", `/api/devices/${id}`, { token });
      await expectProblem(response, "bad_request");
    }
    const page = await rig.ask("GET", "/api/jobs?limit=100000", { token });
    const problem = await expectProblem(page, "bad_request");
    expect(problem["details"]).toMatchObject({ fields: [{ path: "query.limit" }] });
  });

  it("lets a stop without a body stop all printers", async () => {
    await using rig = await makeRig();
    rig.desk.on("stop", () => ({ stopped: ["a"], unreachable: [] }));
    const response = await rig.ask("POST", "/api/fabrication/stop", { token });
    expect(await response.json()).toEqual({ stopped: ["a"], unreachable: [] });
    expect(rig.desk.asked[0]?.request.body).toEqual({});
  });

  it("gives an Idempotency-Key on with its token, its route and the hash of what was asked", async () => {
    await using rig = await makeRig();
    rig.desk.on("query", () => REPLY);
    const post = (prompt: string, key: string): Promise<Response> =>
      rig.ask("POST", "/api/query", {
        token,
        body: { prompt },
        headers: { "idempotency-key": key },
      });
    await post("a", "k1");
    await post("a", "k1");
    await post("b", "k1");
    const [first, second, third] = rig.desk.asked.map(({ request }) => request.replay);
    expect(first?.key).toBe("tok_vera:query:k1");
    expect(second).toEqual(first);
    expect(third?.requestSha256).not.toBe(first?.requestSha256);
    await expectProblem(await post("a", "k".repeat(201)), "bad_request");
  });

  it("reads If-Match as a revision", async () => {
    await using rig = await makeRig();
    rig.desk.on("flagSet", () => ({ key: "a", value: 1, revision: 8 }));
    const put = (ifMatch: string): Promise<Response> =>
      rig.ask("PUT", "/api/flags/a", {
        token: "operator-token",
        body: { value: 1 },
        headers: { "if-match": ifMatch },
      });
    await put("7");
    await put('"7"');
    expect(rig.desk.asked.map(({ request }) => request.ifRevision)).toEqual([7, 7]);
    await expectProblem(await put("*"), "bad_request");
  });
});

describe("what comes back", () => {
  const token = "viewer-token";

  it("says 404 and 405 as problems", async () => {
    await using rig = await makeRig();
    await expectProblem(await rig.ask("GET", "/api/nothing", { token }), "not_found");
    const response = await rig.ask("PATCH", "/api/devices", { token });
    expect(response.headers.get("allow")).toBe("GET");
    await expectProblem(response, "method_not_allowed");
  });

  it("turns the hub's errors into problems with status, details and Retry-After", async () => {
    await using rig = await makeRig();
    rig.desk.on("devices", () => {
      throw new GantryError("no_leader", "An election is under way", {
        details: { retryAfterS: 2 },
      });
    });
    const response = await rig.ask("GET", "/api/devices", { token });
    expect(response.headers.get("retry-after")).toBe("2");
    const problem = await expectProblem(response, "no_leader");
    expect(problem).toMatchObject({ retryable: true, detail: "An election is under way" });
  });

  it("hides the text of a bug and logs it once", async () => {
    await using rig = await makeRig();
    rig.desk.on("devices", () => {
      throw new Error("password=hunter2");
    });
    const response = await rig.ask("GET", "/api/devices", { token });
    const problem = await expectProblem(response, "internal");
    expect(JSON.stringify(problem)).not.toContain("hunter2");
    expect(rig.lines.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  it("puts the security headers on everything", async () => {
    await using rig = await makeRig();
    for (const path of ["/", "/api/nothing", "/api/openapi.json", "/healthz"]) {
      const { headers } = await rig.ask("GET", path);
      expect(headers.get("content-security-policy")).toContain("script-src 'self';");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("x-request-id")).toMatch(/^req_/);
    }
  });
});
