// The HTTP door: every route of the contract, mounted once, with the same guards before each.
//
//   request id -> host -> origin -> who -> role -> input -> desk -> reply
//
// AP1. Every reply of this app, whatever went wrong, carries x-request-id and the security headers.
// AP2. A route without a token is one whose access is `public`; there is no other way in.
// AP3. What is thrown and is not a GantryError becomes `internal`; its text goes to the log only.

import { Hono } from "hono";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { mintId } from "@gantry/shared/base/ids.ts";
import { parseTraceparent, requestIdFor, traceIdOf } from "@gantry/shared/base/trace.ts";
import { type Route, ROUTES, type RouteName } from "@gantry/shared/contract/routes.ts";
import { consoleFiles } from "./console.ts";
import { discover, limits, openApi } from "./describe.ts";
import { type DoorContext, type DoorDeps, type DoorEnv, type Handler, remoteOf } from "./door.ts";
import { makeFeed } from "./feed/feed.ts";
import { assertHost, assertOwnPage } from "./guard.ts";
import { isRequestId, SECURITY_HEADERS } from "./headers.ts";
import {
  assertAccess,
  cookieNameOf,
  type Identities,
  makeIdentities,
  secretOf,
} from "./identity.ts";
import { clientHandlers } from "./openai/handlers.ts";
import { errorResponse } from "./problem.ts";
import { artifactFile } from "./routes/artifact-file.ts";
import { backup } from "./routes/backup.ts";
import { eventsDoor } from "./routes/events.ts";
import { type DoorCounts, health, makeCounts, metrics } from "./routes/health.ts";
import { mcpDoor } from "./routes/mcp.ts";
import { modelFile } from "./routes/model-file.ts";
import { partFile } from "./routes/part-file.ts";
import { plain } from "./routes/plain.ts";
import { submitPrint } from "./routes/prints.ts";
import { camera } from "./routes/camera.ts";
import { printThumbnail } from "./routes/thumbnail.ts";
import { query } from "./routes/query.ts";
import { runBatch } from "./routes/run-batch.ts";
import { workBatch } from "./routes/work-batch.ts";
import { watchDoor } from "./routes/watch.ts";
import { SLICER_PREFIX, slicerHandlers } from "./slicers/door.ts";
import { closeSession, openSession, whoAmI } from "./routes/session.ts";

export interface Door {
  readonly app: Hono<DoorEnv>;
  /** Event streams open now. */
  readonly streams: () => number;
}

/** Bounds that tests make smaller. */
export interface DoorBounds {
  readonly streamsMax?: number;
  readonly ringItemsMax?: number;
}

/** The whole door as one Hono app. It watches the desk's feed until `deps.scope` is left. */
export function makeApp(deps: DoorDeps, bounds: DoorBounds = {}): Door {
  const identities = makeIdentities(deps.desk, deps.clock);
  const feed = makeFeed(
    deps.desk,
    deps.clock,
    deps.scope,
    () => identities.forget(),
    bounds.ringItemsMax,
  );
  const events = eventsDoor(deps, feed, identities, bounds.streamsMax);
  const watches = watchDoor(deps, feed, identities, bounds.streamsMax);
  const streams = (): number => events.streams() + watches.streams();
  const counts = makeCounts(streams);
  const app = new Hono<DoorEnv>();

  useFrame(app, deps, counts);
  const mcp = mcpDoor(deps, identities);
  const special = {
    mcpPosted: mcp,
    mcpStreamed: mcp,
    mcpEnded: mcp,
    ...specialHandlers(deps, identities, events.handler, counts),
    runEvents: events.ofRun,
    registryWatch: watches.handler,
  } as Partial<Record<RouteName, Handler>>;
  for (const [name, route] of Object.entries(ROUTES) as [RouteName, Route][]) {
    mount(app, deps, identities, name, route, special[name] ?? plain(deps, name));
  }
  refuseOtherMethods(app);
  serveConsole(app, deps);
  return { app, streams };
}

function specialHandlers(
  deps: DoorDeps,
  identities: Identities,
  events: Handler,
  counts: DoorCounts,
): Partial<Record<RouteName, Handler>> {
  const startedAtMs = deps.clock.monotonic();
  const { version } = deps.config;
  return {
    live: health(deps, "live", startedAtMs),
    ready: health(deps, "ready", startedAtMs),
    metrics: metrics(deps, counts),
    discover: fixed(() => discover(version)),
    openapi: fixed(() => openApi(version)),
    limits: fixed(limits),
    me: whoAmI,
    sessionOpened: openSession(deps, identities),
    sessionClosed: closeSession(deps),
    query: query(deps),
    backup: backup(deps),
    printSubmitted: submitPrint(deps),
    printThumbnail: printThumbnail(deps),
    camera: camera(deps),
    runsStarted: runBatch(deps),
    cadFile: partFile(deps),
    modelFile: modelFile(deps),
    artifactContent: artifactFile(deps),
    ...slicerHandlers(deps),
    workAdded: workBatch(deps),
    events,
    ...clientHandlers(deps),
  };
}

/** A reply that never changes, made at the first call. */
function fixed(make: () => unknown): Handler {
  let text: string | undefined;
  return () => {
    text ??= JSON.stringify(make());
    return new Response(text, { headers: { "content-type": "application/json" } });
  };
}

/** AP1 and AP3, and the count and log line of each request. */
function useFrame(app: Hono<DoorEnv>, deps: DoorDeps, counts: DoorCounts): void {
  const { clock, random, log } = deps;

  app.use(async (c, next) => {
    const asked = c.req.header("x-request-id");
    const caller = parseTraceparent(c.req.header("traceparent"));
    const own = caller === undefined ? mintId("req", clock.now(), random) : requestIdFor(caller);
    const requestId = isRequestId(asked) ? asked : own;
    c.set("requestId", requestId);
    c.set("actor", null);
    const startedMs = clock.monotonic();
    await next();
    const { headers, status } = c.res;
    headers.set("x-request-id", requestId);
    headers.set("x-trace-id", traceIdOf(requestId));
    for (const [name, value] of SECURITY_HEADERS) headers.set(name, value);
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    counts.count(c.req.routePath, status);
    logRequest(c, status, clock.monotonic() - startedMs);
  });

  function logRequest(c: DoorContext, status: number, tookMs: number): void {
    const { method, path } = c.req;
    const person = c.get("actor")?.person;
    const fields = { requestId: c.get("requestId"), method, path, status, person, tookMs };
    if (method === "GET" || method === "HEAD") log.debug(fields, "answered");
    else log.info(fields, "answered");
  }

  app.onError((error, c) => {
    if (!(error instanceof GantryError)) {
      log.error({ err: error, requestId: c.get("requestId"), path: c.req.path }, "request failed");
    }
    return errorResponse(error, c.req.path, c.get("requestId"));
  });
}

function mount(
  app: Hono<DoorEnv>,
  { config }: DoorDeps,
  identities: Identities,
  name: RouteName,
  route: Route,
  handler: Handler,
): void {
  const names = new Set(config.names);
  const cookieName = cookieNameOf(config.isTls);
  const isProbe = name === "live" || name === "ready";

  app.on(route.method, pathsOf(name, route), async (c) => {
    const url = new URL(c.req.url);
    if (!isProbe) assertHost(url, names); // load balancers probe by whatever name they have
    if (route.access !== "public") {
      const sent = secretOf(c, cookieName);
      if (sent === undefined) throw new GantryError("unauthenticated", "No token was sent");
      if (sent.isCookie && (route.method !== "GET" || route.stream !== undefined)) {
        assertOwnPage(c.req.raw.headers, url, true);
      }
      const { actor, secretSha256 } = await identities.identify(sent.secret, remoteOf(c));
      assertAccess(actor, route.access);
      c.set("actor", actor);
      c.set("secretSha256", secretSha256);
    }
    return handler(c);
  });
}

/** Model names hold slashes, and not every client escapes them. */
function pathsOf(name: RouteName, { path }: Route): string[] {
  if (name === "model") return [`${path}{.+}`];
  return name.startsWith("slicer") ? [path, SLICER_PREFIX + path] : [path];
}

function refuseOtherMethods(app: Hono<DoorEnv>): void {
  const routes = Object.values(ROUTES) as readonly Route[];
  for (const [path, ofPath] of Map.groupBy(routes, (route) => route.path)) {
    const allow = ofPath.map((route) => route.method).join(", ");
    app.all(path, (c) => {
      throw new GantryError("method_not_allowed", `${c.req.method} is not known at ${path}`, {
        details: { allow },
      });
    });
  }
}

function serveConsole(app: Hono<DoorEnv>, { config }: DoorDeps): void {
  const names = new Set(config.names);
  const files = consoleFiles(config.consoleDir);
  app.all("*", async (c) => {
    assertHost(new URL(c.req.url), names);
    const { method, path } = c.req;
    const isApi = path.startsWith("/api/") || path.startsWith("/v1/") || path === "/mcp";
    const isRead = method === "GET" || method === "HEAD";
    const file =
      isApi || !isRead ? undefined : await files.serve(path, c.req.header("if-none-match"));
    if (file !== undefined) return file;
    throw new GantryError("not_found", `There is nothing at ${path.slice(0, 200)}`);
  });
}
