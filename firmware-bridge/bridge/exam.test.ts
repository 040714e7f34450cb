// The exam that every printer driver passes: the same questions for each, against a simulated device
// with faults. What may differ is in the table of each examinee: who holds the file prints on when the
// line to it is lost, who is fed line by line does not.

import { describe, expect, it } from "vitest";
import {
  type End,
  type Examinee,
  makeExamRig,
  PRINTER,
  type Rig,
  until,
} from "./exam.test.support.ts";
import { EXAMINEES } from "./examinees.test.support.ts";

const fenced = (job: string, token = 1) => ({ id: "2", printer: PRINTER, job, token });

async function ready(examinee: Examinee): Promise<Rig> {
  const rig = await makeExamRig(examinee);
  await rig.phase("idle");
  return rig;
}

async function printing(rig: Rig, job = "j1"): Promise<void> {
  expect(await rig.port().start(rig.order(job))).toBeUndefined();
  await until("the print to begin", () => rig.device.isUnderWay());
  await rig.phase("printing");
}

/** What must hold after anything: started at most once, told once, and no secret said. */
function expectOrder(rig: Rig, { secrets }: Examinee): void {
  expect(rig.device.begins()).toBeLessThanOrEqual(1);
  const ends = rig.told.filter(({ phase }) => !["started", "paused", "resumed"].includes(phase));
  expect(new Set(ends.map(({ job, phase }) => `${job} ${phase}`)).size).toBeLessThanOrEqual(1);
  const said = JSON.stringify([rig.logged, rig.told, rig.port().printer()]);
  for (const secret of secrets) expect(said).not.toContain(secret);
}

// Each test has a rig of its own; most of their time is waiting.
describe.concurrent.each(EXAMINEES)("$driver", (examinee) => {
  const { ends } = examinee;

  it("[K69] prints a file to 100 %: once, told started and done, on record", async () => {
    await using rig = await ready(examinee);
    await printing(rig);
    expect(rig.port().printer()).toMatchObject({
      driver: examinee.driver,
      job: "j1",
      isSimulated: true,
    });
    rig.device.finish();
    expect(await rig.job("j1", "done")).toMatchObject({ progress: 1, startedCount: 1, token: 1 });
    expect(rig.row("j1")).toMatchObject({ phase: "done" });
    expect(rig.told[0]?.phase).toBe("started");
    expect(rig.device.begins()).toBe(1);
    await rig.phase("idle");
    expectOrder(rig, examinee);
  });

  it("has `started` on the disk before the command leaves (PP1)", async () => {
    await using rig = await ready(examinee);
    const begunBefore: number[] = [];
    rig.onPut = async ({ phase }) => {
      if (phase !== "started") return;
      await new Promise((resolve) => setTimeout(resolve, 50)); // a slow disk
      begunBefore.push(rig.device.begins());
    };
    await printing(rig);
    expect(begunBefore).toEqual([0]);
  });

  it("pauses, resumes and cancels, and tells each", async () => {
    await using rig = await ready(examinee);
    await printing(rig);
    await rig.port().control({ type: "pause", ...fenced("j1") });
    await rig.job("j1", "paused");
    await rig.phase("paused");
    await rig.port().control({ type: "resume", ...fenced("j1") });
    await rig.job("j1", "resumed");
    await rig.phase("printing");
    await rig.port().control({ type: "cancel", ...fenced("j1") });
    expect(await rig.job("j1", "cancelled")).toMatchObject({ startedCount: 1 });
    await rig.phase("idle");
    expectOrder(rig, examinee);
  });

  it("never starts a job twice, refuses an older token and a second job", async () => {
    await using rig = await ready(examinee);
    const order = rig.order("j1", 5);
    const port = rig.port();
    await Promise.all([port.start(order), port.start(order)]);
    await until("the print to begin", () => rig.device.begins() > 0);
    expect(await port.start(order)).toContain("not started again");
    await expect(port.start(rig.order("j0", 4))).rejects.toMatchObject({ code: "stale_token" });
    await expect(port.control({ type: "cancel", ...fenced("j1", 4) })).rejects.toMatchObject({
      code: "stale_token",
    });
    await expect(port.start(rig.order("j2", 6))).rejects.toMatchObject({ code: "conflict" });
    rig.device.finish();
    await rig.job("j1", "done");
    expect(await port.start(order)).toContain("done");
    expectOrder(rig, examinee);
  });

  it("begins nothing of a file that is not the promised one, or not fit", async () => {
    await using rig = await ready(examinee);
    await rig.port().start({ ...rig.order("wrong"), sha256: "0".repeat(64) });
    expect(await rig.job("wrong", "failed")).toMatchObject({
      startedCount: 0,
      error: { code: "checksum_mismatch" },
    });
    const unfit = examinee.unfit ?? { lines: ["M104 S400", "M104 S0"], code: "gcode_too_hot" };
    await rig.port().start(rig.order("hot", 1, unfit.lines));
    expect(await rig.job("hot", "failed")).toMatchObject({
      startedCount: 0,
      error: { code: unfit.code },
    });
    expect(rig.device.begins()).toBe(0);
  });

  it("stops in an emergency, stays stopped until a person resets it, and is used again", async () => {
    await using rig = await ready(examinee);
    await printing(rig);
    rig.port().stop();
    expect(rig.port().printer().phase).toBe("stopped");
    await until("the printer to halt", () => rig.device.isHalted());
    expect(await rig.job("j1", "failed")).toMatchObject({ error: { message: "Emergency stop" } });
    await expect(rig.port().start(rig.order("j2", 2))).rejects.toMatchObject({
      code: "device_fault",
    });
    expect(rig.port().reset()).toBeUndefined();
    await rig.phase("idle");
    expectOrder(rig, examinee);
  });

  const FAULTS: readonly (readonly [string, End, (rig: Rig) => Promise<void> | void])[] = [
    ["the line breaks in the middle", ends.disconnect, (rig) => rig.device.disconnect()],
    [
      "it hangs in the middle",
      ends.hang,
      async (rig) => {
        rig.device.hang(true);
        await until("it to be seen", () => rig.phases.at(-1) !== "printing");
        rig.device.hang(false);
        rig.device.disconnect();
      },
    ],
    ["it says noise", ends.garble, (rig) => rig.device.garble()],
    ["the print fails", ends.failPrint, (rig) => rig.device.failPrint()],
    ["it restarts", ends.restart, (rig) => rig.device.restart()],
    ["it says everything twice", "done", (rig) => rig.device.repeatItself()],
    ["the bridge dies in the middle", ends.crash, (rig) => rig.crash()],
    [
      "the bridge dies twice, the line breaks between",
      ends.crash,
      async (rig) => {
        await rig.crash();
        rig.device.disconnect();
        await rig.crash();
      },
    ],
  ];

  it.each(FAULTS)("when %s: %s, started once, said once", async (_what, end, fault) => {
    await using rig = await ready(examinee);
    await printing(rig);
    await fault(rig);
    rig.device.finish();
    expect(await rig.job("j1", end)).toMatchObject({ startedCount: 1 });
    expect(rig.device.begins()).toBe(1);
    expect(await rig.port().start(rig.order("j1"))).toContain("not started again");
    expectOrder(rig, examinee);
  });

  it("the answer to the start is lost: it is not sent again, and what the printer shows counts", async () => {
    await using rig = await ready(examinee);
    rig.onPut = ({ phase }) => {
      if (phase === "started") rig.device.loseNextAnswer();
    };
    await printing(rig);
    rig.device.finish();
    await rig.job("j1", ends.lostAnswer);
    expect(rig.device.begins()).toBe(1);
    expectOrder(rig, examinee);
  });

  it("the start is refused: nothing is begun twice, and the end says why", async () => {
    await using rig = await ready(examinee);
    rig.onPut = ({ phase }) => {
      if (phase === "started") rig.device.refuseNext();
    };
    await rig.port().start(rig.order("j1"));
    rig.device.finish();
    const { phase, error } = await rig.job("j1", ends.refuse);
    expect(error?.code).toBe(phase === "failed" ? "device_fault" : undefined);
    expectOrder(rig, examinee);
  });

  it("a bridge that dies between the journal and the command leaves it to a person (PP1)", async () => {
    await using rig = await ready(examinee);
    let isWritten = false;
    rig.onPut = ({ phase }) => {
      if (phase === "started") [isWritten] = [true, rig.device.hang(true)];
    };
    await rig.port().start(rig.order("j1"));
    await until("the row", () => isWritten && rig.row("j1")?.phase === "started");
    await rig.crash();
    rig.device.hang(false);
    rig.device.disconnect();
    expect(await rig.job("j1", "interrupted")).toMatchObject({ startedCount: 1 });
    await rig.phase("idle");
    expectOrder(rig, examinee);
  });

  it("hangs without delaying another printer (PP2)", async () => {
    await using hung = await ready(examinee);
    await using well = await ready(examinee);
    hung.device.hang(true);
    await printing(well);
    well.device.finish();
    await well.job("j1", "done");
    await until("the hung one to be seen", () => hung.phases.includes("offline"));
  });
});
