// Hearing and speaking for the doors by a service that speaks Wyoming: `gantry voice serve` on any machine of
// the house, or anybody's Whisper and Piper.
//
// SH1. Sound comes as WAV (PCM of 16 bits); other formats are refused by name, never handed on in part.
// SH2. One connection for each request; it ends with the request.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { dialWyoming, wyomingAddress } from "@gantry/shared/client/wyoming-call.ts";
import { readWavHeader, type WavHeader } from "@gantry/shared/contract/wav-header.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Speech } from "../ports.ts";

const CHUNK_BYTES = 32_768;
const DEFAULT_HZ = 22_050;

/** `address`: HOST:PORT. Throws bad_config. */
export function openWyomingSpeech(address: string, clock: Clock): Speech {
  const at = wyomingAddress(address);
  return {
    async transcribe({ audioBase64, fileName, language }, signal) {
      const bytes = Buffer.from(audioBase64, "base64");
      const { hz, channels, dataAt } = headerOf(bytes, fileName);
      const format = { rate: hz, width: 2, channels };
      const limit = clock.timeout(TIMEOUT.answerMs, signal);
      const call = dialWyoming(at);
      try {
        call.send("transcribe", language === undefined ? {} : { language });
        call.send("audio-start", format);
        for (let from = dataAt; from < bytes.byteLength; from += CHUNK_BYTES) {
          call.send("audio-chunk", format, bytes.subarray(from, from + CHUNK_BYTES));
          await call.drained(limit);
        }
        call.send("audio-stop", {});
        for (;;) {
          const { type, data } = await call.next(limit);
          if (type !== "transcript") continue;
          const durationS = (bytes.byteLength - dataAt) / (2 * channels * hz);
          return { text: typeof data["text"] === "string" ? data["text"].trim() : "", durationS };
        }
      } finally {
        call.end();
      }
    },
    async speak({ text, voice }, signal) {
      const limit = clock.timeout(TIMEOUT.answerMs, signal);
      const call = dialWyoming(at);
      const pieces: Uint8Array[] = [];
      let rateHz = DEFAULT_HZ;
      let sizeBytes = 0;
      try {
        call.send("synthesize", voice === undefined ? { text } : { text, voice: { name: voice } });
        for (;;) {
          const { type, data, payload } = await call.next(limit);
          if (type === "audio-start" && typeof data["rate"] === "number") rateHz = data["rate"];
          if (type === "audio-stop") break;
          if (type !== "audio-chunk") continue;
          pieces.push(payload);
          sizeBytes += payload.byteLength;
          if (sizeBytes > LIMIT.audioBytes.max) {
            throw new GantryError("too_large", "What the speech service says has no end");
          }
        }
      } finally {
        call.end();
      }
      return { pcmBase64: Buffer.concat(pieces).toString("base64"), rateHz };
    },
  };
}

/** SH1. */
function headerOf(bytes: Uint8Array, fileName: string): WavHeader {
  const isWav = Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "RIFF";
  const header = isWav ? readWavHeader(bytes) : undefined;
  if (header !== undefined) return header;
  throw new GantryError(
    "unsupported_media",
    `${fileName.slice(0, 120)} is no WAV file (PCM, 16 bits): the speech service here reads nothing else`,
  );
}
