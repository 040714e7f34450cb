import { MessageChannel, type MessagePort } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { makeScope, type Scope } from "@gantry/shared/flow/scope.ts";
import { makeFakeDesk, type FakeDesk } from "../http/testing/fake-desk.ts";
import { eventually } from "../http/testing/rig.ts";
import type { Desk, DeskRequest, FeedItem } from "../ports.ts";
import { connectDesk } from "./connect-desk.ts";
import { serveDesk } from "./serve-desk.ts";

const REQUEST: DeskRequest = {
  actor: null,
  requestId: "req-12345678",
  params: {},
  query: {},
  body: { a: [1, "two"] },
};
const never = new AbortController().signal;

interface Line extends AsyncDisposable {
  readonly fake: FakeDesk;
  readonly desk: Desk;
  readonly scope: Scope;
  readonly port: MessagePort;
}

async function makeLine(callsMax?: number): Promise<Line> {
  const { port1, port2 } = new MessageChannel();
  const fake = makeFakeDesk();
  const scope = makeScope(() => undefined);
  const desk = connectDesk(port2, callsMax);
  serveDesk(port1, fake, scope, silentLogger);
  await eventually(() =>
    desk.authenticate("x").then(
      () => true,
      () => false,
    ),
  );
  return {
    fake,
    desk,
    scope,
    port: port2,
    async [Symbol.asyncDispose]() {
      await scope.close();
      port2.close();
    },
  };
}

const codeOf = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "no error",
    (error: unknown) => (error instanceof GantryError ? error.code : error),
  );

describe("a desk port", () => {
  it("carries a call there and its reply back", async () => {
    await using line = await makeLine();
    line.fake.on("devices", (request) => ({ seen: request }));
    const reply = await line.desk.call("devices", REQUEST, { signal: never });
    expect(reply).toEqual({ seen: REQUEST });
  });

  it("carries errors as what they are and hides bugs", async () => {
    await using line = await makeLine();
    line.fake.on("devices", () => {
      throw new GantryError("device_offline", "ender is off", { details: { device: "ender" } });
    });
    line.fake.on("jobs", () => {
      throw new Error("secret");
    });
    const offline = line.desk.call("devices", REQUEST, { signal: never });
    await expect(offline).rejects.toMatchObject({
      code: "device_offline",
      message: "ender is off",
      details: { device: "ender" },
    });
    const bug = line.desk.call("jobs", REQUEST, { signal: never });
    await expect(bug).rejects.toMatchObject({ code: "internal", message: "A fault in Gantry" });
  });

  it("says internal for a reply that cannot be cloned, and lives on", async () => {
    await using line = await makeLine();
    line.fake.on("devices", () => ({ f: () => 1 }));
    expect(await codeOf(line.desk.call("devices", REQUEST, { signal: never }))).toBe("internal");
    line.fake.on("devices", () => 1);
    expect(await line.desk.call("devices", REQUEST, { signal: never })).toBe(1);
  });

  it("gives text in order, joined within a turn, all of it before the reply", async () => {
    await using line = await makeLine();
    line.fake.on("query", (_request, { onText }) => {
      for (const piece of ["a", "b", "c", "d"]) onText?.(piece);
      return "end";
    });
    const pieces: string[] = [];
    const onText = (text: string): void => void pieces.push(text);
    const reply = await line.desk.call("query", REQUEST, { signal: never, onText });
    expect(reply).toBe("end");
    expect(pieces).toEqual(["abcd"]);
  });

  it("aborts the work of a caller who left", async () => {
    await using line = await makeLine();
    let reason: unknown;
    line.fake.on(
      "query",
      (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            reason = signal.reason;
            reject(new GantryError("cancelled", "left"));
          });
        }),
    );
    const controller = new AbortController();
    const call = line.desk.call("query", REQUEST, { signal: controller.signal });
    controller.abort();
    expect(await codeOf(call)).toBe("cancelled");
    await eventually(() => reason instanceof GantryError);
  });

  it("refuses the call above its bound and takes calls again after one ended", async () => {
    await using line = await makeLine(2);
    const ends: (() => void)[] = [];
    line.fake.on("jobs", () => new Promise((resolve) => ends.push(() => resolve(1))));
    const first = line.desk.call("jobs", REQUEST, { signal: never });
    const second = line.desk.call("jobs", REQUEST, { signal: never });
    expect(await codeOf(line.desk.call("jobs", REQUEST, { signal: never }))).toBe("busy");
    await eventually(() => ends.length === 2);
    for (const end of ends) end();
    expect(await Promise.all([first, second])).toEqual([1, 1]);
    line.fake.on("jobs", () => 2);
    expect(await line.desk.call("jobs", REQUEST, { signal: never })).toBe(2);
  });

  it("[K81] says starting while nobody serves it, and never lets a caller wait", async () => {
    const { port1, port2 } = new MessageChannel();
    const desk = connectDesk(port2);
    expect(await codeOf(desk.call("devices", REQUEST, { signal: never }))).toBe("starting");
    expect(await codeOf(desk.authenticate("x"))).toBe("starting");
    port1.close();
  });

  it("rejects what is under way with stopping when the port closes", async () => {
    await using line = await makeLine();
    line.fake.on("jobs", () => new Promise(() => undefined));
    const call = line.desk.call("jobs", REQUEST, { signal: never });
    line.port.close();
    expect(await codeOf(call)).toBe("stopping");
    expect(await codeOf(line.desk.call("jobs", REQUEST, { signal: never }))).toBe("stopping");
  });

  it("keeps a door that does not listen to one ring of feed items, the newest", async () => {
    await using line = await makeLine();
    const batches: (readonly FeedItem[])[] = [];
    line.desk.watch((items) => void batches.push(items), never);
    await line.desk.authenticate("x"); // the watch has arrived when this is answered
    const total = LIMIT.eventRing.max + 100;
    for (let count = 0; count < total; count += 1) {
      line.fake.emit({ type: "flag.changed", subject: "a", data: count });
    }
    const items = (): readonly FeedItem[] => batches.flat();
    await eventually(() => items().at(-1)?.kind === "ledger" && lastId(items()) === total);
    const ids = items().map((item) => (item.kind === "ledger" ? item.id : 0));
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(batches.at(-1)).toHaveLength(LIMIT.eventRing.max + 1);
    expect(ids.length).toBeLessThan(total);
  });

  it("stops feeding a watch that was ended", async () => {
    await using line = await makeLine();
    const seen: FeedItem[] = [];
    const controller = new AbortController();
    line.desk.watch((items) => void seen.push(...items), controller.signal);
    await line.desk.authenticate("x");
    line.fake.emit({ type: "flag.changed", subject: "a", data: 1 });
    await eventually(() => seen.length === 1);
    controller.abort();
    await line.desk.authenticate("x");
    line.fake.emit({ type: "flag.changed", subject: "a", data: 2 });
    await line.desk.authenticate("x");
    expect(seen).toHaveLength(1);
  });
});

const lastId = (items: readonly FeedItem[]): number => {
  const last = items.at(-1);
  return last?.kind === "ledger" ? last.id : 0;
};
