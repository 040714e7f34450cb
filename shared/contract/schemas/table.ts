// What goes into each route and what comes out, as zod schemas under the route's name.
// Request objects are strict: an unknown field is refused with its path, except under /v1, where
// OpenAI clients send extras and expect them to be ignored.

import type { z } from "zod";
import type { RouteName } from "../routes.ts";
import { ACCESS_SCHEMAS } from "./access.ts";
import { AGENT_SCHEMAS } from "./agents.ts";
import { ANALYTICS_SCHEMAS } from "./analytics.ts";
import { ARTIFACT_SCHEMAS } from "./artifacts.ts";
import { ASKING_SCHEMAS } from "./asking.ts";
import { CAD_SCHEMAS } from "./cad.ts";
import { CLIENT_SCHEMAS } from "./clients.ts";
import { CLUSTER_SCHEMAS } from "./cluster.ts";
import type { RouteSchemas } from "./common.ts";
import { CONFIRMATION_SCHEMAS } from "./confirmations.ts";
import { DEVICE_SCHEMAS } from "./devices.ts";
import { FARM_SCHEMAS } from "./farm.ts";
import { GOAL_SCHEMAS } from "./goals.ts";
import { JOB_SCHEMAS } from "./jobs.ts";
import { LOCK_SCHEMAS } from "./locks.ts";
import { MODEL_SCHEMAS } from "./models.ts";
import { MONEY_SCHEMAS } from "./money.ts";
import { MEMORY_SCHEMAS } from "./memory.ts";
import { PRINT_SCHEMAS } from "./prints.ts";
import { QUEUE_SCHEMAS } from "./queues.ts";
import { RECORD_SCHEMAS } from "./records.ts";
import { REGISTRY_SCHEMAS } from "./registry.ts";
import { RUN_SCHEMAS } from "./runs.ts";
import { SCHEDULE_SCHEMAS } from "./schedules.ts";
import { SERVICE_SCHEMAS } from "./service.ts";
import { SLICER_SCHEMAS } from "./slicers.ts";
import { VOICE_SCHEMAS } from "./voice.ts";
import { WORKSHOP_SCHEMAS } from "./workshop.ts";
import { TRACE_SCHEMAS } from "./traces.ts";
import { WORKFLOW_SCHEMAS } from "./workflows.ts";
import { WEBHOOK_SCHEMAS } from "./webhooks.ts";

const TABLE = {
  ...AGENT_SCHEMAS,
  ...ANALYTICS_SCHEMAS,
  ...ARTIFACT_SCHEMAS,
  ...ASKING_SCHEMAS,
  ...CLIENT_SCHEMAS,
  ...MEMORY_SCHEMAS,
  ...CONFIRMATION_SCHEMAS,
  ...CAD_SCHEMAS,
  ...DEVICE_SCHEMAS,
  ...PRINT_SCHEMAS,
  ...SLICER_SCHEMAS,
  ...FARM_SCHEMAS,
  ...WORKSHOP_SCHEMAS,
  ...GOAL_SCHEMAS,
  ...JOB_SCHEMAS,
  ...QUEUE_SCHEMAS,
  ...TRACE_SCHEMAS,
  ...WORKFLOW_SCHEMAS,
  ...RUN_SCHEMAS,
  ...SCHEDULE_SCHEMAS,
  ...WEBHOOK_SCHEMAS,
  ...SERVICE_SCHEMAS,
  ...ACCESS_SCHEMAS,
  ...RECORD_SCHEMAS,
  ...REGISTRY_SCHEMAS,
  ...LOCK_SCHEMAS,
  ...MODEL_SCHEMAS,
  ...MONEY_SCHEMAS,
  ...CLUSTER_SCHEMAS,
  ...VOICE_SCHEMAS,
} satisfies Readonly<Record<RouteName, RouteSchemas>>;
export const SCHEMAS: Readonly<Record<RouteName, RouteSchemas>> = TABLE;

// The same table as types: importing these costs a client nothing when it starts.

type Part<N extends RouteName, P extends string> = (typeof TABLE)[N] extends {
  readonly [K in P]: infer S extends z.ZodType;
}
  ? S
  : undefined;
type InputOf<S> = S extends z.ZodType ? z.input<S> : undefined;
/** What a caller sends; undefined for a route without a body. */
export type BodyOf<N extends RouteName> = InputOf<Part<N, "body">>;
/** What a caller may put after the `?`; undefined for a route that reads nothing there. */
export type QueryOf<N extends RouteName> = InputOf<Part<N, "query">>;
/** What the hub answers. */
export type ReplyOf<N extends RouteName> = z.output<(typeof TABLE)[N]["reply"]>;
