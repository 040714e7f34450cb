import { afterEach, expect, it } from "vitest";
import { extractText, getDocumentProxy } from "unpdf";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { present } from "@gantry/shared/base/assert.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import {
  type ArtifactPiece,
  type ArtifactView,
  readRunResult,
  type RunResult,
  runResultSchema,
} from "@gantry/shared/contract/schemas/artifacts.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeDocumentWriter } from "../adapters/document-writer.ts";
import { contentSections } from "../documents/sections.ts";
import { spansText } from "../documents/text.ts";
import { makeDocuments } from "../hands/documents.ts";
import { makeRunHands } from "../hands/runs.ts";
import { graph, kept, runOf, started, value } from "../ledger/testing/flows.ts";
import type { BlobStore, DeskRequest } from "../ports.ts";
import { type FakeHub, makeFakeHub } from "../registry/testing/fake-hub.ts";
import {
  artifact,
  artifactContent,
  artifactDropped,
  artifacts,
  documentWritten,
  runResult,
} from "./artifacts.ts";
import type { DeskParts, UseCase } from "./context.ts";

const USE_CASES = {
  artifact,
  artifactContent,
  artifactDropped,
  artifacts,
  documentWritten,
  runResult,
} satisfies Record<string, UseCase>;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Scene extends FakeHub {
  readonly parts: DeskParts;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  get(
    useCase: keyof typeof USE_CASES,
    query?: object,
    id?: string,
    body?: unknown,
  ): Promise<unknown>;
  list(query?: object): Promise<readonly ArtifactView[]>;
  /** Lets real work (the writer's worker) and the clock go on until it holds. */
  until(holds: () => boolean): Promise<void>;
}

function makeScene(
  flow: Graph,
  say: (prompt: string) => string = (prompt) => `said ${prompt}`,
): Scene {
  const fake = makeFakeHub();
  const blobs = new Map<string, Uint8Array>();
  const store = {
    async write() {
      const pieces: Uint8Array[] = [];
      return {
        async write(bytes: Uint8Array) {
          pieces.push(bytes);
        },
        async finish() {
          const bytes = Buffer.concat(pieces);
          blobs.set(sha256(bytes), bytes);
          return { sha256: sha256(bytes), sizeBytes: bytes.length };
        },
        async abort() {},
      };
    },
    read: async (name: string, offset: number, size: number) =>
      present(blobs.get(name), name).subarray(offset, offset + size),
    size: async (name: string) => blobs.get(name)?.length,
  } as unknown as BlobStore; // all that is used of it here
  const writer = makeDocumentWriter(systemClock);
  const spreading = { store, async spread() {} };
  const documents = makeDocuments({ hub: fake.hub, writer, blobs: spreading });
  const hands = makeRunHands({
    hub: fake.hub,
    outbound: { send: () => Promise.reject(new GantryError("egress_denied", "no")) },
    egressAllow: [],
    models: {
      async generate(_model, { messages }) {
        const prompt = messages.map(({ content }) => content).join("|");
        if (prompt.includes("fail")) throw new GantryError("bad_request", "it cannot");
        return { generated: { text: say(prompt), promptTokens: 3, completionTokens: 5 } } as never; // all that a turn reads
      },
    },
    blobs: spreading,
    documents,
  });
  const end = new AbortController();
  void hands.run(end.signal);
  ends.push(() => {
    end.abort(new GantryError("stopping", "the test is over"));
    void writer.close();
  });
  const parts = { hub: fake.hub, blobs: store, documents } as unknown as DeskParts; // all that these use cases read
  fake.rig.act(kept(flow));
  const scene: Scene = {
    ...fake,
    parts,
    blobs,
    async get(useCase, query = {}, id = "run_1", body?: unknown) {
      const request = {
        params: { id },
        query,
        body,
        actor: { person: "ann", role: "maker" },
        requestId: `req_${useCase}`,
      } as unknown as DeskRequest; // as a door makes them
      return (USE_CASES[useCase] as UseCase)(parts, request, { signal: end.signal });
    },
    async list(query = {}) {
      return ((await scene.get("artifacts", query)) as { artifacts: ArtifactView[] }).artifacts;
    },
    async until(holds) {
      while (!holds()) {
        await new Promise((resolve) => setImmediate(resolve));
        await fake.clock.pass(10);
      }
    },
  };
  return scene;
}

const isOver = (scene: Scene, run = "run_1"): boolean =>
  !scene.rig.rows.hot("run").has(run) && scene.rig.rows.get("run", run) !== undefined;

const agent = (prompt: string, facts: object = {}): object => ({ type: "agent", prompt, ...facts });
const COUNCIL = graph(
  {
    topics: value(["red", "blue"]),
    each: {
      type: "map",
      over: "nodes.topics.output",
      tolerate: 1,
      body: { nodes: { ask: agent("about ${item}", { title: "Scout" }) }, edges: [] },
    },
    lead: agent("draw together ${nodes.each.output}", { title: "Lead" }),
    data: {
      type: "artifact",
      name: "facts.json",
      value: { count: 2, of: "${nodes.topics.output}" },
    },
    report: { type: "document", title: "Colours", author: "council", formats: ["md", "pdf"] },
  },
  ["topics>each", "each>lead", "lead>data", "data>report"],
  { output: "${nodes.lead.output.text}" },
);

async function council(): Promise<Scene> {
  const scene = makeScene(COUNCIL);
  scene.rig.act(started());
  await scene.until(() => isOver(scene));
  return scene;
}

it("[M26] [M27] [M78] a result has agents, syntheses, the end, documents and artifacts; as JSON and back it is the same, and what each agent took adds up to the whole", async () => {
  const scene = await council();
  expect(runOf(scene.rig).state.fault).toBe(null);
  const result = runResultSchema.parse(await scene.get("runResult"));
  expect(result).toMatchObject({ taskId: "run_1", title: "flow", status: "done" });
  expect(result.agentResults.map(({ place, title }) => `${place} ${title}`).toSorted()).toEqual([
    "each[0]/ask Scout",
    "each[1]/ask Scout",
  ]);
  expect(result.synthesisResults.map(({ place, title }) => [place, title])).toEqual([
    ["lead", "Lead"],
  ]);
  expect(result.finalSynthesis).toMatch(/^said draw together/);
  expect(result.artifacts.map(({ name }) => name)).toEqual(["facts.json"]);
  expect(result.generatedDocuments.map(({ name }) => name)).toEqual(["Colours"]);
  const all = [...result.agentResults, ...result.synthesisResults];
  const sum = (of: (each: (typeof all)[number]) => number): number =>
    all.reduce((total, each) => total + of(each), 0);
  expect([
    sum((each) => each.promptTokens),
    sum((each) => each.completionTokens),
    sum((each) => each.costUsd),
  ]).toEqual([result.totalPromptTokens, result.totalCompletionTokens, result.totalCostUsd]);
  expect(result.totalCompletionTokens).toBe(15);
  expect(all.every(({ tookMs }) => tookMs !== undefined)).toBe(true);
  expect(readRunResult(JSON.stringify(result))).toEqual(result); // M27
  expect(() => readRunResult(JSON.stringify({ ...result, taskId: 1 }))).toThrow(/taskId/);
});

it("[M28] a report has all that a run came to, nested as deep as it was, in the order of reading", async () => {
  const scene = await council();
  const result = (await scene.get("runResult")) as RunResult;
  const deep: RunResult = {
    ...result,
    finalSynthesis: {
      verdict: "print it",
      why: { cost: { usd: 3, parts: ["a", "b"] }, table: [{ x: 1 }, { x: 2 }] },
    },
    error: { code: "late", message: "by a day" },
  };
  const said = contentSections(deep).map((block) =>
    block.kind === "heading" ? `${block.level} ${spansText(block.text)}` : block.kind,
  );
  expect(said).toEqual([
    "2 Result",
    "list",
    "3 why",
    "4 cost",
    "list",
    "5 parts",
    "list",
    "4 table",
    "table",
    "2 Fault",
    "paragraph",
    "2 Syntheses",
    "3 Lead",
    "paragraph",
    "paragraph",
    "2 Agents",
    "3 Scout",
    "paragraph",
    "paragraph",
    "3 Scout",
    "paragraph",
    "paragraph",
    "2 Documents",
    "table",
    "2 Artifacts",
    "table",
    "2 About this run",
    "table",
  ]);
});

it("[M30] [A21] documents and artifacts are found by run, kind, type, date, person and words, and their bytes come back", async () => {
  const scene = await council();
  scene.rig.at(3_600_000);
  scene.rig.act(started({ run: "run_2" }));
  await scene.until(() => isOver(scene, "run_2"));
  const names = async (query: object): Promise<string[]> =>
    (await scene.list(query)).map(({ name, run }) => `${name} ${run}`);
  expect(await names({})).toEqual([
    "Colours run_2",
    "facts.json run_2",
    "Colours run_1",
    "facts.json run_1",
  ]);
  expect(await names({ run: "run_1" })).toEqual(["Colours run_1", "facts.json run_1"]);
  expect(await names({ kind: "document", run: "run_2" })).toEqual(["Colours run_2"]);
  expect(await names({ type: "pdf" })).toEqual(["Colours run_2", "Colours run_1"]);
  expect(await names({ type: "application/json" })).toEqual([
    "facts.json run_2",
    "facts.json run_1",
  ]);
  expect(await names({ text: "scout RED" })).toEqual(["Colours run_2", "Colours run_1"]);
  expect(await names({ text: "facts" })).toContain("facts.json run_1");
  expect(await names({ text: "purple" })).toEqual([]);
  expect(await names({ by: "nobody" })).toEqual([]);
  const [newest] = await scene.list();
  expect(await names({ from: newest?.at })).toEqual(
    ["Colours run_2", "facts.json run_2"].filter((_, at) => at < 2),
  );
  expect(await names({ to: newest?.at, run: "run_2", kind: "document" })).toEqual([]);
  const first = (await scene.get("artifacts", { limit: 1 })) as { next: string };
  expect(await names({ limit: 1, after: first.next })).toEqual(["facts.json run_2"]);

  const [data] = await scene.list({ run: "run_1", kind: "value" });
  const json = (await scene.get("artifactContent", {}, data?.id)) as ArtifactPiece;
  expect(JSON.parse(Buffer.from(json.base64, "base64").toString())).toMatchObject({ count: 2 });
  const [report] = await scene.list({ run: "run_1", kind: "document" });
  const pdf = (await scene.get("artifactContent", { format: "pdf" }, report?.id)) as ArtifactPiece;
  const pages = await getDocumentProxy(new Uint8Array(Buffer.from(pdf.base64, "base64")));
  const { text } = await extractText(pages, { mergePages: true });
  expect(text.replaceAll(/\s+/g, " ")).toContain("said about red");
  await expect(scene.get("artifactContent", { format: "docx" }, report?.id)).rejects.toMatchObject({
    code: "not_found",
  });
  await scene.get("artifactDropped", {}, report?.id);
  expect(await names({ run: "run_1" })).toEqual(["facts.json run_1"]);
});

it("[M81] of a thousand agents a page holds as many as were asked for, a large answer is a blob that is named, and all pages together have each once", async () => {
  const flow = graph({
    each: {
      type: "map",
      over: "inputs.all",
      maxParallel: 200,
      body: { nodes: { ask: agent("no ${item}") }, edges: [] },
    },
  });
  const long = "x".repeat(LIMIT.runOutputBytes.max);
  const scene = makeScene(flow, (prompt) => (prompt === "no 7" ? long : prompt));
  scene.rig.act(started({ inputs: { all: Array.from({ length: 1_000 }, (_, at) => at) } }));
  await scene.until(() => isOver(scene));
  const seen = new Map<string, unknown>();
  let pages = 0;
  for (let after: string | undefined = "0"; after !== undefined;) {
    const page = (await scene.get("runResult", { limit: 100, after })) as RunResult;
    expect(page.agentResults.length).toBeLessThanOrEqual(100);
    expect(JSON.stringify(page.agentResults).length).toBeLessThan(60_000);
    for (const { place, output } of page.agentResults) {
      expect(seen.has(place)).toBe(false);
      seen.set(place, output);
    }
    after = page.next;
    pages += 1;
  }
  expect(seen.size).toBe(1_000);
  expect(pages).toBeGreaterThanOrEqual(10);
  const { $blob } = seen.get("each[7]/ask") as { $blob: string };
  expect(Buffer.from(present(scene.blobs.get($blob), $blob)).toString()).toContain(long);
});

it("a document node fails for what cannot be written, once and with its reason; a replay writes none", async () => {
  const flow = graph({
    bad: {
      type: "document",
      title: "t",
      content: { blocks: [{ kind: "poem" }] },
      retry: { attempts: 5 },
    },
  });
  const scene = makeScene(flow);
  scene.rig.act(started());
  await scene.until(() => isOver(scene));
  expect(runOf(scene.rig).state.fault).toMatchObject({ code: "bad_request", place: "bad" });
  expect(await scene.list()).toEqual([]);

  const good = await council();
  const before = (await good.list()).length;
  good.rig.act(started({ run: "run_3", replayOf: { run: "run_1", mode: "freeze" } }));
  await good.until(() => isOver(good, "run_3"));
  expect(await good.list()).toHaveLength(before);
});

it("a person writes one from Markdown or from a run; the same order again is the same document", async () => {
  const scene = await council();
  const order = {
    title: "By hand",
    author: "ann",
    formats: ["md", "html"],
    markdown: "# Hi\n\nthere *you*",
  };
  const made = (await scene.get("documentWritten", {}, "", order)) as ArtifactView;
  expect(made).toMatchObject({ name: "By hand", by: "ann", words: 3 });
  expect(made.run).toBeUndefined();
  const again = (await scene.get("documentWritten", {}, "", order)) as ArtifactView;
  expect(again.id).toBe(made.id);
  await expect(scene.get("documentWritten", {}, "", { ...order, run: "run_1" })).rejects.toThrow(
    /one of/,
  );
});
