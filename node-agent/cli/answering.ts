// Shows a streamed answer as it comes. `ask` and `chat` share it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { AnswerPiece } from "@gantry/shared/client/answer.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { QueryReply, QueryRequest } from "@gantry/shared/contract/schemas/asking.ts";
import { type Context, outLook, showLine } from "./context.ts";
import { renderConfirmation } from "./render/box.ts";
import { type Look, lookOf, paint } from "./render/look.ts";
import { makeMarkdownWriter } from "./render/markdown.ts";
import { cleanLine } from "./render/text.ts";

/** Streams to the terminal, or JSON lines with --json; gives the whole reply. */
export async function showAnswer(
  context: Context,
  client: Client,
  question: QueryRequest,
  signal: AbortSignal,
): Promise<QueryReply> {
  const { stdout } = context.world;
  const writer = makeMarkdownWriter(outLook(context));
  let streamed = "";
  for await (const piece of client.stream(question, { signal })) {
    if (context.isJson) showLine(context, jsonLine(piece));
    if (piece.kind === "queued") {
      showPlace(context, piece);
      continue;
    }
    clearPlace(context);
    if (piece.kind === "token") {
      streamed += piece.text;
      if (!context.isJson) stdout.write(writer.push(piece.text));
      continue;
    }
    if (!context.isJson) {
      stdout.write(writer.push(missing(streamed, piece.reply.result.output)) + writer.end());
      showRest(context, piece.reply);
    }
    return piece.reply;
  }
  throw new GantryError("interrupted", "The answer broke off before its end");
}

function jsonLine(piece: AnswerPiece): object {
  if (piece.kind === "reply") return { type: "reply", ...piece.reply };
  const { kind, ...facts } = piece;
  return { type: kind, ...facts };
}

type Place = Extract<AnswerPiece, { kind: "queued" }>;

/** On stderr, on a line that is written over: who reads the answer from a pipe gets the answer alone. */
function showPlace({ world, isJson }: Context, place: Place): void {
  const { stderr, env } = world;
  const look = lookOf(stderr, env);
  if (isJson || !look.isRich) return;
  const eta = place.etaMs === undefined ? "" : `, about ${Math.ceil(place.etaMs / 1_000)} s`;
  stderr.write(`\r\u001b[K${paint(look, "dim", `waiting: ${place.position} in line${eta}`)}`);
}

function clearPlace({ world, isJson }: Context): void {
  if (!isJson && lookOf(world.stderr, world.env).isRich) world.stderr.write("\r\u001b[K");
}

/** What the reply has beyond what was streamed, and the line feed at its end. */
function missing(streamed: string, output: string): string {
  const end = output.endsWith("\n") ? "" : "\n";
  if (output.startsWith(streamed)) return output.slice(streamed.length) + end;
  return `\n${output}${end}`; // the hub said something else in the end: that counts
}

function showRest(context: Context, reply: QueryReply): void {
  const { stdout, stderr, env } = context.world;
  if (reply.confirmation !== undefined) {
    stdout.write(`${renderConfirmation(outLook(context), reply.confirmation)}\n`);
  }
  // On stderr: what reads the answer from a pipe gets the answer alone.
  stderr.write(`${paint(lookOf(stderr, env), "dim", footer(reply))}\n`);
}

function footer({ routing, requestId, usage }: QueryReply): string {
  const took = routing.cached ? "cached" : `${Math.round(routing.latencyMs)} ms`;
  const cost = usage.costMicroUsd === 0 ? "" : usd(usage.costMicroUsd);
  const parts = [routing.tier, routing.model, took, cost, requestId];
  return cleanLine(parts.filter(Boolean).join(" · "));
}

const usd = (micro: number): string => `$${(micro / 1_000_000).toFixed(6)}`;

/** Why the answer came this way: each tier, what it did and why. */
export function renderRoute(look: Look, { routing, usage }: QueryReply): string {
  const { tier, model, reason, route = [], latencyMs, confidence, cached, metadata } = routing;
  const marks = { taken: "✓", skipped: "·", failed: "✗" } as const;
  const tones = { taken: "green", skipped: "dim", failed: "red" } as const;
  const steps = route.map((step) => {
    const who = step.target === undefined ? step.tier : `${step.tier} (${step.target})`;
    return paint(
      look,
      tones[step.outcome],
      cleanLine(`  ${marks[step.outcome]} ${who}: ${step.reason}`),
    );
  });
  const sure = metadata["confidence"] === "unknown" ? "not known" : confidence.toFixed(2);
  return [
    cleanLine(`${tier} · ${model} · ${reason}`),
    ...steps,
    cleanLine(
      `  ${Math.round(latencyMs)} ms · sure: ${sure} · ${usage.promptTokens} + ${usage.completionTokens} tokens · ${usd(usage.costMicroUsd)}${cached ? " · cached" : ""}`,
    ),
  ].join("\n");
}
