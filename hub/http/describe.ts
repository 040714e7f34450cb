// The API told by itself: discover, OpenAPI 3.1 and the limits, all from the contract's tables.

import { z } from "zod";
import { ERRORS } from "@gantry/shared/base/errors.ts";
import { BREAKER, LIFE, LIMIT, RETRY, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { BACKUP_MEDIA_TYPE } from "@gantry/shared/contract/backup.ts";
import { EVENT_TYPES } from "@gantry/shared/contract/events.ts";
import { HAZARD_POLICY, ROLES } from "@gantry/shared/contract/roles.ts";
import { type Route, ROUTES, type RouteName } from "@gantry/shared/contract/routes.ts";
import { problemSchema } from "@gantry/shared/contract/schemas/common.ts";
import { paramSchema } from "@gantry/shared/contract/schemas/params.ts";
import { SCHEMAS } from "@gantry/shared/contract/schemas/table.ts";
import { SESSION_ROUTES } from "@gantry/shared/contract/sessions.ts";
import { DISCOVERY_PREFIX, TOPICS } from "@gantry/shared/contract/topics.ts";

type Json = Readonly<Record<string, unknown>>;

const routes = Object.entries(ROUTES) as readonly (readonly [RouteName, Route])[];

/** What goes in (`input`) or comes out (`output`) as JSON Schema, draft 2020-12. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}

/** Every bound, time-out, retry policy and life time in force. */
export const limits = (): Json => ({
  limits: LIMIT,
  timeouts: TIMEOUT,
  retries: RETRY,
  breaker: BREAKER,
  lives: LIFE,
  hazards: HAZARD_POLICY,
});

export const discover = (version: string): Json => ({
  name: "gantry",
  version,
  routes: routes.map(([name, route]) => ({ name, ...route, ...schemasOf(name) })),
  events: [...EVENT_TYPES, "telemetry", "node.load"],
  topics: {
    context: TOPICS.context("CONVERSATION"),
    deviceState: TOPICS.deviceState("DEVICE"),
    deviceCommand: TOPICS.deviceCommand("DEVICE"),
    job: TOPICS.job("JOB"),
    autonomyStatus: TOPICS.autonomyStatus,
    autonomyCommand: TOPICS.autonomyCommand,
    event: TOPICS.event("TYPE"),
    rejected: TOPICS.rejected("DEVICE"),
    discoveryPrefix: DISCOVERY_PREFIX,
  },
  errors: ERRORS,
  roles: ROLES,
});

function schemasOf(name: RouteName): Json {
  const { query, body, reply } = SCHEMAS[name];
  return {
    ...(query === undefined ? {} : { query: jsonSchema(query, "input") }),
    ...(body === undefined ? {} : { body: jsonSchema(body, "input") }),
    reply: jsonSchema(reply, "output"),
  };
}

export function openApi(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  const schemas: Record<string, unknown> = { Problem: jsonSchema(problemSchema, "output") };
  for (const [name, route] of routes) {
    const path = route.path.replaceAll(/(?<=\/):(\w+)/g, "{$1}");
    const operation = hoist(operationOf(name, route), name, schemas);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Gantry", version, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: { type: "http", scheme: "bearer" },
        session: { type: "apiKey", in: "cookie", name: "gantry_session" },
      },
    },
  };
}

/**
 * Moves the definitions inside an operation's schemas, which refer to them from the root of a schema,
 * to the document's components.
 */
function hoist(operation: Json, name: string, schemas: Record<string, unknown>): Json {
  const prefix = `#/components/schemas/${name}.`;
  const text = JSON.stringify(operation, (key, value: unknown) => {
    if (key !== "$defs") return value;
    const defs = JSON.stringify(value).replaceAll("#/$defs/", prefix);
    for (const [def, schema] of Object.entries(JSON.parse(defs) as Json)) {
      schemas[`${name}.${def}`] = schema;
    }
    return undefined;
  });
  return JSON.parse(text.replaceAll("#/$defs/", prefix)) as Json;
}

function operationOf(name: RouteName, route: Route): Json {
  const { body, reply } = SCHEMAS[name];
  return {
    operationId: name,
    summary: route.summary,
    tags: [route.path.split("/")[2] ?? "health"],
    security: route.access === "public" ? [] : [{ token: [] }, { session: [] }],
    ...(route.access === "public" ? {} : { "x-role": route.access }),
    parameters: [
      ...pathParameters(route),
      ...queryParameters(name),
      ...headerParameters(name, route),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: true, content: requestContent(name, jsonSchema(body, "input")) },
        }),
    responses: {
      [String(route.status)]: {
        description: "Success",
        content: replyContent(name, route, jsonSchema(reply, "output")),
      },
      default: {
        description: "An error; `code` says which",
        content: {
          "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
        },
      },
    },
  };
}

function pathParameters(route: Route): readonly Json[] {
  return [...route.path.matchAll(/(?<=\/):(\w+)/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: jsonSchema(paramSchema(name), "input"),
  }));
}

function queryParameters(name: RouteName): readonly Json[] {
  const { query } = SCHEMAS[name];
  if (query === undefined) return [];
  const properties = jsonSchema(query, "input")["properties"] ?? {};
  return Object.entries(properties).map(([key, schema]) => ({ name: key, in: "query", schema }));
}

function headerParameters(name: RouteName, route: Route): readonly Json[] {
  const schema = { type: "string", minLength: 1, maxLength: 200 };
  const hasKey = route.method !== "GET" && route.access !== "public";
  return [
    ...(hasKey ? [{ name: "Idempotency-Key", in: "header", schema }] : []),
    ...(SESSION_ROUTES.has(name) ? [{ name: "Gantry-Session", in: "header", schema }] : []),
  ];
}

function requestContent(name: RouteName, schema: Json): Json {
  const json = { "application/json": { schema } };
  if (name !== "printSubmitted") return json;
  return {
    ...json,
    "multipart/form-data": {
      schema: {
        type: "object",
        required: ["printer", "file"],
        properties: {
          printer: { type: "string" },
          name: { type: "string" },
          file: { type: "string", contentMediaType: "application/octet-stream" },
        },
      },
    },
    "text/x.gcode": { schema: { type: "string" } },
  };
}

function replyContent(name: RouteName, route: Route, schema: Json): Json {
  if (name === "metrics") return { "text/plain": { schema } };
  if (name === "printThumbnail") return { "image/png": {}, "image/jpeg": {}, "image/qoi": {} };
  if (name === "camera") return { "image/jpeg": {}, "image/png": {} };
  if (name === "modelFile") return { "application/octet-stream": {} };
  if (name === "cadFile") return { "model/stl": {}, "image/png": {}, "text/x.gcode": {} };
  if (name === "artifactContent") return { "application/octet-stream": {} };
  if (name === "backup") return { [BACKUP_MEDIA_TYPE]: { schema } };
  const json = { "application/json": { schema } };
  return route.stream === undefined
    ? json
    : { ...json, "text/event-stream": { schema: { type: "string" } } };
}
