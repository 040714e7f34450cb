import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { expect, it } from "vitest";
import { simulatorFiles } from "../simulator/files.ts";
import { makeMarlinDecoder } from "../protocols/marlin-codec.ts";
import { openSerial } from "./serial.ts";
import { ensureSimulator } from "./sim-process.ts";

const nothing = (): void => undefined;

// serialport needs a process of its own (SP2): vitest's default pool, forks, gives it one.
it(
  "delivers bytes although the event loop has nothing else to do (SP1)",
  { timeout: 20_000 },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "gantry-serial-"));
    const never = new AbortController().signal;
    const path = await ensureSimulator(
      dir,
      "a",
      "speed=50&baud=0&exitWhenIdleS=5",
      systemClock,
      never,
    );
    const decoder = makeMarlinDecoder();
    let onOk = nothing;
    let hasStarted = nothing;
    const started = new Promise<void>((resolve) => (hasStarted = resolve));
    const cable = await openSerial(path, 115_200, {
      onBytes(bytes) {
        for (const { kind } of decoder.push(bytes)) {
          if (kind === "ok") onOk();
          if (kind === "start") hasStarted();
        }
      },
      onClosed: nothing,
    });
    await started;
    const tripsMs: number[] = [];
    for (let trip = 0; trip < 50; trip += 1) {
      const atMs = performance.now();
      const answered = new Promise<void>((resolve) => (onOk = resolve));
      cable.write("M105\n");
      await answered;
      tripsMs.push(performance.now() - atMs);
    }
    await cable.close();
    process.kill(Number(readFileSync(simulatorFiles(dir, "a").pid, "utf8")), "SIGTERM");
    rmSync(dir, { recursive: true, force: true });
    const medianMs = tripsMs.toSorted((a, b) => a - b)[25] ?? Infinity;
    // Without the hook each answer waits for the next timer: 500 ms and more.
    expect(medianMs).toBeLessThan(50);
  },
);

it("says which port cannot be opened", async () => {
  const events = { onBytes: nothing, onClosed: nothing };
  await expect(openSerial("/dev/none", 115_200, events)).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringContaining("/dev/none"),
  });
});
