import { describe, expect, it } from "vitest";
import type { RegistryReply } from "@gantry/shared/contract/registry-ops.ts";
import { makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeWorkCalls, type WorkCall } from "./work-calls.ts";
import { makeWorkListeners } from "./work-listeners.ts";
import type { Workers, WorkStream } from "./workers.ts";

const STREAMS = 1_024;

interface FakeStream extends WorkStream {
  holds: number;
  isOpen: boolean;
}

function makeScene() {
  const { hub } = makeFakeHub();
  const made: FakeStream[] = [];
  const said: RegistryReply[] = [];
  const open: Workers["open"] = () => {
    let isDrained = false;
    const stream: FakeStream = {
      name: String(made.length),
      holds: 0,
      isOpen: true,
      drain: () => void (isDrained = true),
      isIdle: () => isDrained && stream.holds === 0,
      end: () => void (stream.isOpen = false),
    };
    made.push(stream);
    return { stream, adopted: [] };
  };
  const { listen } = makeWorkListeners();
  const calls = makeWorkCalls({
    hub,
    workers: { open, listen } as Partial<Workers> as Workers, // all that streams use of it
    say: (replies) => (said.push(...replies), "sent"),
    who: "w",
    signal: new AbortController().signal,
  });
  const by = { actor: "ada", requestId: "req_1" };
  const take = (call: object): Promise<void> =>
    calls.take({ type: "registry", ...call } as WorkCall, by);
  const work = (id: number): Promise<void> => take({ id, op: "work", queue: "q", credit: 1 });
  return { made, take, work };
}

describe("streams of a session", () => {
  it("that were left make room, but for those that still hold work", async () => {
    const { made, take, work } = makeScene();
    for (let id = 0; id < STREAMS; id += 1) await work(id);
    await expect(work(STREAMS)).rejects.toThrow("Too many");
    const [first, second] = made;
    if (first !== undefined) first.holds = 1;
    await take({ id: 5_000, op: "unwork", work: 0 });
    await take({ id: 5_001, op: "unwork", work: 1 });
    expect([first?.isOpen, second?.isOpen]).toEqual([true, false]);
    await work(STREAMS);
    await expect(work(STREAMS + 1)).rejects.toThrow("Too many");
    if (first !== undefined) first.holds = 0;
    await work(STREAMS + 1);
    expect(first?.isOpen).toBe(false);
  });

  it("that listen make room as soon as they are left", async () => {
    const { take } = makeScene();
    for (let id = 0; id < 2 * STREAMS; id += 1) {
      await take({ id, op: "ended", queue: `q${id}` });
      await take({ id: 10_000 + id, op: "unwork", work: id });
    }
  });

  it("that are opened twice are void the first time", async () => {
    const { made, work } = makeScene();
    await work(7);
    await work(7);
    expect(made.map(({ isOpen }) => isOpen)).toEqual([false, true]);
  });
});
