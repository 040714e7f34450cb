// What ansible makes of an inventory of three hubs, without a machine: the settings that it would write,
// read by the hub's own reader; and the playbooks as text.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { addressesIn } from "@gantry/shared/client/hubs.ts";
import { readHubConfig } from "@gantry/shared/contract/config.ts";
import { originOf } from "../../hub/cluster/bootstrap.ts";

const root = join(import.meta.dirname, "..", "..");
const ansible = join(root, "ansible");
const hasAnsible = existsSync("/usr/bin/ansible-playbook");

const run = (args: readonly string[]) =>
  spawnSync("ansible-playbook", [...args], {
    cwd: ansible,
    encoding: "utf8",
    env: { ...process.env, ANSIBLE_LOCALHOST_WARNING: "0", ANSIBLE_NOCOLOR: "1" },
  });

type Settings = Readonly<Record<string, string>>;

const settingsIn = (path: string): Settings =>
  Object.fromEntries(
    readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );

/** hub.env and client.env of each host of an inventory, as the role's templates give them. */
function render(inventory: string): Readonly<Record<string, { hub: Settings; client: Settings }>> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-ansible-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const role = join(ansible, "roles", "gantry_hub");
  const play = {
    hosts: "hubs",
    gather_facts: false,
    connection: "local",
    // Defaults go below the inventory, which vars_files would not: so they are a role's here, too.
    roles: [{ role: "rendered" }],
  };
  const fixture = join(folder, "roles", "rendered");
  for (const part of ["defaults", "vars"]) {
    const target = join(fixture, part);
    spawnSync("mkdir", ["-p", target]);
    writeFileSync(join(target, "main.yml"), readFileSync(join(role, part, "main.yml")));
  }
  spawnSync("mkdir", ["-p", join(fixture, "tasks")]);
  const tasks = ["environment", "client"].map((name) => ({
    name,
    "ansible.builtin.template": {
      src: join(role, "templates", `${name}.j2`),
      dest: join(folder, `{{ inventory_hostname }}.${name}`),
      mode: "0600",
    },
  }));
  writeFileSync(join(fixture, "tasks", "main.yml"), JSON.stringify(tasks));
  writeFileSync(join(folder, "play.yml"), JSON.stringify([play]));
  writeFileSync(join(folder, "inventory.yml"), inventory);
  const { status, stdout, stderr } = run([
    "-i",
    join(folder, "inventory.yml"),
    "-e",
    "vault_gantry_token=t vault_gantry_cluster_secret=s",
    join(folder, "play.yml"),
  ]);
  expect([status, stderr, status === 0 ? "" : stdout]).toEqual([0, "", ""]);
  const hosts = [...new Set(stdout.match(/hub\d(?=\s+: ok)/g) ?? [])];
  return Object.fromEntries(
    hosts.map((host) => [
      host,
      {
        hub: settingsIn(join(folder, `${host}.environment`)),
        client: settingsIn(join(folder, `${host}.client`)),
      },
    ]),
  );
}

describe.skipIf(!hasAnsible)("the installation of three hubs", { timeout: 60_000 }, () => {
  const example = readFileSync(join(ansible, "inventory.example.yml"), "utf8");

  it("gives each hub its id, the others as peers, and addresses that fit", () => {
    const made = render(example);
    expect(Object.keys(made)).toEqual(["hub1", "hub2", "hub3"]);
    expect(made["hub2"]?.hub).toMatchObject({
      GANTRY_HUB_ID: "hub-2",
      GANTRY_HTTP_HOST: "192.168.10.3",
      GANTRY_PEERS: "hub-1=tcp://192.168.10.2:7700,hub-3=tcp://192.168.10.4:7700",
      GANTRY_PEER_BIND: "tcp://192.168.10.3:7700",
      GANTRY_AGENT_BIND: "tcp://192.168.10.3:7701",
    });
    for (const { hub, client } of Object.values(made)) {
      const config = readHubConfig({ ...hub, GANTRY_CLUSTER_SECRET: "s".repeat(32) }, () => "");
      const { hubId, peers, witnesses, clusterSecret: secret } = config;
      const facts = { hubId, peers, witnesses, secret, code: undefined };
      expect(originOf(facts).kind).toBe("founding");
      const places = addressesIn(client["GANTRY_HTTP_HOST"] ?? "", "https", 8080);
      expect(places).toHaveLength(3);
      expect(places[0]).toBe(`https://${hub["GANTRY_HTTP_HOST"]}:8080`);
    }
  });

  it("names a witness to all hubs, and never as a place for people", () => {
    const made = render(
      example.replace(
        "gantry_hub_id: hub-3",
        "gantry_hub_id: hub-3\n      gantry_hub_is_witness: true",
      ),
    );
    for (const host of ["hub1", "hub2", "hub3"]) {
      expect(made[host]?.hub["GANTRY_WITNESSES"]).toBe("hub-3");
    }
    expect(made["hub1"]?.client["GANTRY_HTTP_HOST"]).toBe("192.168.10.2,192.168.10.3");
  });

  it("asks one hub for nothing", () => {
    const made = render("hubs:\n  hosts:\n    hub1:\n      ansible_connection: local\n");
    expect(made["hub1"]?.hub).toEqual({ GANTRY_HUB_ID: "hub-1" });
    expect(made["hub1"]?.client["GANTRY_HTTP_HOST"]).toBe("127.0.0.1");
  });

  it.each(["site.yml", "rollback.yml", "restart.yml"])("%s can be read by ansible", (playbook) => {
    const { status } = run(["--syntax-check", "-i", "inventory.example.yml", playbook]);
    expect(status).toBe(0);
  });
});

const text = (name: string): string => readFileSync(join(ansible, name), "utf8");

describe("the playbooks", () => {
  it("take one running hub at a time, and only when the others are well", () => {
    const tasks = "roles/gantry_hub/tasks";
    for (const [playbook, file] of [
      ["site.yml", "site.yml"],
      ["rollback.yml", `${tasks}/rollback.yml`],
      ["restart.yml", `${tasks}/restart.yml`],
    ] as const) {
      expect(text(playbook)).toMatch(/serial: 1\n {2}max_fail_percentage: 0/);
      expect(text(file)).toContain("leave.yml");
      expect(text(file) + text(playbook)).toContain("level.yml");
    }
    // A change of settings restarts with the same care.
    expect(text("roles/gantry_hub/handlers/main.yml")).toContain("restart.yml");
  });

  it("use no command of gantry that there is not", () => {
    const catalogue = readFileSync(join(root, "node-agent/cli/catalogue.ts"), "utf8");
    const tasks = ["leave", "level"].map((name) =>
      readFileSync(join(ansible, "roles/gantry_hub/tasks", `${name}.yml`), "utf8"),
    );
    const verbs = tasks.flatMap((task) =>
      [...task.matchAll(/bin\/gantry, cluster, (\w+)/g)].map(([, verb = ""]) => verb),
    );
    expect(new Set(verbs)).toEqual(new Set(["status", "transfer"]));
    const words = /cluster: \{[^}]*words: \[([^\]]*)\]/.exec(catalogue)?.[1] ?? "";
    for (const verb of verbs) expect(words).toContain(`"${verb}"`);
  });
});
