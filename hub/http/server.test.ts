import { Agent, request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { present } from "@gantry/shared/base/assert.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { serveDesk } from "../door/serve-desk.ts";
import { makeFakeDesk } from "./testing/fake-desk.ts";
import { modelReply } from "./testing/model-reply.ts";
import { eventually, makeRig } from "./testing/rig.ts";
import { openSse } from "./testing/sse-client.ts";
import { TEST_TLS } from "./testing/tls.ts";
import type { HttpWorkerData, HttpWorkerMessage } from "./worker.ts";

const ANSWER = modelReply("It prints.");

describe("the listening socket", () => {
  it("says port_busy and names the address", async () => {
    await using rig = await makeRig();
    const { port } = await rig.serve();
    const second = rig.serve({ port });
    await expect(second).rejects.toMatchObject({
      code: "port_busy",
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
    });
  });

  it("says bad_config for an address that is not of this machine", async () => {
    await using rig = await makeRig();
    const serving = rig.serve({ host: "203.0.113.9" });
    await expect(serving).rejects.toMatchObject({ code: "bad_config" });
  });

  it("drops a client that is slow with its headers, and answers others meanwhile", async () => {
    await using rig = await makeRig();
    rig.desk.on("live", () => ({ status: "ok" }));
    const { port } = await rig.serve({ headersMs: 200 });
    const socket = connect(port, "127.0.0.1");
    let isClosed = false;
    socket.on("close", () => {
      isClosed = true;
    });
    socket.on("error", () => undefined);
    socket.resume();
    socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    await eventually(() => isClosed);
  });

  it("drops a body that stops coming, but not an answer that takes longer", async () => {
    await using rig = await makeRig();
    rig.desk.on("query", async () => {
      await systemClock.sleep(300, new AbortController().signal); // three times the idle limit
      return ANSWER;
    });
    const { port } = await rig.serve({ idleMs: 100 });
    const socket = connect(port, "127.0.0.1");
    let isClosed = false;
    socket.on("close", () => {
      isClosed = true;
    });
    socket.on("error", () => undefined);
    socket.resume();
    socket.write(
      "POST /api/query HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer viewer-token\r\n" +
        'content-type: application/json\r\ncontent-length: 100\r\n\r\n{"prompt',
    );
    const whole = await fetch(`http://127.0.0.1:${port}/api/query`, {
      method: "POST",
      headers: { authorization: "Bearer viewer-token", "content-type": "application/json" },
      body: '{"prompt":"a"}',
    });
    expect(await whole.json()).toEqual(ANSWER);
    await eventually(() => isClosed);
  });

  it("hangs nothing onto a connection that is used again and again", async () => {
    await using rig = await makeRig();
    const { port } = await rig.serve();
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.name);
    process.on("warning", onWarning);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let count = 0; count < 15; count += 1) {
      await new Promise<void>((resolve) => {
        const request = httpRequest({ port, host: "127.0.0.1", agent, method: "POST", path: "/" });
        request.on("response", (response) => response.resume().on("end", resolve));
        request.end("{}");
      });
    }
    agent.destroy();
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  it.each([
    ["a path of backslashes", "GET /..\\..\\etc HTTP/1.1\r\nhost: localhost\r\n\r\n"],
    ["a Host that is none", "GET / HTTP/1.1\r\nhost: a b/c\r\n\r\n"],
    ["two lengths", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
  ])("answers 400 to %s", async (_name, request) => {
    await using rig = await makeRig();
    const { port } = await rig.serve();
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => {
      text += String(chunk);
    });
    socket.on("error", () => undefined);
    socket.write(request);
    await eventually(() => text.startsWith("HTTP/1.1 400 "));
    socket.destroy();
    expect(rig.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("lets a request end, ends streams and takes no more when it closes", async () => {
    await using rig = await makeRig();
    const server = await rig.serve();
    const base = `http://127.0.0.1:${server.port}`;
    const headers = { authorization: "Bearer viewer-token" };
    const { promise, resolve } = Promise.withResolvers<unknown>();
    rig.desk.on("devices", () => promise);
    const request = fetch(`${base}/api/devices`, { headers });
    const stream = await openSse(`${base}/api/events`, { headers });
    await eventually(() => rig.desk.asked.length === 1 && stream.text() !== "");
    const closed = server.close(() => rig.endStreams());
    await eventually(() => stream.isEnded());
    await expect(fetch(`${base}/healthz`)).rejects.toThrow("fetch failed");
    resolve({ devices: [] });
    const response = await request;
    expect(await response.json()).toEqual({ devices: [] });
    await closed;
  });
});

describe("the door behind TLS", () => {
  it("answers over HTTP/2 and ends its sessions when it closes", async () => {
    await using rig = await makeRig({ isTls: true });
    rig.desk.on("live", () => ({ status: "ok" }));
    const server = await rig.serve({ tls: TEST_TLS });
    const session = connectHttp2(`https://localhost:${server.port}`, {
      ca: TEST_TLS.cert,
      lookup: (_name, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
    });
    const request = session.request({ ":path": "/healthz" });
    const head = Promise.withResolvers<unknown>();
    request.on("response", (headers) => head.resolve(headers[":status"]));
    request.setEncoding("utf8");
    expect(await head.promise).toBe(200);
    expect(JSON.parse((await request.toArray()).join(""))).toEqual({ status: "ok" });
    const gone = new Promise((resolve) => session.once("close", resolve));
    await server.close(() => rig.endStreams());
    await gone;
  });

  it("answers HTTP/1.1 as well", async () => {
    await using rig = await makeRig({ isTls: true });
    const { port } = await rig.serve({ tls: TEST_TLS });
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const body = JSON.stringify({ token: "maker-token" });
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        port,
        path: "/api/session",
        method: "POST",
        ca: TEST_TLS.cert,
        servername: "localhost",
        headers: { host: "localhost", "content-type": "application/json", connection: "close" },
      },
      (response) => {
        resolve(response.statusCode);
        response.resume();
      },
    );
    request.on("error", reject);
    request.end(body);
    expect(await promise).toBe(201);
  });
});

/** The worker on loopback, and all it says. */
function startWorker(
  dir: string,
  deskPort: MessagePort,
  port: number,
): { worker: Worker; messages: readonly HttpWorkerMessage[] } {
  const data: HttpWorkerData = {
    deskPort,
    door: { names: [], isTls: false, consoleDir: join(dir, "console"), version: "0.1.0" },
    listen: { host: "127.0.0.1", port },
    blobsDir: join(dir, "blobs"),
    logLevel: "silent",
  };
  const worker = new Worker(new URL("worker.ts", import.meta.url), {
    workerData: data,
    transferList: [deskPort],
  });
  const messages: HttpWorkerMessage[] = [];
  worker.on("message", (message: HttpWorkerMessage) => void messages.push(message));
  return { worker, messages };
}

describe("the worker", () => {
  it("[K81] answers before the hub is there, then serves it, then stops when told", async () => {
    await using rig = await makeRig(); // for its folder
    const { port1, port2 } = new MessageChannel();
    const { worker, messages } = startWorker(rig.dir, port2, 0);
    const exited = new Promise((resolve) => worker.once("exit", resolve));
    await eventually(() => messages.length > 0);
    const [first] = messages;
    expect(first?.type).toBe("listening");
    const base = `http://127.0.0.1:${first?.type === "listening" ? first.port : 0}`;

    const health = (await (await fetch(`${base}/healthz`)).json()) as { status: string };
    expect(health.status).toBe("starting");
    const headers = { authorization: "Bearer viewer-token" };
    expect((await fetch(`${base}/api/devices`, { headers })).status).toBe(503);

    const desk = makeFakeDesk();
    const scope = makeScope(() => undefined);
    serveDesk(port1, desk, scope, silentLogger);
    desk.on("devices", () => ({ devices: [] }));
    await eventually(async () => (await fetch(`${base}/api/devices`, { headers })).status === 200);
    const stream = await openSse(`${base}/api/events`, { headers });
    await eventually(() => stream.text() !== "");
    desk.emit({ type: "flag.changed", subject: "a", data: 1 });
    expect(present((await stream.take(1))[0], "an event").id).toBe("1");

    worker.postMessage({ type: "stop" });
    await eventually(() => messages.at(-1)?.type === "stopped");
    expect(await exited).toBe(0);
    await scope.close();
  });

  it("says why it cannot listen, and ends", async () => {
    await using rig = await makeRig();
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const { port2 } = new MessageChannel();
    const { worker, messages } = startWorker(rig.dir, port2, port);
    await new Promise((resolve) => worker.once("exit", resolve));
    expect(messages).toMatchObject([{ type: "failed", error: { code: "port_busy" } }]);
    taken.close();
  });
});
