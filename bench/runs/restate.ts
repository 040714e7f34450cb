// Restate beside ours: its server, and a service with a handler of three durable steps in a process of
// its own. It is no dependency of the product: both are loaded from the folder that the caller names.

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, until } from "../../tests/support/appliance.ts";

export interface Restate extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly servicePid: number;
}

/** As its package has it, with as many partitions as suit two cores best (4 by our measurements). */
export async function startRestate(folder: string): Promise<Restate> {
  const base = await mkdtemp(join(tmpdir(), "gantry-restate-"));
  const [ingress, admin, node, service] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const program = createRequire(join(folder, "package.json")).resolve(
    "@restatedev/restate-server-linux-x64/bin/restate-server",
  );
  const server = spawn(program, ["--base-dir", base], {
    stdio: "ignore",
    env: {
      PATH: process.env["PATH"] ?? "",
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
      RESTATE_DEFAULT_NUM_PARTITIONS: "4",
      RESTATE_LOG_FILTER: "warn",
      RESTATE_DISABLE_TELEMETRY: "1",
      DO_NOT_TRACK: "1",
    },
  });
  const worker = fork(import.meta.filename, [folder, String(service)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const end = async (): Promise<void> => {
    await Promise.all([server, worker].map(killed));
    await rm(base, { recursive: true, force: true });
  };
  try {
    await once(worker, "message");
    await until(
      "Restate to know the service",
      async () => {
        const reply = await fetch(`http://127.0.0.1:${admin}/deployments`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ uri: `http://127.0.0.1:${service}` }),
        }).catch(() => undefined);
        return reply?.ok === true;
      },
      60_000,
    );
    const url = `http://127.0.0.1:${ingress}`;
    await until(
      "Restate to answer",
      async () => {
        const reply = await fetch(`${url}/bench/three`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: '"bracket"',
        }).catch(() => undefined);
        return reply?.ok === true;
      },
      60_000,
    );
    const [pid, servicePid] = [server.pid ?? -1, worker.pid ?? -1];
    return { url, pid, servicePid, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

interface Sdk {
  service(definition: object): object;
  serve(options: { readonly services: readonly object[]; readonly port: number }): unknown;
}

interface Context {
  run(name: string, step: () => Promise<unknown>): Promise<unknown>;
}

const step = async (): Promise<unknown> => ({ ok: true });

const three = async (context: Context): Promise<string> => {
  await context.run("one", step);
  await context.run("two", step);
  await context.run("three", step);
  return "done";
};

async function serve(folder: string, port: number): Promise<void> {
  const sdk = createRequire(join(folder, "package.json"))("@restatedev/restate-sdk") as Sdk; // its own declarations are not here
  await sdk.serve({ services: [sdk.service({ name: "bench", handlers: { three } })], port });
  process.send?.({});
}

if (import.meta.main) {
  const [folder = "", port = "0"] = process.argv.slice(2);
  await serve(folder, Number(port));
}
