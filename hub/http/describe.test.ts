import { describe, expect, it } from "vitest";
import { ROUTES, type Route } from "@gantry/shared/contract/routes.ts";
import { makeRig } from "./testing/rig.ts";

type Json = Record<string, unknown>;

describe("the description of the API", () => {
  it("is OpenAPI 3.1 with every route, parameter and reply, and every $ref leads somewhere", async () => {
    await using rig = await makeRig();
    const response = await rig.ask("GET", "/api/openapi.json");
    const document = (await response.json()) as Json & {
      paths: Record<string, Record<string, Json & { parameters: Json[]; responses: Json }>>;
    };
    expect(document["openapi"]).toBe("3.1.0");
    const ids = new Set<unknown>();
    for (const route of Object.values(ROUTES) as Route[]) {
      const path = route.path.replaceAll(/(?<=\/):(\w+)/g, "{$1}");
      const operation = document.paths[path]?.[route.method.toLowerCase()];
      ids.add(operation?.["operationId"]);
      const inPath = operation?.parameters.filter((parameter) => parameter["in"] === "path") ?? [];
      expect(inPath.map(({ name }) => `{${String(name)}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      expect(inPath.every(({ required }) => required === true)).toBe(true);
      expect(Object.keys(operation?.responses ?? {})).toEqual([String(route.status), "default"]);
      expect(operation?.["security"]).toHaveLength(route.access === "public" ? 0 : 2);
    }
    expect(ids.size).toBe(Object.keys(ROUTES).length);
    const lost = refsOf(document).filter((ref) => at(document, ref) === undefined);
    expect(lost).toEqual([]);
    expect(refsOf(document).length).toBeGreaterThan(Object.keys(ROUTES).length);
  });

  it("discovers routes, events, topics and schemas", async () => {
    await using rig = await makeRig();
    const response = await rig.ask("GET", "/api/discover", { token: "viewer-token" });
    const found = (await response.json()) as Json & { routes: Json[]; topics: Json };
    expect(found.routes.map(({ name }) => name)).toEqual(Object.keys(ROUTES));
    const query = found.routes.find(({ name }) => name === "query");
    expect(query).toMatchObject({
      summary: ROUTES.query.summary,
      body: { properties: { prompt: { type: "string", minLength: 1 } }, required: ["prompt"] },
    });
    expect(found["events"]).toContain("print.changed");
    expect(found.topics["deviceState"]).toBe("gantry/devices/DEVICE/state");
  });

  it("prints every limit", async () => {
    await using rig = await makeRig();
    const response = await rig.ask("GET", "/api/limits", { token: "viewer-token" });
    expect(await response.json()).toMatchObject({
      limits: { streams: { max: 500 } },
      timeouts: { sseHeartbeatMs: 15_000 },
      hazards: { high: { role: "safety" } },
    });
  });
});

function refsOf(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key === "$ref" && typeof member === "string" ? [member] : refsOf(member),
  );
}

const at = (document: unknown, ref: string): unknown =>
  ref
    .slice(2)
    .split("/")
    .reduce<unknown>((value, key) => (value as Json | undefined)?.[key], document);
