// A real bridge process, its socket, and a printer on the network that is named as a person names it.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { makeFilePrinter } from "../simulator/network/file-printer.ts";
import { openSimulatedMoonraker } from "../simulator/network/moonraker.ts";
import { connectAgent, until } from "./rig.ts";

const KEY = "key-hunter2";
const LAUNCHER = join(import.meta.dirname, "../bin/bridge.js");

async function ended(bridge: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exited = new Promise((resolve) => bridge.once("exit", resolve));
  bridge.kill(signal);
  await exited;
}

it("[K69] prints on a Moonraker to 100 %, through SIGKILL of the bridge in the middle, once", async () => {
  const dir = mkdtempSync(join(tmpdir(), "gantry-net-"));
  const printer = makeFilePrinter();
  const device = await openSimulatedMoonraker(printer, KEY);
  writeFileSync(join(dir, "voron.key"), `${KEY}\n`, { mode: 0o600 });
  const start = (): ChildProcess =>
    spawn(process.execPath, [LAUNCHER], {
      env: {
        GANTRY_DATA_DIR: dir,
        CREDENTIALS_DIRECTORY: dir,
        GANTRY_PRINTERS: `voron=moonraker:${device.address}?keyFile=voron.key&nozzle=300`,
        GANTRY_LOG_LEVEL: "debug",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
  let said = "";
  const hear = (child: ChildProcess): ChildProcess => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (text: Buffer) => (said += text.toString()));
    }
    return child;
  };
  const socket = join(dir, "bridge", "bridge.sock");
  let requests = 0;
  const connect = () => connectAgent(socket, () => `r${(requests += 1)}`);

  const first = hear(start());
  const agent = await connect();
  expect(await agent.phase("idle")).toMatchObject({
    id: "voron",
    driver: "moonraker",
    isSimulated: true,
    nozzleMaxC: 300,
  });
  const text = "G28\nG1 X10 Y10 F3000\n";
  const path = join(dir, "part.gcode");
  writeFileSync(path, text);
  const order = {
    type: "start",
    id: "",
    printer: "voron",
    job: "prt_1",
    token: 7,
    path,
    sha256: sha256(text),
    sizeBytes: text.length,
  } as const;
  expect(await agent.ask(order)).toMatchObject({ type: "accepted" });
  await agent.job("prt_1", "started");
  await until("the print", () => (printer.starts.length > 0 ? true : undefined));
  agent.close();
  await ended(first, "SIGKILL");

  const second = hear(start());
  const later = await connect();
  await later.phase("printing");
  expect(await later.ask(order)).toMatchObject({
    type: "accepted",
    note: expect.stringContaining("not started again"),
  });
  printer.advance(0.6);
  await until("the progress", () => ((later.printer()?.progress ?? 0) >= 0.6 ? true : undefined));
  printer.finish();
  expect(await later.job("prt_1", "done")).toMatchObject({
    progress: 1,
    startedCount: 1,
    token: 7,
  });
  expect(printer.starts).toHaveLength(1);
  later.close();
  await ended(second, "SIGTERM");
  expect(said).toContain("printer connected");
  expect(said + readFileSync(join(dir, "bridge", "journal"), "utf8")).not.toContain(KEY);
  await device.close();
  rmSync(dir, { recursive: true, force: true });
});
