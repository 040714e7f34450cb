import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Core, type Entry, EMPTY_LOG, makeCore, type Restored } from "./core.ts";

const config = { id: "hub-1", voters: ["hub-1"], electionTicks: 2, uncommittedBytesMax: 1_000 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A disk that stores what ready() hands out, when told to. */
function makeDisk(core: Core, restored: Restored = EMPTY_LOG) {
  let term = restored.hardState.term;
  let last = { index: restored.lastIndex, term: restored.lastTerm };
  const log: Entry[] = [];
  const applied: Entry[] = [];
  return {
    log,
    applied,
    get term() {
      return term;
    },
    /** One turn: take ready, store, acknowledge. False when there was nothing to do. */
    turn(): boolean {
      const ready = core.ready();
      if (ready === undefined) return false;
      term = ready.hardState?.term ?? term;
      log.push(...ready.entries);
      applied.push(...ready.committed);
      const tail = ready.entries.at(-1);
      if (tail !== undefined) last = { index: tail.index, term: tail.term };
      core.step({ type: "stored", term, index: last.index, lastTerm: last.term });
      return true;
    },
    settle() {
      while (this.turn());
    },
  };
}

function elect(core: Core): void {
  for (let tick = 0; tick < config.electionTicks; tick += 1) core.step({ type: "tick" });
}

describe("the single voter", () => {
  it("leads only after its vote is stored (R1), and opens its term with an empty entry (R2)", () => {
    const core = makeCore(config, EMPTY_LOG);
    elect(core);
    expect(core.status().role).toBe("candidate");
    expect(core.step({ type: "propose", data: bytes("early") })).toBe("refused");
    const disk = makeDisk(core);
    disk.settle();
    expect(core.status()).toMatchObject({
      role: "leader",
      term: 1,
      leader: "hub-1",
      commitIndex: 1,
    });
    expect(disk.applied.map(({ data }) => data.length)).toEqual([0]);
  });

  it("commits nothing before the disk has it (R3)", () => {
    const core = makeCore(config, EMPTY_LOG);
    elect(core);
    makeDisk(core).settle();
    core.step({ type: "propose", data: bytes("a") });
    const first = core.ready();
    expect(first?.entries).toHaveLength(1);
    expect(first?.committed).toEqual([]);
    expect(core.ready()).toBeUndefined();
    core.step({ type: "stored", term: 1, index: 2, lastTerm: 1 });
    expect(core.ready()?.committed.map(({ index }) => index)).toEqual([2]);
  });

  it("ignores an acknowledgement of another term's entry (R4)", () => {
    const core = makeCore(config, EMPTY_LOG);
    elect(core);
    makeDisk(core).settle();
    core.step({ type: "propose", data: bytes("a") });
    core.ready();
    core.step({ type: "stored", term: 1, index: 2, lastTerm: 0 });
    expect(core.ready()).toBeUndefined();
  });

  it("holds a read until an entry of its own term is committed (R5)", () => {
    const core = makeCore(config, {
      hardState: { term: 3, vote: "hub-1", commit: 7 },
      lastIndex: 9,
      lastTerm: 3,
    });
    core.step({ type: "read", id: 1 });
    expect(core.ready()).toBeUndefined();
    elect(core);
    const reads: unknown[] = [];
    let term = 3;
    for (let turn = 0; turn < 5; turn += 1) {
      const ready = core.ready();
      if (ready === undefined) break;
      reads.push(...ready.reads);
      term = ready.hardState?.term ?? term;
      const tail = ready.entries.at(-1);
      core.step({ type: "stored", term, index: tail?.index ?? 9, lastTerm: tail?.term ?? 3 });
    }
    expect(reads).toEqual([{ id: 1, index: 10 }]);
  });

  it("refuses proposals over the bound and takes them again after a commit (R6)", () => {
    const core = makeCore(config, EMPTY_LOG);
    elect(core);
    const disk = makeDisk(core);
    disk.settle();
    expect(core.step({ type: "propose", data: new Uint8Array(900) })).toBe("taken");
    expect(core.step({ type: "propose", data: new Uint8Array(200) })).toBe("refused");
    disk.settle();
    expect(core.step({ type: "propose", data: new Uint8Array(200) })).toBe("taken");
  });

  it("applies what was proposed, once and in order, over any interleaving of turns", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("propose", "turn", "tick")), (steps) => {
        const core = makeCore(config, EMPTY_LOG);
        elect(core);
        const disk = makeDisk(core);
        disk.settle();
        let proposed = 0;
        for (const step of steps) {
          if (step === "turn") disk.turn();
          else if (step === "tick") core.step({ type: "tick" });
          else if (core.step({ type: "propose", data: bytes(`${proposed}`) }) === "taken")
            proposed += 1;
        }
        disk.settle();
        const applied = disk.applied.slice(1).map(({ data }) => new TextDecoder().decode(data));
        expect(applied).toEqual(Array.from({ length: proposed }, (_, index) => `${index}`));
        expect(disk.applied).toEqual(disk.log);
      }),
    );
  });
});
