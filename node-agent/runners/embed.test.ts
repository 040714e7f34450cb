import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Embedder, startEmbedder } from "./embed.ts";
import { lexicalFeatures } from "../rules/lexical-model.ts";
import { hasModelFiles, modelFile } from "./model-files.ts";

const never = new AbortController().signal;
const ports = { clock: systemClock, log: silentLogger };
const folder = mkdtempSync(join(tmpdir(), "gantry-embed-"));
afterAll(() => rmSync(folder, { recursive: true }));

const dot = (left: Float32Array, right: Float32Array): number =>
  left.reduce((sum, value, axis) => sum + value * (right[axis] ?? 0), 0);

async function cosine(embedder: Embedder, left: string, right: string): Promise<number> {
  const [a, b] = (await embedder.embed([left, right], never)).vectors;
  return a === undefined || b === undefined ? Number.NaN : dot(a, b);
}

async function eventually(isSo: () => boolean): Promise<void> {
  const deadline = systemClock.timeout(5_000);
  while (!isSo()) await systemClock.sleep(5, deadline);
}

describe("the built-in lexical embedder", () => {
  let lexical: Embedder;
  beforeAll(async () => {
    lexical = await startEmbedder({ lexicalFolder: folder }, ports, never);
  });
  afterAll(() => lexical.close());

  it("[K38] says which vectors may be compared: the same tag from a file made twice", async () => {
    const other = mkdtempSync(join(tmpdir(), "gantry-embed-"));
    const again = await startEmbedder({ lexicalFolder: other }, ports, never);
    expect(again.tag).toBe(lexical.tag);
    expect(lexical).toMatchObject({ dimensions: 256, tag: expect.stringMatching(/-lexical-256$/) });
    await again.close();
    rmSync(other, { recursive: true });
  });

  it("puts texts that share words close together, and gives length 1", async () => {
    const [vector] = (await lexical.embed(["print a benchy in red PLA"], never)).vectors;
    expect(dot(vector ?? new Float32Array(), vector ?? new Float32Array())).toBeCloseTo(1, 5);
    const near = await cosine(lexical, "print a benchy in red PLA", "please print the red benchy");
    const far = await cosine(lexical, "print a benchy in red PLA", "what is the weather today");
    expect(near).toBeGreaterThan(0.5);
    expect(far).toBeLessThan(0.25);
    expect(await cosine(lexical, "Drucker prüfen", "drucker prufen")).toBeCloseTo(1, 5);
  });

  it("gives the same vector alone and in a batch, in the order asked", async () => {
    const texts = Array.from(
      { length: 80 },
      (_, index) => `part ${index} ${"long ".repeat(index % 7)}`,
    );
    const { vectors: together } = await lexical.embed(texts, never);
    for (const index of [0, 41, 79]) {
      const { vectors: alone } = await lexical.embed([texts[index] ?? "", "another"], never);
      const [a, b] = [alone[0], together[index]];
      expect(a !== undefined && b !== undefined && dot(a, b)).toBeCloseTo(1, 4);
    }
  });

  it("takes an empty text, and refuses too many or too long ones", async () => {
    expect((await lexical.embed(["", "🖨"], never)).vectors.length).toBe(2);
    await expect(
      lexical.embed(
        Array.from({ length: 257 }, () => "x"),
        never,
      ),
    ).rejects.toThrow("257");
    await expect(lexical.embed(["x".repeat(40_000)], never)).rejects.toMatchObject({
      code: "bad_request",
    });
    expect(await lexical.embed([], never)).toEqual({ vectors: [], tokens: 0 });
  });

  it("[K87] gathers what arrives while it works, keeps recent vectors, and is bounded", async () => {
    const calls = Array.from({ length: 40 }, (_, index) => lexical.embed([`call ${index}`], never));
    expect(
      (await Promise.all(calls)).every(({ vectors: [vector] }) => vector?.length === 256),
    ).toBe(true);
    const before = performance.now();
    for (let round = 0; round < 200; round += 1) await lexical.embed(["call 1"], never);
    expect((performance.now() - before) / 200).toBeLessThan(1);
    const flood = Array.from({ length: 10 }, (_, call) =>
      lexical
        .embed(
          Array.from({ length: 256 }, (_, text) => `flood ${call} ${text}`),
          never,
        )
        .then(
          () => "embedded",
          (error: { code: string }) => error.code,
        ),
    );
    const outcomes = await Promise.all(flood);
    expect([outcomes[0], outcomes[9]]).toEqual(["embedded", "busy"]);
  });

  it("counts the features it gave the model, also of a text whose vector it kept", async () => {
    const texts = ["warm bed", "", "warm bed"];
    const expected = texts.reduce((sum, text) => sum + lexicalFeatures(text).ids.length, 0);
    expect((await lexical.embed(texts, never)).tokens).toBe(expected);
    expect((await lexical.embed(texts, never)).tokens).toBe(expected);
  });

  it("does not let a caller write into a kept vector", async () => {
    const [first] = (await lexical.embed(["keep me"], never)).vectors;
    first?.fill(0);
    const [second] = (await lexical.embed(["keep me"], never)).vectors;
    expect(second?.some((value) => value !== 0)).toBe(true);
  });

  it("gives up waiting when its caller does", async () => {
    const controller = new AbortController();
    const call = lexical.embed(["nobody waits for this"], controller.signal);
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: "cancelled" });
  });
});

it("ends the worker when it is idle and starts it again with the next text", async () => {
  const source = { lexicalFolder: folder };
  await using embedder = await startEmbedder(source, { ...ports, idleMs: 50 }, never);
  expect(embedder.isLoaded).toBe(false); // the built-in one costs nothing before its first text
  await embedder.embed(["first"], never);
  expect(embedder.isLoaded).toBe(true);
  await eventually(() => !embedder.isLoaded);
  expect((await embedder.embed(["back again"], never)).vectors.length).toBe(1);
  expect(embedder.isLoaded).toBe(true);
});

it("refuses what is no model, and names it", async () => {
  const modelPath = join(folder, "wrong.onnx");
  writeFileSync(modelPath, "not a model");
  const source = { modelPath, vocabPath: modelPath };
  const started = startEmbedder(source, ports, never);
  await expect(started).rejects.toMatchObject({ code: "model_invalid" });
  await expect(started).rejects.toThrow(modelPath);
});

describe.skipIf(!hasModelFiles)("a sentence encoder (needs ../shared/models)", () => {
  const source = {
    modelPath: modelFile("tiny-embed-glove25.onnx"),
    vocabPath: modelFile("bert-vocab.txt"),
  };

  it("[K38] gives the cosines that the model is known for", async () => {
    await using embedder = await startEmbedder(source, ports, never);
    expect(embedder.dimensions).toBe(64);
    const fetch = "Fetch user data from the API";
    expect(await cosine(embedder, fetch, "Get the user information from API")).toBeCloseTo(
      0.855,
      2,
    );
    expect(await cosine(embedder, fetch, "print a benchy in red PLA")).toBeCloseTo(0.145, 2);
  });

  it("counts the pieces it gave the model: no padding, not what was cut off", async () => {
    await using embedder = await startEmbedder(source, ports, never);
    const tokensOf = async (...texts: string[]): Promise<number> =>
      (await embedder.embed(texts, never)).tokens;
    expect(await tokensOf("red")).toBe(3); // [CLS] red [SEP]
    expect(await tokensOf("red", "print a red bed")).toBe(3 + 6);
    expect(await tokensOf("red ".repeat(1_000))).toBe(256);
  });

  it("refuses a model of another kind", async () => {
    const modelPath = join(folder, "lexical-1.onnx");
    const started = startEmbedder({ ...source, modelPath }, ports, never);
    await expect(started).rejects.toMatchObject({ code: "model_invalid" });
  });

  it("refuses to go on with a model file that was changed underneath", async () => {
    const modelPath = join(folder, "changing.onnx");
    copyFileSync(source.modelPath, modelPath);
    await using embedder = await startEmbedder(
      { ...source, modelPath },
      { ...ports, idleMs: 20 },
      never,
    );
    await eventually(() => !embedder.isLoaded);
    chmodSync(modelPath, 0o600);
    appendFileSync(modelPath, Uint8Array.from([0x32, 1, 0x78])); // doc_string "x": the same graph
    await expect(embedder.embed(["after"], never)).rejects.toMatchObject({ code: "model_invalid" });
  });
});
