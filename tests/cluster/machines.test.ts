// A hub and two node agents, each on a machine of its own: they join with a code, do work, and one that
// is unplugged costs the others nothing.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { until } from "../support/appliance.ts";
import { startCluster } from "../support/cluster.ts";
import { missingForHosts, startHosts } from "../support/netns.ts";
import { addAgent, type TestAgent } from "./kills.ts";

const PATIENCE_MS = 60_000;
const missing = missingForHosts();

describe.skipIf(missing !== undefined)(
  `machines of their own${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 4 * PATIENCE_MS },
  () => {
    it("[D6][A44][D10] join with a code and work; an unplugged one is left alone, and serves again after its return; one is taken away live", async () => {
      await using stack = new AsyncDisposableStack();
      const hosts = stack.use(await startHosts(3));
      const cluster = stack.use(await startCluster(1, { hosts }));
      const hub = await cluster.leader();
      const agents: TestAgent[] = [];
      for (const [place, name] of ["one", "two"].entries()) {
        const path = join(cluster.folder, `${name}.json`);
        const entry = { program: "/bin/echo", args: [name], hazard: "none", effect: "pure" };
        await writeFile(path, JSON.stringify({ who: entry }));
        const inside = (command: readonly string[]): readonly string[] =>
          hosts.inside(place + 2, command);
        const env = { GANTRY_COMMANDS: path };
        agents.push(stack.use(await addAgent(cluster, name, { inside, env })));
      }
      const stateOf = async (name: string): Promise<string | undefined> => {
        const { body } = await hub.api("GET", "/api/registry");
        const nodes: { name: string; state: string }[] = body.nodes;
        return nodes.find((node) => node.name === name)?.state;
      };
      const ask = async (): Promise<string> => {
        const { status, body } = await hub.api("POST", "/api/exec", { command: "who" });
        return status === 200 ? String(body.result.stdout).trim() : `${status} ${body.code}`;
      };
      const askMany = (count: number): Promise<string[]> =>
        Promise.all(Array.from({ length: count }, ask));

      expect(new Set(await askMany(6))).toEqual(new Set(["one", "two"]));
      await hosts.isolate(2);
      await until("one to be missed", async () => (await stateOf("one")) !== "alive", PATIENCE_MS);
      expect(new Set(await askMany(3))).toEqual(new Set(["two"]));
      expect(await stateOf("two")).toBe("alive");
      await hosts.heal();
      const isBack = async (): Promise<boolean> => (await askMany(6)).includes("one");
      await until("one to work again", isBack, 2 * PATIENCE_MS);

      await agents[1]?.kill(); // a machine is taken away while there is work
      expect(new Set(await askMany(6))).toEqual(new Set(["one"]));
    });
  },
);
