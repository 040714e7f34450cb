import { afterEach, expect, it } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { KnowledgeFiles } from "../adapters/knowledge-files.ts";
import type { ClusterBlobs } from "../cluster/blobs.ts";
import { byHub } from "../hub.ts";
import { makeFakeHub } from "../registry/testing/fake-hub.ts";
import { makeKnowledge, REFRESH_EVENT, RESEARCH_LOCK } from "./knowledge.ts";

const ends: AbortController[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end.abort(new Error("the test is over"));
});

const NEVER = new AbortController().signal;

function makeScene() {
  const fake = makeFakeHub();
  const { hub, rig } = fake;
  const files = new Map<string, string | GantryError>();
  const blobs = new Map<string, Uint8Array>();
  const reads: string[] = [];
  const folder: KnowledgeFiles = {
    folder: (path) => Promise.resolve(path),
    list: () =>
      Promise.resolve([...files.keys()].map((path) => ({ path, format: "markdown" as const }))),
    async read(_, { path }, known) {
      const text = files.get(path);
      if (text === undefined || text instanceof GantryError)
        throw text ?? new GantryError("not_found", path);
      reads.push(path);
      const facts = { sha256: sha256(text), sizeBytes: text.length };
      return facts.sha256 === known ? facts : { ...facts, text };
    },
  };
  const store = {
    async write() {
      let bytes = new Uint8Array();
      return {
        write: (piece: Uint8Array) => Promise.resolve(void (bytes = Uint8Array.from(piece))),
        finish: () => {
          const hash = sha256(bytes);
          blobs.set(hash, bytes);
          return Promise.resolve({ sha256: hash, sizeBytes: bytes.length });
        },
      };
    },
    read: (hash: string) => Promise.resolve(blobs.get(hash) ?? new Uint8Array()),
    size: (hash: string) => Promise.resolve(blobs.get(hash)?.length),
  };
  const models = { embed: () => Promise.reject(new Error("nobody embeds here")) };
  const knowledge = makeKnowledge({
    hub,
    models,
    files: folder,
    blobs: { store, spread: () => Promise.resolve() } as unknown as ClusterBlobs, // all that is used
  });
  rig.act({ type: "knowledgeAdded", knowledge: "kno_1", name: "manuals", folder: "/m" });
  const end = new AbortController();
  ends.push(end);
  void knowledge.run(end.signal);
  const refresh = () => knowledge.refresh("kno_1", byHub(hub), NEVER);
  const tick = (): Promise<void> => fake.clock.pass(10);
  /** What a schedule does when its time has come, as schedule-targets.ts emits it. */
  const fire = async (data: object): Promise<void> => {
    hub.feed.publish([
      {
        id: 1,
        type: "schedule.event",
        atMs: 0,
        subject: "sch_1",
        data: { name: REFRESH_EVENT, data },
      },
    ]);
    await tick();
  };
  return { ...fake, files, reads, knowledge, refresh, tick, fire };
}

it("[K49] is refreshed by a schedule's event, with no two at once, and never beside research", async () => {
  const scene = makeScene();
  scene.files.set("a.md", "# Belts\n\nTighten them.");
  await scene.fire({});
  expect(scene.rig.rows.get("knowledge", "kno_1")).toMatchObject({ version: 1 });
  expect(await scene.knowledge.search("belts", 5, NEVER)).toMatchObject([
    { chunk: { headings: ["Belts"], text: "Tighten them.", line: 3 } },
  ]);
  scene.files.set("a.md", "# Belts\n\nReplace them.");
  const both = await Promise.all([scene.refresh(), scene.refresh()]); // one work, two who wait
  expect(both.map(({ version }) => version)).toEqual([2, 2]);
  expect(scene.reads).toEqual(["a.md", "a.md"]);

  const research = { name: RESEARCH_LOCK, owner: "run_1", ttlMs: 60_000 };
  const { token } = scene.rig.act({ type: "lockAcquired", ...research }) as { token: number };
  scene.files.set("a.md", "# Belts\n\nOil them.");
  await expect(scene.refresh()).rejects.toMatchObject({ code: "lock_held" });
  await scene.fire({ knowledge: "manuals" });
  expect(scene.rig.rows.get("knowledge", "kno_1")).toMatchObject({ version: 2 });
  scene.rig.act({ type: "lockReleased", name: RESEARCH_LOCK, token });
  await scene.fire({ knowledge: "another" });
  expect(scene.rig.rows.get("knowledge", "kno_1")).toMatchObject({ version: 2 });
  await scene.fire({ knowledge: "manuals" });
  expect(scene.rig.rows.get("knowledge", "kno_1")).toMatchObject({ version: 3 });
  expect(scene.rig.rows.hot("lock").size).toBe(0); // released, whatever came of it

  scene.files.set("a.md", new GantryError("io_error", "the disk is away"));
  scene.files.set("b.md", "New.");
  await scene.fire({});
  const { faults } = scene.rig.rows.get("knowledge", "kno_1") ?? { faults: [] };
  expect(faults).toMatchObject([{ path: "a.md", error: { code: "io_error" } }]);
  expect((await scene.knowledge.search("belts oil", 5, NEVER))[0]?.chunk.text).toBe("Oil them.");
  scene.files.delete("a.md");
  await scene.fire({});
  await scene.tick();
  expect(await scene.knowledge.search("belts oil", 5, NEVER)).toEqual([]);
});

it("KW1: a refresh that finds nothing new keeps the version, and one that fails whole changes nothing", async () => {
  const scene = makeScene();
  scene.files.set("a.md", "Text.");
  expect(await scene.refresh()).toMatchObject({ version: 1, read: 1 });
  expect(await scene.refresh()).toMatchObject({ version: 1, read: 0, gone: 0 });
  await expect(scene.knowledge.refresh("kno_2", byHub(scene.hub), NEVER)).rejects.toMatchObject({
    code: "not_found",
  });
  scene.files.get = () => {
    throw new Error("a bug in the folder");
  };
  expect(await scene.refresh()).toMatchObject({ version: 1, faults: 1 });
  expect(scene.rig.rows.hot("lock").size).toBe(0);
});
