import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { makeReads } from "./reads.ts";

function make(answer: "taken" | "refused" = "taken") {
  const ids: number[] = [];
  const core = { answer };
  const reads = makeReads((id) => {
    ids.push(id);
    return core.answer;
  });
  return { reads, ids, core };
}

const never = new AbortController().signal;

/** What became of it so far. */
async function fateOf(waiting: Promise<void>): Promise<string> {
  const told = waiting.then(
    () => "served",
    (error: unknown) => (error instanceof GantryError ? error.code : "aborted"),
  );
  return Promise.race([told, new Promise<string>((resolve) => setImmediate(resolve, "waits"))]);
}

describe("reads of a replica", () => {
  it("serves with one round all that came while the round before it was under way", async () => {
    const { reads, ids } = make();
    const first = reads.wait(never);
    const others = [reads.wait(never), reads.wait(never)];
    expect(ids).toEqual([1]);
    reads.confirmed(1, 7);
    expect(ids).toEqual([1, 2]);
    expect(await fateOf(first)).toBe("waits");
    reads.applied(7);
    expect(await fateOf(first)).toBe("served");
    reads.applied(100);
    for (const other of others) expect(await fateOf(other)).toBe("waits");
    reads.confirmed(2, 9);
    reads.applied(100);
    for (const other of others) expect(await fateOf(other)).toBe("served");
  });

  it("asks again under a new id, and drops the answer to the old one", async () => {
    const { reads, ids } = make();
    const waiting = reads.wait(never);
    reads.askAgain();
    reads.askAgain();
    expect(ids).toEqual([1, 2]);
    reads.confirmed(1, 3);
    reads.applied(3);
    expect(await fateOf(waiting)).toBe("waits");
    reads.confirmed(2, 3);
    reads.applied(3);
    expect(await fateOf(waiting)).toBe("served");
  });

  it("keeps who waits while nobody leads, and forgets who gave up", async () => {
    const { reads, core } = make("refused");
    const impatient = Array.from({ length: LIMIT.readsWaiting.max - 1 }, () => {
      const gaveUp = new AbortController();
      const over = reads.wait(gaveUp.signal).catch((error: unknown) => error);
      return { gaveUp, over };
    });
    const patient = reads.wait(never);
    expect(await fateOf(reads.wait(never))).toBe("busy");
    for (const { gaveUp } of impatient) gaveUp.abort(new Error("enough"));
    await Promise.all(impatient.map(({ over }) => over));
    const another = reads.wait(never); // there is room again
    core.answer = "taken";
    reads.ask();
    reads.failAll(new GantryError("stopping", "over"));
    expect(await fateOf(patient)).toBe("stopping");
    expect(await fateOf(another)).toBe("stopping");
  });

  it("frees the next round though everyone of this one gave up", async () => {
    const { reads, ids } = make();
    const gaveUp = new AbortController();
    const left = reads.wait(gaveUp.signal).catch(() => "left");
    const waiting = reads.wait(never);
    gaveUp.abort(new Error("enough"));
    expect(await left).toBe("left");
    expect(ids).toEqual([1]);
    reads.confirmed(1, 1);
    reads.confirmed(2, 1);
    reads.applied(1);
    expect(await fateOf(waiting)).toBe("served");
  });
});
