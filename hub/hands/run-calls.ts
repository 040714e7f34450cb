// What a node of a run does in the world by itself: HTTP requests and turns of a model. Each gives an
// output, or throws a GantryError that becomes the node's fault.
//
// RC1. A large answer goes into the blob store, to enough hubs, before any fact names it.
// RC2. `OutcomeUnknown`: the request left and nobody knows what became of it. A `once` node is then
//      for a person; any other is tried again under the same idempotency key.

import { type ErrorCode, GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { RunUsage } from "@gantry/shared/contract/run-rows.ts";
import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import type { Outbound, OutboundReply } from "../adapters/outbound.ts";
import { act, byHub, type Hub, propose } from "../hub.ts";
import type { BlobStore } from "../ports.ts";
import { isObject, type Json, type JsonObject } from "../workflow/json-value.ts";
import { blocksOf, type DocumentHands, liveSource, runReport } from "./documents.ts";
import type { Models } from "./models.ts";
import type { Queues } from "./queues.ts";
import { patchRules } from "./patch-rules.ts";

type NodeOf<T extends WorkflowNode["type"]> = Extract<WorkflowNode, { type: T }>;

const HTTP_MS = 30_000;
const REFUSED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);
/** It left, or was done, and no more is known: an answer that is too large is one, too. */
const UNKNOWN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["timeout", "interrupted", "too_large"]);
/** Statuses after which the same request may succeed. */
const AGAIN = new Set([408, 425, 429]);

export interface RunCallParts {
  readonly hub: Hub;
  readonly outbound: Outbound;
  /** GANTRY_EGRESS_ALLOW. */
  readonly egressAllow: readonly string[];
  readonly models: Pick<Models, "generate">;
  /** Left out: every task is a job with a row of its own. */
  readonly queues?: Queues;
  /** Left out: no documents are written here. */
  readonly documents?: DocumentHands;
  readonly blobs: {
    readonly store: BlobStore;
    spread(sha256: string, signal: AbortSignal): Promise<void>;
  };
}

export interface RunCall {
  readonly run: string;
  readonly place: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly values: JsonObject;
  /** Told what a model took, before its answer is read. */
  readonly onUsage?: (usage: RunUsage) => void;
}

/** Why a node failed for good: trying again is of no use. */
export class FinalFault extends GantryError {}

/** `once` nodes: it may have happened. */
export const isOutcomeUnknown = (error: unknown): boolean => {
  if (!(error instanceof GantryError)) return true;
  if (UNKNOWN.has(error.code)) return true;
  if (error.code !== "unreachable") return false;
  const { cause } = error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code !== undefined && !REFUSED.has(code);
};

/** An expression that stands alone gives whatever it gives. */
interface HttpValues {
  readonly url: Json;
  readonly headers: Readonly<Record<string, Json>>;
  readonly body?: Json;
}

const textOf = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value));

export async function callHttp(
  parts: RunCallParts,
  node: NodeOf<"http">,
  call: RunCall,
  signal: AbortSignal,
): Promise<Json> {
  const { url, headers, body } = { ...node, ...call.values } as HttpValues; // its own members, worked out
  const sent = headersOf(headers);
  if (!sent.has("idempotency-key")) sent.set("idempotency-key", call.idempotencyKey);
  const hasBody = body !== undefined && body !== null;
  if (hasBody && typeof body !== "string" && !sent.has("content-type"))
    sent.set("content-type", "application/json");
  const reply = await parts.outbound.send(
    {
      method: node.method,
      url: textOf(url),
      headers: Object.fromEntries(sent),
      ...(hasBody ? { body: typeof body === "string" ? body : JSON.stringify(body) } : {}),
      bytesMax: node.responseBytesMax,
      timeoutMs: node.timeoutMs ?? HTTP_MS,
    },
    signal,
  );
  if (reply.status >= 400) throw statusFault(reply);
  return { status: reply.status, headers: reply.headers, body: bodyOf(reply) };
}

/** Throws bad_request: nothing has left. */
function headersOf(given: HttpValues["headers"]): Headers {
  try {
    return new Headers(
      Object.entries(given).map(([name, value]) => [name, textOf(value)] as [string, string]),
    );
  } catch (cause) {
    throw new GantryError("bad_request", "headers: one of them cannot be sent", { cause });
  }
}

function statusFault({ status, bytes }: OutboundReply): GantryError {
  const said = bytes.subarray(0, 500).toString("utf8");
  const message = `The answer has the status ${status}${said === "" ? "" : `: ${said}`}`;
  const mayPass = status >= 500 || AGAIN.has(status);
  return mayPass
    ? new GantryError("command_failed", message, { details: { status } })
    : new FinalFault("command_failed", message, { details: { status } });
}

function bodyOf({ headers, bytes }: OutboundReply): Json {
  const type = headers["content-type"] ?? "";
  const text = new TextDecoder("utf-8", { fatal: false }).decode(bytes);
  if (!/\bjson\b/.test(type)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text; // it said JSON and was not
  }
}

export async function askModel(
  parts: RunCallParts,
  node: NodeOf<"agent">,
  call: RunCall,
  signal: AbortSignal,
): Promise<Json> {
  const { prompt, system } = { ...node, ...call.values } as { prompt: Json; system?: Json };
  const limited = parts.hub.clock.timeout(node.timeoutMs ?? TIMEOUT.answerMs, signal);
  const { generated } = await parts.models.generate(
    node.model,
    {
      messages: [
        ...(system === undefined ? [] : [{ role: "system" as const, content: textOf(system) }]),
        { role: "user" as const, content: textOf(prompt) },
      ],
      maxTokens: node.maxTokens ?? LIMIT.answerTokens.max,
      temperature: 0,
      ...(node.schema === undefined ? {} : { jsonSchema: node.schema }),
    },
    () => {},
    limited,
    { urgency: "workflow" },
  );
  const { promptTokens, completionTokens } = generated;
  call.onUsage?.({ promptTokens, completionTokens, costMicroUsd: 0 }); // models of the house cost nothing
  if (node.schema === undefined && node.patches === "no") return { text: generated.text };
  const given = read(generated.text, node.schema !== undefined);
  return node.patches === "no" ? given : proposePatch(parts, call, given, signal);
}

/** The output names the record and its files. */
export async function writeDocument(
  { hub, documents }: RunCallParts,
  node: NodeOf<"document">,
  { run, place, idempotencyKey, values }: RunCall,
  signal: AbortSignal,
): Promise<Json> {
  const row = hub.rows.hot("run").get(run);
  if (documents === undefined || row === undefined)
    throw new FinalFault("capability_missing", "No documents are written here");
  const {
    title,
    author = "",
    content,
  } = { ...node, ...values } as {
    title: Json;
    author?: Json;
    content?: Json;
  }; // its own members, worked out
  const blocks =
    content === undefined ? runReport(hub, liveSource(hub, row)).blocks : blocksOf(content);
  const kept = await documents.write(
    {
      model: { title: textOf(title).slice(0, 200), author: textOf(author).slice(0, 200), blocks },
      formats: node.formats,
      run,
      place,
      key: idempotencyKey,
    },
    byHub(hub),
    signal,
  );
  return { artifact: kept.artifact, words: kept.words, files: { ...kept.files } as JsonObject }; // of JSON alone
}

/** What is said in JSON is JSON; where that was not asked for, anything else is text. */
function read(text: string, mustBeJson: boolean): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    if (!mustBeJson) return { text };
    throw new GantryError("model_failed", "The model's answer is not JSON", { cause });
  }
}

/**
 * RC3. An agent proposes a patch by an output with `patch: {operations, reason}`; what became of it is
 * `patched` in the output. The first proposal of an attempt counts, also when the turn is done again.
 */
async function proposePatch(
  { hub, egressAllow }: RunCallParts,
  { run, place, attempt, idempotencyKey }: RunCall,
  given: Json,
  signal: AbortSignal,
): Promise<Json> {
  const patch = isObject(given) ? given["patch"] : undefined;
  if (!isObject(given) || !isObject(patch)) return given;
  const { operations, reason } = patch;
  const body = {
    type: "runPatched" as const,
    run,
    by: { kind: "agent" as const, place },
    operations: Array.isArray(operations) ? operations : [],
    reason: typeof reason === "string" ? reason : "",
    rules: patchRules(hub, egressAllow),
  };
  const replay = { key: `${idempotencyKey} patch ${attempt}`, requestSha256: "" };
  const reply = await propose(hub, body, { ...byHub(hub), replay }, signal);
  if (!reply.ok)
    return { ...given, patched: { refused: reply.error.code, why: reply.error.message } };
  const { revision, ticket } = reply.value as { revision: number; ticket?: string }; // domains/run-patches.ts
  return { ...given, patched: ticket === undefined ? { revision } : { approval: ticket } };
}

/**
 * RC1. The output as facts may carry it. Throws interrupted: it was done, so to say anything that sounds
 * like "it was not" would let a `once` node be taken for one that never happened.
 */
export async function fitOutput(
  parts: RunCallParts,
  run: string,
  output: Json,
  signal: AbortSignal,
): Promise<Json> {
  const text = JSON.stringify(output);
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes <= LIMIT.runOutputBytes.max) return output;
  try {
    return { $blob: await keepBlob(parts, run, text, signal), sizeBytes };
  } catch (cause) {
    throw new GantryError("interrupted", "It was done, and its output could not be kept", {
      cause,
    });
  }
}

async function keepBlob(
  { hub, blobs }: RunCallParts,
  run: string,
  text: string,
  signal: AbortSignal,
): Promise<string> {
  const writer = await blobs.store.write();
  let sha256: string;
  try {
    await writer.write(Buffer.from(text));
    ({ sha256 } = await writer.finish());
  } catch (error) {
    await writer.abort();
    throw error;
  }
  await blobs.spread(sha256, signal);
  await act(hub, { type: "runBlobKept", run, sha256 }, byHub(hub), signal);
  return sha256;
}
