// The hub that a person's command talks to is killed in the middle: the command goes on by itself.

import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MODELS, until } from "../support/appliance.ts";
import { type ClusterHub, startCluster, type TestCluster } from "../support/cluster.ts";
import { gantry, type Gantry, startGantry } from "../support/gantry.ts";
import { partGcode } from "../support/part.ts";
import { startWorkshop } from "../support/workshop.ts";

const MODEL = join(MODELS, "stories260K.gguf");
const PATIENCE = { timeout: 240_000 };

/** The named hub first: that is the one the command talks to. */
const envOf = (cluster: TestCluster, first: ClusterHub): Readonly<Record<string, string>> => ({
  GANTRY_HTTP_HOST: [first, ...cluster.hubs.filter((hub) => hub !== first)]
    .map(({ url }) => url)
    .join(","),
  GANTRY_TOKEN: cluster.token,
});

const untilSays = (what: string, command: Gantry, fits: (out: string) => boolean): Promise<true> =>
  until(
    what,
    () => {
      if (command.child.exitCode !== null)
        throw new Error(`it ended: ${command.out()}${command.err()}`);
      return fits(command.out()) && true;
    },
    60_000,
  );

interface Line {
  readonly id?: number;
  readonly type?: string;
  readonly state?: string;
  readonly text?: string;
  readonly data?: { readonly subject?: string };
  readonly result?: { readonly output: string };
}
const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .slice(0, -1) // the last one may be half a line
    .map((line) => JSON.parse(line) as Line);

describe("a command whose hub is killed", PATIENCE, () => {
  it("[M70][C36] events: goes on at another hub, with no event missing and none twice", async () => {
    await using cluster = await startCluster(3);
    const leader = await cluster.leader();
    const others = cluster.hubs.filter((hub) => hub !== leader);
    const watching = startGantry(
      ["events", "--types", "flag.changed", "--json"],
      envOf(cluster, leader),
    );
    const wanted: string[] = [];
    const set = async (hub: ClusterHub, key: string): Promise<void> => {
      await until("the flag", async () => {
        const { status } = await hub.api("PUT", `/api/flags/${key}`, { value: 1 });
        return status === 200;
      });
      wanted.push(key);
    };
    await until("the stream to be open", async () => {
      await set(leader, `open-${wanted.length}`);
      return watching.out().includes("\n");
    });
    const from = linesOf(watching.out())[0]?.data?.subject ?? "";
    for (let turn = 0; turn < 20; turn += 1) await set(leader, `before-${turn}`);
    await leader.kill("SIGKILL");
    const [other] = others;
    if (other === undefined) throw new Error("there is no other hub");
    for (let turn = 0; turn < 20; turn += 1) await set(other, `after-${turn}`);
    await untilSays("the last event", watching, (out) => out.includes('"after-19"'));
    watching.child.kill("SIGINT");
    const { out } = await watching.ended;
    const lines = linesOf(out);
    const ids = lines.flatMap(({ id }) => id ?? []);
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
    const keys = lines.flatMap(({ data }) => data?.subject ?? []);
    expect([...new Set(keys)]).toEqual(wanted.slice(wanted.indexOf(from)));
  });

  it("[K103][C36] print: watches to the end, and the part is printed once", async () => {
    await using cluster = await startCluster(3);
    await using _workshop = await startWorkshop(cluster, {
      GANTRY_PRINTERS: "sim=sim:?speed=12&heat=20",
    });
    const file = join(cluster.folder, "part.gcode");
    await writeFile(file, partGcode({ layers: 10 }));
    const leader = await cluster.leader();
    const printing = startGantry(
      ["print", file, "--on", "sim", "--yes", "confirm print part on sim", "--follow", "--json"],
      envOf(cluster, leader),
    );
    await untilSays("the print to move", printing, (out) => out.includes('"state":"printing"'));
    await leader.kill("SIGKILL");
    const { code, out, err } = await printing.ended;
    expect([code, err]).toEqual([0, ""]);
    expect(linesOf(out).at(-1)).toMatchObject({ state: "done", startedCount: 1 });
  });

  it.skipIf(!existsSync(MODEL))(
    "[K103][C36] ask: the answer comes whole, and is on record once",
    async () => {
      await using cluster = await startCluster(3);
      await using _workshop = await startWorkshop(cluster, { GANTRY_LLM_MODELS: MODEL });
      const leader = await cluster.leader();
      const asking = startGantry(
        ["ask", "Once upon a time", "--conversation", "talk", "--json"],
        envOf(cluster, leader),
      );
      await untilSays("the first words", asking, (out) => out.includes('"type":"token"'));
      await leader.kill("SIGKILL");
      const { code, out, err } = await asking.ended;
      expect([code, err]).toEqual([0, ""]);
      const reply = linesOf(out).find(({ type }) => type === "reply");
      const seen = await gantry(["devices", "--json"], envOf(cluster, leader));
      expect(seen.code).toBe(0); // the first of its hubs is gone
      const [other] = cluster.hubs.filter(({ isRunning }) => isRunning);
      const { body } = (await other?.api("GET", "/api/conversations/talk")) ?? { body: undefined };
      const roles = body.messages.map(({ role }: { role: string }) => role);
      expect(roles).toEqual(["user", "assistant"]);
      expect(body.messages[1].text).toBe(reply?.result?.output);
    },
  );
});
