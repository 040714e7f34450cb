// One request across machines: a print that a caller's trace asked for, through hub, node and printer;
// and the lines that all programs wrote meanwhile.

import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { startAppliance, until } from "../support/appliance.ts";
import { confirm, markedPart, startFast, untilEnded, untilIdle } from "./steps.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const FLOW = {
  nodes: {
    think: { type: "task", capability: "embed", with: { input: ["a red spool"] } },
    after: { type: "function", function: "value", with: { value: "${nodes.think.state}" } },
  },
  edges: [{ from: "think", to: "after", on: "always" }],
};

it("[M72] [M74] [A91] a run asked for with a traceparent is one trace: request, commit, run, its node, the machine; exported as well; and each line of every log has its trace", async () => {
  const bodies: Json[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      bodies.push(JSON.parse(Buffer.concat(pieces).toString()));
      response.end("{}");
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    await using a = await startAppliance({
      parts: ["hub", "agent", "bridge"],
      env: { GANTRY_OTLP_URL: `http://127.0.0.1:${port}/v1/traces` },
    });
    await until("the node", async () => {
      const { body } = await a.api("GET", "/api/registry");
      return body.nodes?.some((node: Json) => node.state === "alive");
    });
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01` };
    const started = await a.api("POST", "/api/runs", { graph: FLOW }, headers);
    expect(started.status).toBe(202);
    const { id } = started.body.run;
    await until("the end of the run", async () => {
      const { body } = await a.api("GET", `/api/runs/${id}`);
      return body.state !== "running";
    });
    const spans = await until("all its spans", async () => {
      const { body } = await a.api("GET", `/api/traces/${TRACE}`);
      return body.spans?.some((span: Json) => span.name.startsWith("run ")) && body.spans;
    });
    const named = (name: string): Json => spans.find((span: Json) => span.name.startsWith(name));
    expect(named("POST /api/runs")).toMatchObject({ service: "hub", parentId: PARENT });
    expect(named("commit runStarted").parentId).toBe(named("POST /api/runs").spanId);
    expect(named("run ").parentId).toBe(named("POST /api/runs").spanId);
    expect(named("task think")).toMatchObject({ parentId: named("run ").spanId });
    await until("the export", async () => JSON.stringify(bodies).includes(TRACE));
    const metrics = await fetch(`${a.url}/metrics`).then((reply) => reply.text());
    expect(metrics).toMatch(/gantry_spans_exported_total [1-9]/);
    expect(metrics).toContain("gantry_spans_dropped_total 0");

    const lines = (["hub", "agent", "bridge"] as const).flatMap((part) =>
      a
        .output(part)
        .split("\n")
        .filter((line) => line !== ""),
    );
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines.filter(
      (each) => !each.startsWith("(node:") && !each.startsWith("(Use"),
    )) {
      const fact = JSON.parse(line);
      expect([typeof fact.level, Number.isNaN(Date.parse(fact.time))]).toEqual(["number", false]);
      expect(fact.trace).toMatch(/^[0-9a-f]{32}$/);
    }
    const answered = lines.map(
      (line) => line.includes("/api/runs") && line.includes("answered") && JSON.parse(line),
    );
    expect(answered.filter(Boolean)).toMatchObject([{ trace: TRACE }]);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}, 120_000);

it("[K79] a print is one trace: the request at the hub, the job at its node, the printing at its device", async () => {
  await using a = await startFast();
  await untilIdle(a);
  const order = { printer: "sim", name: "traced", gcode: markedPart("traced") };
  const { body } = await a.api("POST", "/api/fabrication/jobs", order, {
    "x-request-id": "req-of-the-print",
  });
  await confirm(a, body.confirmation);
  await untilEnded(a, body.job.id);
  const spans = await until("the span of the printer", async () => {
    const reply = await a.api("GET", "/api/traces/req-of-the-print");
    return reply.body.spans?.some((span: Json) => span.service === "device") && reply.body.spans;
  });
  const of = (service: string): Json => spans.find((span: Json) => span.service === service);
  expect(spans.map(({ name }: Json) => name)).toContain("POST /api/fabrication/jobs");
  expect(of("node")).toMatchObject({ name: "print", attributes: { job: body.job.id } });
  expect(of("device")).toMatchObject({ name: "printing", attributes: { printer: "sim" } });
  expect(of("device").tookMs).toBeLessThanOrEqual(of("node").tookMs);
  const listed = await a.api("GET", "/api/traces");
  expect(listed.body.traces.find((one: Json) => one.services.length === 3)).toMatchObject({
    errors: 0,
  });
}, 120_000);
