import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readGguf } from "../rules/gguf.ts";
import { chooseHubFile, HF_ENDPOINT, parseModelAddress } from "../rules/model-address.ts";
import { hasModelFiles, modelFile } from "./model-files.ts";
import { listModels, type PullOptions, pullModel, type PullProgress } from "./models.ts";

const never = new AbortController().signal;

/** Waits between tries are skipped: what is tested is what happens, not how long it takes. */
const hasty: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms > 20_000 ? ms : 0, signal),
};
const ports = { clock: hasty, random: () => 0 };

const bytes = tinyGguf(400_000);
const hash = createHash("sha256").update(bytes).digest("hex");

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

let folder: string;
let server: Server | undefined;
let seen: IncomingMessage[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-pull-"));
  seen = [];
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  rmSync(folder, { recursive: true });
});

async function serve(handler: Handler): Promise<string> {
  server = createServer((request, response) => {
    seen.push(request);
    handler(request, response, seen.length);
  });
  const listening = server;
  await new Promise<void>((resolve) => void listening.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${portOf(listening)}`;
}

const portOf = (listening: Server | undefined): number =>
  (listening?.address() as AddressInfo | undefined)?.port ?? 0;

/** A well-behaved server of `body`, with ranges. */
function sendFile(request: IncomingMessage, response: ServerResponse, body = bytes): void {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const from = range === null || request.headers["if-range"] !== '"v1"' ? 0 : Number(range[1]);
  response.setHeader("etag", '"v1"');
  response.setHeader("content-length", body.length - from);
  if (from > 0)
    response.setHeader("content-range", `bytes ${from}-${body.length - 1}/${body.length}`);
  response.statusCode = from > 0 ? 206 : 200;
  response.end(body.subarray(from));
}

/** Sends the first half and cuts the connection. */
function cutInTheMiddle(response: ServerResponse, tag = '"v1"'): void {
  response.setHeader("etag", tag);
  response.setHeader("content-length", bytes.length);
  response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
}

const pull = (endpoint: string, more: Partial<PullOptions> = {}) =>
  pullModel(
    { uri: "hf:maker/model/tiny.gguf", directory: folder, endpoint, ...more },
    ports,
    never,
  );

const onDisk = (): Buffer => readFileSync(join(folder, "tiny.gguf"));

describe("pulling a model", () => {
  it("fetches, checks, names it and says how far it is", async () => {
    const endpoint = await serve((request, response) => sendFile(request, response));
    const told: PullProgress[] = [];
    const model = await pull(endpoint, { sha256: hash, onProgress: (step) => told.push(step) });
    expect(model).toMatchObject({
      name: "tiny",
      sha256: hash,
      wasPresent: false,
      sizeBytes: bytes.length,
    });
    expect(onDisk().equals(bytes)).toBe(true);
    expect(told.at(-1)).toMatchObject({ doneBytes: bytes.length, totalBytes: bytes.length });
    expect(seen[0]?.url).toBe("/maker/model/resolve/main/tiny.gguf");
    expect(existsSync(join(folder, "tiny.gguf.part.json"))).toBe(false);
    expect((await pull(endpoint, { sha256: hash })).wasPresent).toBe(true);
    expect(seen.length).toBe(1);
  });

  it("goes on where the connection was cut", async () => {
    const endpoint = await serve((request, response, count) => {
      if (count === 1) cutInTheMiddle(response);
      else sendFile(request, response);
    });
    await pull(endpoint);
    expect(onDisk().equals(bytes)).toBe(true);
    expect(seen[1]?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it("starts again when the server ignores the range", async () => {
    const endpoint = await serve((_, response, count) => {
      if (count === 1) return cutInTheMiddle(response);
      response.setHeader("content-length", bytes.length);
      response.end(bytes);
    });
    await pull(endpoint);
    expect(onDisk().equals(bytes)).toBe(true);
  });

  it("never mixes two versions of a file", async () => {
    const endpoint = await serve((request, response, count) => {
      if (count === 1) cutInTheMiddle(response, '"v0"');
      else sendFile(request, response);
    });
    await pull(endpoint);
    expect(seen[1]?.headers["if-range"]).toBe('"v0"');
    expect(onDisk().equals(bytes)).toBe(true);
  });

  it("deletes wrong bytes and says checksum_mismatch", async () => {
    const wrong = Buffer.from(bytes);
    wrong[wrong.length - 1] = 1;
    const endpoint = await serve((request, response) => sendFile(request, response, wrong));
    await expect(pull(endpoint, { sha256: hash })).rejects.toMatchObject({
      code: "checksum_mismatch",
    });
    expect(existsSync(join(folder, "tiny.gguf"))).toBe(false);
    expect(existsSync(join(folder, "tiny.gguf.part"))).toBe(false);
  });

  it("checks the hash that Hugging Face promises, and keeps the token from the other host", async () => {
    const endpoint = await serve((request, response) => {
      if (request.url === "/cdn") return sendFile(request, response);
      response.statusCode = 302;
      response.setHeader("x-linked-etag", `"${"0".repeat(64)}"`);
      response.setHeader("location", `http://localhost:${portOf(server)}/cdn`);
      response.end();
    });
    await expect(pull(endpoint, { token: "secret" })).rejects.toMatchObject({
      code: "checksum_mismatch",
    });
    expect(seen[0]?.headers.authorization).toBe("Bearer secret");
    expect(seen[1]?.headers.authorization).toBe(undefined);
  });

  it.each([
    [404, "not_found", 1],
    [401, "unauthenticated", 1],
    [403, "unauthenticated", 1],
    [503, "unreachable", 5],
    [429, "rate_limited", 5],
  ])("HTTP %i is %s after %i tries", async (status, code, tries) => {
    const endpoint = await serve((_, response) => {
      response.statusCode = status;
      response.end("no");
    });
    await expect(pull(endpoint)).rejects.toMatchObject({ code });
    expect(seen.length).toBe(tries);
  });

  it("gives up on a server that always breaks off, and keeps what came", async () => {
    const endpoint = await serve((_, response) => {
      response.setHeader("etag", '"v1"');
      response.setHeader("content-length", 1_000);
      response.write("GGUF", () => response.destroy());
    });
    await expect(pull(endpoint)).rejects.toMatchObject({ code: "unreachable" });
    expect(existsSync(join(folder, "tiny.gguf.part"))).toBe(true);
  });

  it("refuses a page that is no model", async () => {
    const endpoint = await serve((_, response) => void response.end("<html>Please log in</html>"));
    await expect(pull(endpoint)).rejects.toMatchObject({ code: "model_invalid" });
    expect(existsSync(join(folder, "tiny.gguf"))).toBe(false);
  });

  it("says disk_full before it writes what cannot fit, without trying again", async () => {
    const endpoint = await serve((_, response) => {
      response.setHeader("content-length", 2 ** 50);
      response.write("GGUF");
    });
    await expect(pull(endpoint)).rejects.toMatchObject({ code: "disk_full" });
    expect(seen.length).toBe(1);
  });

  it("stops when its caller does", async () => {
    const controller = new AbortController();
    const endpoint = await serve((_, response) => {
      response.setHeader("content-length", bytes.length);
      response.write(bytes.subarray(0, 10), () => controller.abort());
    });
    const options = { uri: "hf:maker/model/tiny.gguf", directory: folder, endpoint };
    await expect(pullModel(options, ports, controller.signal)).rejects.toMatchObject({
      code: "cancelled",
    });
  });

  it("chooses the quantisation from a repository's list", async () => {
    const endpoint = await serve((request, response) => {
      if (request.url !== "/api/models/maker/model") return sendFile(request, response);
      const siblings = ["README.md", "big-F16.gguf", "tiny.gguf"].map((rfilename) => ({
        rfilename,
      }));
      response.end(JSON.stringify({ siblings }));
    });
    await pull(endpoint, { uri: "hf:maker/model:tiny" });
    expect(onDisk().equals(bytes)).toBe(true);
    await expect(pull(endpoint, { uri: "hf:maker/model:Q9" })).rejects.toThrow("big-F16.gguf");
  });
});

describe("addresses", () => {
  it.each([
    "hf:maker/model/../../etc/passwd.gguf",
    "hf:maker/model/file.txt",
    "hf:maker",
    "ftp://host/a.gguf",
    "http://192.168.1.9/a.gguf",
    "https://host/%2e%2e%2fa.gguf",
    "/etc/passwd",
  ])("refuses %s", (uri) => {
    expect(() => parseModelAddress(uri, HF_ENDPOINT, false)).toThrow("is no address of a model");
  });

  it("takes plain http with a hash", () => {
    const address = parseModelAddress("http://192.168.1.9/a.gguf", HF_ENDPOINT, true);
    expect(address).toMatchObject({ kind: "file", fileName: "a.gguf" });
  });

  it("refuses a model in parts, and says what there is", () => {
    expect(() => chooseHubFile(["m-Q4_K_M-00001-of-00002.gguf"], "Q4_K_M")).toThrow(
      "several parts",
    );
  });
});

describe("the list of models", () => {
  it("shows the wrong ones with the reason", async () => {
    writeFileSync(join(folder, "good.gguf"), bytes);
    writeFileSync(join(folder, "cut.gguf"), bytes.subarray(0, 200_000));
    writeFileSync(join(folder, "wrong.gguf"), "hello");
    writeFileSync(join(folder, "other.txt"), "hello");
    const models = await listModels(folder, [join(folder, "good.gguf"), "/no/such.gguf"], never);
    expect(models.map(({ kind, name }) => [kind, name])).toEqual([
      ["invalid", "cut"],
      ["model", "good"],
      ["invalid", "such"],
      ["invalid", "wrong"],
    ]);
    expect(models[1]).toMatchObject({
      architecture: "llama",
      contextTokens: 64,
      parameters: 100_000,
    });
    expect(await listModels(join(folder, "none"), [], never)).toEqual([]);
  });

  it("never fails on a header of random bytes", () => {
    for (let cut = 0; cut < 150; cut += 1) {
      expect(readGguf(bytes.subarray(0, cut)).kind).not.toBe("read");
      const damaged = Uint8Array.from(bytes.subarray(0, 300));
      damaged[cut] = 0xff;
      expect(["read", "short", "invalid"]).toContain(readGguf(damaged).kind);
    }
  });

  it.skipIf(!hasModelFiles)("reads a real model's header (needs ../shared/models)", async () => {
    const [model] = await listModels(join(folder, "none"), [modelFile("stories260K.gguf")], never);
    expect(model).toMatchObject({
      kind: "model",
      name: "stories260K",
      architecture: "llama",
      contextTokens: 512,
      hasChatTemplate: false,
    });
  });
});

/** A GGUF file with one tensor of zeros that is `dataBytes` long. */
function tinyGguf(dataBytes: number): Buffer {
  const text = (value: string): Buffer => Buffer.concat([u64(value.length), Buffer.from(value)]);
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(2), // tensors
    u64(2), // keys
    text("general.architecture"),
    u32(8),
    text("llama"),
    text("llama.context_length"),
    u32(4),
    u32(64),
    ...[0, dataBytes - 32].flatMap((offset, index) => [
      text(`tensor.${index}`),
      u32(1),
      u64(index === 0 ? dataBytes / 4 - 8 : 8),
      u32(0),
      u64(offset),
    ]),
  ]);
  return Buffer.concat([
    head,
    Buffer.alloc((32 - (head.length % 32)) % 32),
    Buffer.alloc(dataBytes),
  ]);
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}
