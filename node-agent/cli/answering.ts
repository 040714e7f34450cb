// Shows a streamed answer as it comes. `ask` and `chat` share it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { QueryReply, QueryRequest } from "@gantry/shared/contract/schemas/asking.ts";
import { type Context, outLook, showLine } from "./context.ts";
import { renderConfirmation } from "./render/box.ts";
import { lookOf, paint } from "./render/look.ts";
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

const jsonLine = (
  piece: { kind: "token"; text: string } | { kind: "reply"; reply: QueryReply },
): object =>
  piece.kind === "token" ? { type: "token", text: piece.text } : { type: "reply", ...piece.reply };

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

function footer({ routing, requestId }: QueryReply): string {
  const took = routing.cached ? "cached" : `${Math.round(routing.latencyMs)} ms`;
  return cleanLine([routing.tier, routing.model, took, requestId].filter(Boolean).join(" · "));
}
