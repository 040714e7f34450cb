// A request as the desk takes it: validated against the route's schemas.
//
// IN1. What reaches the desk has passed the schema of its route; what has not is refused with the path
//      of every faulty field.

import { z } from "zod";
import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { ROUTES, type RouteName } from "@gantry/shared/contract/routes.ts";
import { paramSchema } from "@gantry/shared/contract/schemas/params.ts";
import { SCHEMAS } from "@gantry/shared/contract/schemas/table.ts";
import {
  parseSessionStamp,
  SESSION_HEADER,
  SESSION_ROUTES,
} from "@gantry/shared/contract/sessions.ts";
import type { DeskRequest } from "../ports.ts";
import { readJson } from "./body.ts";
import type { DoorContext } from "./door.ts";

const REPLAY_KEY = /^[\x21-\x7e]{1,200}$/;
const modelIdSchema = z.string().min(1).max(240);

/** Reads and validates everything. Throws bad_request, bad_name, bad_json, too_large or unsupported_media. */
export async function readRequest(c: DoorContext, route: RouteName): Promise<DeskRequest> {
  const params = readParams(c, route);
  const query = readQuery(c, route);
  const schema = SCHEMAS[route].body;
  const body =
    schema === undefined
      ? undefined
      : validate(schema, (await readJson(c.req.raw, LIMIT.bodyBytes.max)) ?? {}, "");
  return requestOf(c, route, { params, query, body });
}

/** The request around what was read already. */
export function requestOf(
  c: DoorContext,
  route: RouteName,
  input: Pick<DeskRequest, "params" | "query" | "body">,
): DeskRequest {
  const ifRevision = readIfMatch(c.req.header("if-match"));
  const replay = readReplay(c, route, input);
  const session = readSession(c, route, input);
  return {
    actor: c.get("actor"),
    requestId: c.get("requestId"),
    ...input,
    ...(replay === undefined ? {} : { replay }),
    ...(session === undefined ? {} : { session }),
    ...(ifRevision === undefined ? {} : { ifRevision }),
  };
}

/** `value` as the schema gives it. `where` goes before each field's path, e.g. `query.`. */
export function validate<T extends z.ZodType>(
  schema: T,
  value: unknown,
  where: string,
): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const fields = result.error.issues.slice(0, 20).flatMap((issue) => faultyFields(issue, where));
  const [first] = fields;
  throw new GantryError("bad_request", `${first?.path || "The body"}: ${first?.message}`, {
    details: { fields },
  });
}

interface FaultyField {
  readonly path: string;
  readonly message: string;
}

function faultyFields(issue: z.core.$ZodIssue, where: string): readonly FaultyField[] {
  const path = where + issue.path.map(String).join(".");
  if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
  const prefix = path === "" || path.endsWith(".") ? path : `${path}.`;
  return issue.keys.map((key) => ({
    path: `${prefix}${key.slice(0, 100)}`,
    message: "is not a field of this request",
  }));
}

export function readQuery(c: DoorContext, route: RouteName): Record<string, unknown> {
  const schema = SCHEMAS[route].query;
  if (schema === undefined) return {};
  return validate(schema, c.req.query(), "query.") as Record<string, unknown>; // all are objects
}

export function readParams(c: DoorContext, route: RouteName): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [name, value] of Object.entries(c.req.param())) {
    params[name] = validate(schemaOf(route, name), value, `path.${name}`) as string; // strings all
  }
  return params;
}

const schemaOf = (route: RouteName, name: string): z.ZodType =>
  route === "model" ? modelIdSchema : paramSchema(name);

function readReplay(
  c: DoorContext,
  route: RouteName,
  { params, query, body }: Pick<DeskRequest, "params" | "query" | "body">,
): DeskRequest["replay"] {
  const header = c.req.header("idempotency-key");
  const actor = c.get("actor");
  if (header === undefined || actor === null || ROUTES[route].method === "GET") return undefined;
  if (!REPLAY_KEY.test(header)) {
    throw badHeader("idempotency-key", "must be 1 to 200 printable ASCII characters");
  }
  return {
    key: `${actor.token}:${route}:${header}`,
    requestSha256: digestOf({ params, query, body }),
  };
}

function readSession(
  c: DoorContext,
  route: RouteName,
  { params, query, body }: Pick<DeskRequest, "params" | "query" | "body">,
): DeskRequest["session"] {
  const header = c.req.header(SESSION_HEADER);
  if (header === undefined || ROUTES[route].method === "GET") return undefined;
  const stamp = parseSessionStamp(header);
  if (stamp === undefined) throw badHeader(SESSION_HEADER, "must be ID/SEQ, counted from 1");
  if (!SESSION_ROUTES.has(route)) throw badHeader(SESSION_HEADER, "cannot number this request");
  return { ...stamp, requestSha256: digestOf({ route, params, query, body }) };
}

function readIfMatch(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const revision = /^"?(\d{1,15})"?$/.exec(header.trim())?.[1];
  if (revision === undefined) throw badHeader("if-match", "must be one revision number");
  return Number(revision);
}

const badHeader = (path: string, message: string): GantryError =>
  new GantryError("bad_request", `${path} ${message}`, {
    details: { fields: [{ path, message }] },
  });
