import { getRequestListener } from "@hono/node-server";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeEgress } from "../adapters/egress.ts";
import { makePinnedFetch } from "../adapters/pinned-fetch.ts";
import { eventually } from "../http/testing/rig.ts";
import { makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeForeignServers } from "./foreign-servers.ts";
import { readServers, type ServerConfig } from "./servers-config.ts";
import { makeMcpSessions } from "./sessions.ts";
import { fixtureOffer } from "./testing/fixtures.ts";
import { runConformance } from "./testing/suite.ts";

const SECRET = "canary-7f3a9b";
const NODE = join(import.meta.dirname, "../../node_modules/.bin/node");
const odd: ServerConfig = {
  name: "odd",
  command: NODE,
  args: [
    "--disable-warning=ExperimentalWarning",
    join(import.meta.dirname, "testing/odd-server.ts"),
  ],
  env: { ODD_TOKEN: SECRET },
};

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function makeScene(servers: readonly ServerConfig[], allow: readonly string[] = []) {
  const fake = makeFakeHub();
  const lines: string[] = [];
  const write = (fields: object, text: string): void =>
    void lines.push(JSON.stringify({ fields, text }));
  const log = { error: write, warn: write, info: write, debug: write };
  const hub = { ...fake.hub, clock: systemClock, log };
  const fetch = makePinnedFetch(makeEgress(allow), 1_000_000);
  const foreign = makeForeignServers({ hub, servers, fetch, version: "0.1.0" });
  const end = new AbortController();
  const running = foreign.run(end.signal);
  ends.push(async () => {
    end.abort(new GantryError("stopping", "the test is over"));
    await running;
  });
  const stateOf = (name: string) => foreign.states().find((one) => one.name === name);
  const toolOf = (name: string) => stateOf("odd")?.tools.find((one) => one.name === name);
  const approve = (tool: string): void => {
    const sha256 = toolOf(tool)?.sha256 ?? "";
    fake.rig.act({ type: "toolApproved", server: "odd", tool, sha256, hazardClass: "low" });
  };
  const offered = (): string[] => foreign.offered().map(({ name }) => name);
  return { ...fake, foreign, lines, stateOf, toolOf, approve, offered, signal: end.signal };
}

describe("tools of another server", { timeout: 60_000 }, () => {
  it("are offered as a person agreed to them, and not a word otherwise (FS1)", async () => {
    const scene = makeScene([odd]);
    await eventually(() => scene.stateOf("odd")?.state === "online");
    expect(scene.offered()).toEqual([]);
    expect(scene.stateOf("odd")?.tools.map(({ name }) => name)).not.toContain("huge"); // CM1
    scene.approve("echo");
    scene.approve("turn");
    expect(scene.offered()).toEqual(["odd.echo", "odd.turn"]);
    expect(await scene.foreign.call("odd.echo", { text: "hello" }, scene.signal)).toBe(
      "hello [secret]",
    ); // CM3

    await scene.foreign.call("odd.turn", {}, scene.signal);
    await eventually(() => !scene.offered().includes("odd.echo"));
    await expect(scene.foreign.call("odd.echo", {}, scene.signal)).rejects.toMatchObject({
      code: "forbidden",
    });
    scene.approve("echo");
    expect(scene.offered()).toContain("odd.echo");
    scene.rig.act({ type: "toolForgotten", server: "odd" });
    expect(scene.offered()).toEqual([]);
    expect(JSON.stringify([scene.lines, scene.foreign.states()])).not.toContain(SECRET);
  });

  it("are lost with their server: what was sent is outcome_unknown, and it is begun again (CM2)", async () => {
    const scene = makeScene([odd]);
    await eventually(() => scene.stateOf("odd")?.state === "online");
    for (const tool of ["die", "echo"]) scene.approve(tool);
    await expect(scene.foreign.call("odd.die", {}, scene.signal)).rejects.toMatchObject({
      code: "outcome_unknown",
    });
    await eventually(() => scene.offered().includes("odd.echo"));
    expect(await scene.foreign.call("odd.echo", { text: "again" }, scene.signal)).toContain(
      "again",
    );
  });

  it("are given up when the caller gives up", async () => {
    const scene = makeScene([odd]);
    await eventually(() => scene.stateOf("odd")?.state === "online");
    scene.approve("wait");
    const end = new AbortController();
    const call = scene.foreign.call("odd.wait", {}, end.signal);
    end.abort(new GantryError("cancelled", "enough"));
    await expect(call).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("a server behind HTTP", { timeout: 60_000 }, () => {
  it("is reached only where GANTRY_EGRESS_ALLOW lets it", async () => {
    const seen: (string | null)[] = [];
    const sessions = makeMcpSessions({ offerFor: fixtureOffer, version: "0.1.0" });
    const listener = getRequestListener((request) => {
      seen.push(request.headers.get("authorization"));
      return sessions.handle(request, "anybody");
    });
    const server = createServer((request, response) => void listener(request, response));
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    ends.push(async () => {
      await sessions.close();
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/mcp`;
    const config = { name: "web", url, headers: { authorization: `Bearer ${SECRET}` } };

    const shut = makeScene([config]);
    await eventually(() => shut.stateOf("web")?.error?.includes("GANTRY_EGRESS_ALLOW") === true);
    expect(seen).toEqual([]);
    const open = makeScene([config], [`127.0.0.1:${port}`]);
    await eventually(() => open.stateOf("web")?.state === "online");
    expect(seen[0]).toBe(`Bearer ${SECRET}`);
    const tool = open.stateOf("web")?.tools.find(({ name }) => name === "test_simple_text");
    open.rig.act({
      type: "toolApproved",
      server: "web",
      tool: "test_simple_text",
      sha256: tool?.sha256 ?? "",
      hazardClass: "none",
    });
    expect(await open.foreign.call("web.test_simple_text", {}, open.signal)).toBe(
      "This is a simple text response for testing.",
    );
    expect(JSON.stringify([shut.lines, open.lines])).not.toContain(SECRET);
  });
});

it.each(["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"])(
  "the published suite's client scenario %s passes",
  { timeout: 120_000 },
  async (scenario) => {
    const script = join(import.meta.dirname, "testing/conformance-client.ts");
    const command = `${NODE} --disable-warning=ExperimentalWarning ${script}`;
    const { checks, output } = await runConformance([
      "client",
      "--command",
      command,
      "--scenario",
      scenario,
    ]);
    const notPassed = checks.filter(({ status }) => status !== "SUCCESS");
    expect([output.slice(-500), checks.length > 0, notPassed]).toEqual([
      expect.any(String),
      true,
      [],
    ]);
  },
);

it("the configuration of servers is refused by its place, never by its secrets", () => {
  expect(readServers(undefined)).toEqual([]);
  const bad = [
    "{",
    JSON.stringify({ a: { command: "ls", env: { T: SECRET } } }),
    JSON.stringify({ "A B": { url: "https://x/", headers: { t: SECRET } } }),
    JSON.stringify({ a: { url: "ftp://x/", headers: { t: SECRET } } }),
    JSON.stringify({ a: { url: "https://x/", command: "/bin/ls", env: { T: SECRET } } }),
  ];
  for (const text of bad) {
    const error = ((): unknown => {
      try {
        return readServers(text);
      } catch (cause) {
        return cause;
      }
    })();
    expect(error).toMatchObject({ code: "bad_config" });
    expect(String(error)).not.toContain(SECRET);
  }
});
