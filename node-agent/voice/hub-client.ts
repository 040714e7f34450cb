// What a satellite asks of the hub, over the same HTTP routes that everybody uses.
//
// HC1. A halt goes to this machine's bridge and to the hub at the same time, and neither waits for the
//      other: without a hub the printers here still stop.
// HC2. One conversation for each room while it lasts; when the hub no longer knows it, a new one.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Client } from "@gantry/shared/client/client.ts";
import type { QueryReply } from "@gantry/shared/contract/schemas/asking.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { HubConfirmation, VoiceHub } from "./satellite-loop.ts";

const CLAIM_MS = 1_200;
const HALT_MS = 3_000;
/** After so long a silence a new subject begins. */
const CONVERSATION_MS = 300_000;
const FILES_MAX = 100;

export interface HubClientParts {
  readonly client: Client;
  readonly clock: Clock;
  readonly satellite: string;
  /** Satellites of one room hear the same person. */
  readonly room: string;
  /** Undefined: no bridge here, or it did not answer. */
  readonly stopHere: () => Promise<readonly string[] | undefined>;
}

export function makeVoiceHub(parts: HubClientParts): VoiceHub {
  const { client, clock, satellite, room } = parts;
  let conversation: { id: string; usedMs: number } | undefined;

  async function query(
    text: string,
    onText: (text: string) => void,
    signal: AbortSignal,
  ): Promise<QueryReply> {
    const isOld =
      conversation !== undefined && clock.monotonic() - conversation.usedMs > CONVERSATION_MS;
    if (isOld) conversation = undefined;
    const known = conversation === undefined ? {} : { conversationId: conversation.id };
    let streamed = "";
    for await (const piece of client.stream({ prompt: text, ...known }, { signal })) {
      if (piece.kind === "queued") continue;
      if (piece.kind === "token") {
        streamed += piece.text;
        onText(piece.text);
        continue;
      }
      const { output } = piece.reply.result;
      if (output.startsWith(streamed)) onText(output.slice(streamed.length));
      return piece.reply;
    }
    throw new GantryError("interrupted", "The answer broke off before its end");
  }

  return {
    async claim(loudnessDb, signal) {
      const body = { satellite, room, loudnessDb: Math.round(loudnessDb * 10) / 10 };
      const { isOurs } = await client.voiceClaimed({ body, signal, timeoutMs: CLAIM_MS });
      return isOurs;
    },
    async ask(text, onText, signal) {
      let reply: QueryReply;
      try {
        reply = await query(text, onText, signal);
      } catch (error) {
        const code = error instanceof GantryError ? error.code : undefined;
        if (conversation === undefined || (code !== "not_found" && code !== "gone")) throw error;
        conversation = undefined; // HC2
        reply = await query(text, onText, signal);
      }
      conversation = { id: reply.conversationId, usedMs: clock.monotonic() };
      return reply.confirmation === undefined ? undefined : confirmationOf(reply.confirmation);
    },
    async confirm(id, phrase, signal) {
      await client.confirm({ id, body: { phrase }, signal });
    },
    async withdraw(id, signal) {
      await client.confirmationCancelled({ id, signal });
    },
    async halt() {
      const here = parts.stopHere().catch(() => undefined); // HC1
      const limit = clock.timeout(HALT_MS);
      const all = await client.stop({ body: {}, signal: limit }).catch(() => undefined);
      const local = (await here) ?? [];
      const stopped = [...new Set([...(all?.stopped ?? []), ...local])];
      const missed = (all?.unreachable ?? []).filter((id) => !local.includes(id));
      const done =
        stopped.length === 0 ? "No printer confirmed it." : `Halted: ${stopped.join(", ")}.`;
      if (all === undefined) return `${done} The hub was not reached: look at the other machines.`;
      return missed.length === 0
        ? done
        : `${done} Not reached: ${missed.join(", ")}. Switch off the power there.`;
    },
    async names(signal) {
      const [{ devices }, { jobs: prints }] = await Promise.all([
        client.devices({ signal }),
        client.prints({ query: { limit: FILES_MAX }, signal }),
      ]);
      return {
        printers: devices.filter(({ kind }) => kind === "printer").map(({ id }) => id),
        files: [...new Set(prints.map(({ name }) => name))],
      };
    },
  };
}

const confirmationOf = ({
  id,
  phrase,
  summary,
  hazardClass,
  hazards,
}: HubConfirmation): HubConfirmation => ({ id, phrase, summary, hazardClass, hazards });
