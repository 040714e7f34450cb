import { expect, it } from "vitest";
import { present } from "@gantry/shared/base/assert.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { graph, http, kept, value } from "../ledger/testing/flows.ts";
import { START_MS } from "../ledger/testing/rig.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeLibraryHands } from "./library.ts";

interface Reign extends FakeHub {
  take(id: string, workflow?: string): void;
  keep(workflow: string): void;
  start(): void;
  stop(): void;
  versions(workflow?: string): number;
  made(): readonly number[];
}

function makeReign(fake: FakeHub = makeFakeHub()): Reign {
  const { rig, clock, proposed } = fake;
  const hands = makeLibraryHands(fake.hub);
  let stopped = new AbortController();
  const reign: Reign = {
    ...fake,
    keep: (name) => void rig.act(kept(graph({ a: http() }), { name })),
    take(id, name = "flow") {
      rig.at(clock.now() - START_MS);
      const operations = [{ op: "addNode", id, node: value(1) }];
      rig.act({ type: "libraryPatched", name, operations, reason: "why", hosts: [] });
      fake.publish();
    },
    start() {
      stopped = new AbortController();
      void hands.run(stopped.signal);
    },
    stop: () => stopped.abort(),
    versions: (name = "flow") => present(rig.rows.get("workflow", name), name).versions.length,
    made: () =>
      proposed.flatMap((command) => (command.type === "libraryMade" ? [command.through] : [])),
  };
  reign.keep("flow");
  return reign;
}

it("[A47] one patch waits 5 s and no longer; a hundred wait for nothing", async () => {
  const reign = makeReign();
  reign.start();
  reign.take("one");
  await reign.clock.pass(4_900);
  expect(reign.versions()).toBe(1);
  await reign.clock.pass(200);
  expect(reign.versions()).toBe(2);
  for (let n = 0; n < 99; n += 1) reign.take(`n${n}`);
  await reign.clock.pass(100);
  expect(reign.versions()).toBe(2);
  reign.take("last");
  await reign.clock.pass(100);
  expect(reign.versions()).toBe(3);
  expect(reign.made()).toEqual([1, 101]);
  reign.stop();
});

it("[A50] how far it is behind is counted: nothing behind at rest, the window at most while it runs", async () => {
  const reign = makeReign();
  reign.start();
  for (let n = 0; n < 40; n += 1) {
    reign.take(`n${n}`);
    await reign.clock.pass(300);
    const [segment] = reign.rig.rows.hot("libraryHead").get("flow")?.segments ?? [];
    const lagMs = segment === undefined ? 0 : reign.clock.now() - segment.sinceMs;
    expect(lagMs).toBeLessThanOrEqual(5_100);
  }
  await reign.clock.pass(6_000);
  expect(reign.rig.rows.hot("libraryHead").size).toBe(0);
  const text = await reign.hub.metrics.registry.metrics();
  const counted = Number(/^gantry_library_batch_patches_sum (\d+)/m.exec(text)?.[1]);
  expect(counted).toBe(40);
  expect(text).toMatch(/^gantry_library_wait_seconds_bucket\{le="5.5"\} [1-9]/m);
  reign.stop();
});

it("the next leader goes on with what the one before has left", async () => {
  const reign = makeReign();
  reign.start();
  reign.take("one");
  await reign.clock.pass(2_000);
  reign.stop();
  await reign.clock.pass(60_000);
  expect(reign.versions()).toBe(1);
  const next = makeLibraryHands(reign.hub);
  const stopped = new AbortController();
  void next.run(stopped.signal);
  await reign.clock.pass(100);
  expect(reign.versions()).toBe(2);
  stopped.abort();
});

it("one that cannot be written is tried again, and holds up no other (LH2)", async () => {
  const fake = makeFakeHub();
  let refusals = 3;
  const broken: FakeHub = {
    ...fake,
    hub: {
      ...fake.hub,
      replica: {
        ...fake.hub.replica,
        async propose(command, signal) {
          const isFlow = command.type === "libraryMade" && command.name === "flow";
          if (isFlow && refusals > 0) {
            refusals -= 1;
            throw new GantryError("no_leader", "gone");
          }
          return fake.hub.replica.propose(command, signal);
        },
      },
    },
  };
  const reign = makeReign(broken);
  reign.keep("other");
  reign.start();
  reign.take("one");
  reign.take("one", "other");
  await reign.clock.pass(5_100);
  expect([reign.versions("other"), reign.versions()]).toEqual([2, 1]);
  await reign.clock.pass(10_000);
  expect([reign.versions("other"), reign.versions()]).toEqual([2, 2]);
  reign.stop();
});

it("what waits for a workflow that has another version since is made at once: nobody may patch it till then", async () => {
  const reign = makeReign();
  reign.start();
  reign.take("one");
  await reign.clock.pass(100);
  reign.rig.act(kept(graph({ b: http() }), { name: "flow" }));
  reign.publish();
  await reign.clock.pass(100);
  expect(reign.made()).toEqual([1]);
  reign.stop();
});
