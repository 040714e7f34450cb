import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openServiceManager } from "./service-manager.ts";

const canLoad = spawnSync("sh", [
  "-c",
  "ldconfig -p | grep -q libsystemd.so.0 && command -v python3",
]);

describe("telling systemd", () => {
  it("SM3: is silent and loads nothing without it", () => {
    const load = vi.fn<() => () => void>();
    const manager = openServiceManager({ WATCHDOG_USEC: "1000000" }, load);
    manager.ready();
    manager.stopping();
    expect(load).not.toHaveBeenCalled();
  });

  it("SM1: takes the variables away from everything that is started later", () => {
    const env = { NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "1", WATCHDOG_PID: "1", PATH: "/bin" };
    openServiceManager(env, () => () => undefined);
    expect(env).toEqual({ PATH: "/bin" });
  });

  it("SM2: tells life four times within the watchdog's time, from when it is ready", () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const told: string[] = [];
    const env = {
      NOTIFY_SOCKET: "/run/n",
      WATCHDOG_USEC: "8000000",
      WATCHDOG_PID: `${process.pid}`,
    };
    const manager = openServiceManager(env, () => (state) => void told.push(state));
    vi.advanceTimersByTime(10_000);
    expect(told).toEqual([]);
    manager.ready();
    vi.advanceTimersByTime(8_000);
    expect(told).toEqual(["READY=1", ...Array.from({ length: 4 }, () => "WATCHDOG=1")]);
    manager.stopping();
    expect(told.at(-1)).toBe("STOPPING=1");
  });

  it("leaves a watchdog that is meant for another process alone", () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const told: string[] = [];
    const env = { NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" };
    openServiceManager(env, () => (state) => void told.push(state)).ready();
    vi.advanceTimersByTime(5_000);
    expect(told).toEqual(["READY=1"]);
  });

  it.skipIf(canLoad.status !== 0)("reaches the socket through libsystemd", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gantry-notify-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "notify");
    const listen = `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("${path}"); print("bound", flush=True)
while True: print(s.recv(999).decode(), flush=True)`;
    const listener = spawn("python3", ["-c", listen], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void listener.kill("SIGKILL"));
    let heard = "";
    listener.stdout.setEncoding("utf8").on("data", (text: string) => (heard += text));
    await once(listener.stdout, "data");
    const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: path };
    const manager = openServiceManager(env);
    manager.ready();
    manager.stopping();
    await vi.waitFor(() => expect(heard).toBe("bound\nREADY=1\nSTOPPING=1\n"), 10_000);
    expect(spawnSync("sh", ["-c", "echo $NOTIFY_SOCKET"]).stdout.toString()).toBe("\n");
  });
});
