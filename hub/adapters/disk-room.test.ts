import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { fillDisk, mayMount, mountDisk, unmountDisk } from "../../tests/support/small-disk.ts";
import { BALLAST_BYTES, isRefusedWhenLow, judgeRoom, openDiskRoom } from "./disk-room.ts";

const MIB = 1_048_576;

const withFolder = async (use: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-room-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
};

describe("the verdict on the room", () => {
  it.each([
    // before, total, free, ballast there: state, ballast          (MiB, ballast of 64)
    ["ok", 1_000, 500, true, "ok", "keep"],
    ["ok", 1_000, 500, false, "ok", "make"],
    ["ok", 1_000, 64, true, "ok", "keep"],
    ["ok", 1_000, 63, true, "low", "keep"],
    ["ok", 1_000, 127, false, "low", "keep"],
    ["ok", 1_000, 128, false, "ok", "make"],
    ["low", 1_000, 95, true, "low", "keep"],
    ["low", 1_000, 96, true, "ok", "keep"],
    ["low", 1_000, 159, false, "low", "keep"],
    ["low", 1_000, 160, false, "ok", "make"],
    ["low", 1_000, 3, true, "low", "release"],
    ["ok", 1_000, 0, true, "low", "release"],
    ["low", 1_000, 0, false, "low", "keep"],
    ["ok", 100_000, 5_001, true, "ok", "keep"],
    ["ok", 100_000, 5_000, true, "low", "keep"],
    ["low", 100_000, 6_999, true, "low", "keep"],
    ["low", 100_000, 7_001, true, "ok", "keep"],
  ] as const)(
    "from %s, %i MiB with %i free, ballast %s: %s, %s",
    (before, total, free, is, ...to) => {
      const room = { totalBytes: total * MIB, freeBytes: free * MIB, isBallastThere: is };
      const { state, ballast } = judgeRoom(before, room, BALLAST_BYTES);
      expect([state, ballast]).toEqual(to);
    },
  );

  it("refuses what begins something, never what ends, deletes or stops", () => {
    expect((["flagSet", "jobAdded", "printSubmitted"] as const).every(isRefusedWhenLow)).toBe(true);
    const passing = ["flagDeleted", "jobCancelled", "emergencyStopped", "printReported"] as const;
    expect(passing.some(isRefusedWhenLow)).toBe(false);
  });
});

describe("the watch of the room", () => {
  it("makes the ballast of real blocks, gives it up when full, and makes it again", () =>
    withFolder(async (folder) => {
      const ballastPath = join(folder, "ballast");
      const states: string[] = [];
      let freeMiB = 900;
      const options = { ballastPath, ballastBytes: 8 * MIB, clock: systemClock, log: silentLogger };
      const room = await openDiskRoom(folder, {
        ...options,
        onState: (state) => states.push(state),
        measure: async () => ({ totalBytes: 1_000 * MIB, freeBytes: freeMiB * MIB }),
      });
      const made = await stat(ballastPath);
      expect(made.size).toBe(8 * MIB);
      expect(made.blocks * 512).toBeGreaterThanOrEqual(8 * MIB);
      freeMiB = 7;
      expect(await room.look()).toBe("low");
      expect(room.room().isBallastThere).toBe(true);
      await room.ranFull();
      await expect(stat(ballastPath)).rejects.toThrow(/ENOENT/);
      freeMiB = 15;
      expect(await room.look()).toBe("low");
      expect(room.room().isBallastThere).toBe(false);
      freeMiB = 900;
      expect(await room.look()).toBe("ok");
      expect(room.room().isBallastThere).toBe(true);
      expect(states).toEqual(["low", "ok"]);
      await room.close();
    }));

  it("goes on when the room cannot be measured for a while", () =>
    withFolder(async (folder) => {
      let isBroken = false;
      const room = await openDiskRoom(folder, {
        ballastPath: join(folder, "ballast"),
        ballastBytes: MIB,
        clock: systemClock,
        log: silentLogger,
        measure: () =>
          isBroken
            ? Promise.reject(new Error("no such device"))
            : Promise.resolve({ totalBytes: 1_000 * MIB, freeBytes: 900 * MIB }),
      });
      isBroken = true;
      expect(await room.look()).toBe("ok");
      await room.close();
    }));
});

it.skipIf(!mayMount())("gives a truly full disk its ballast, and takes it back with room", () =>
  withFolder(async (folder) => {
    mountDisk(folder, 32);
    try {
      const room = await openDiskRoom(folder, {
        ballastPath: join(folder, "ballast"),
        ballastBytes: 6 * MIB,
        clock: systemClock,
        log: silentLogger,
      });
      expect(room.state()).toBe("ok");
      expect(room.room().isBallastThere).toBe(true);
      const filled = fillDisk(join(folder, "filler"));
      expect(filled).toBeLessThanOrEqual(26 * MIB);
      expect(await room.look()).toBe("low");
      expect(room.room().isBallastThere).toBe(false);
      expect(fillDisk(join(folder, "what deletes need"))).toBeGreaterThanOrEqual(5 * MIB);
      await rm(join(folder, "filler"));
      await rm(join(folder, "what deletes need"));
      expect(await room.look()).toBe("ok");
      expect((await stat(join(folder, "ballast"))).size).toBe(6 * MIB);
      await room.close();
    } finally {
      unmountDisk(folder);
    }
  }),
);
