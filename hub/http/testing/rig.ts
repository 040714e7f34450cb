// A door over a fake desk, with a temp folder, taken down by `await using`.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { Logger, LogFields } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { openBlobFiles } from "../../adapters/blob-files.ts";
import type { BlobStore } from "../../ports.ts";
import { type Door, type DoorBounds, makeApp } from "../app.ts";
import type { DoorConfig } from "../door.ts";
import { type HttpServer, listen, type ListenOptions } from "../server.ts";
import { type FakeDesk, makeFakeDesk } from "./fake-desk.ts";

export interface LogLine {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

export interface Rig extends AsyncDisposable {
  readonly desk: FakeDesk;
  readonly door: Door;
  readonly blobs: BlobStore;
  readonly dir: string;
  readonly lines: LogLine[];
  /** A request to the app without a socket; `token` goes as Bearer. */
  ask(method: string, path: string, options?: AskOptions): Promise<Response>;
  /** A real server on a free port; closed with the rig. */
  serve(options?: Partial<ListenOptions>): Promise<HttpServer>;
  /** Ends the event streams, as a stopping worker does. */
  endStreams(): Promise<void>;
}

export interface AskOptions {
  readonly token?: string;
  /** Sent as JSON unless it is text already. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function makeRig(
  config: Partial<DoorConfig> = {},
  bounds: DoorBounds = {},
): Promise<Rig> {
  const dir = await mkdtemp(join(tmpdir(), "gantry-door-"));
  const lines: LogLine[] = [];
  const desk = makeFakeDesk();
  const blobs = await openBlobFiles(join(dir, "blobs"));
  const scope = makeScope((task, error) => lines.push(lineOf("error", { task, error }, "task")));
  const door = makeApp(
    {
      desk,
      blobs,
      config: {
        names: ["gantry.local"],
        isTls: false,
        consoleDir: join(dir, "console"),
        version: "0.1.0",
        ...config,
      },
      clock: systemClock,
      random: seededRandom(7),
      log: recordingLogger(lines),
      scope,
    },
    bounds,
  );
  const servers: HttpServer[] = [];

  return {
    desk,
    door,
    blobs,
    dir,
    lines,
    ask: async (method, path, options = {}) =>
      door.app.request(
        path.startsWith("http") ? path : `http://localhost${path}`,
        initOf(method, options),
      ),
    async serve(options = {}) {
      const server = await listen(
        door.app,
        { host: "127.0.0.1", port: 0, ...options },
        systemClock,
      );
      servers.push(server);
      return server;
    },
    endStreams: () => scope.close(),
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.close(() => scope.close())));
      await scope.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function initOf(method: string, { token, body, headers }: AskOptions): RequestInit {
  const all = new Headers(headers);
  if (token !== undefined) all.set("authorization", `Bearer ${token}`);
  if (body === undefined) return { method, headers: all };
  if (!all.has("content-type")) all.set("content-type", "application/json");
  if (typeof body === "string") return { method, headers: all, body };
  if (body instanceof Uint8Array) return { method, headers: all, body: new Uint8Array(body) };
  return { method, headers: all, body: JSON.stringify(body) };
}

const lineOf = (level: string, fields: LogFields, message: string): LogLine => ({
  level,
  fields,
  message,
});

function recordingLogger(lines: LogLine[]): Logger {
  const at =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      void lines.push(lineOf(level, fields, message));
  return { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") };
}

/** Waits until `check` holds; fails after ten seconds, which a loaded machine needs to start a worker. */
export async function eventually(check: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 10_000;
  while (!(await check())) {
    if (performance.now() > untilMs) throw new Error("the condition did not come true");
    await systemClock.sleep(5, new AbortController().signal);
  }
}
