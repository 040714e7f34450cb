// Speech services of others that speak Wyoming: speech to text and text to speech, one connection for
// each utterance, as Home Assistant does it.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { dialWyoming, wyomingAddress } from "@gantry/shared/client/wyoming-call.ts";
import { bytesOf, EAR_HZ, samplesIn } from "../voice/audio/pcm.ts";
import { mono } from "../voice/audio/wav.ts";
import type { Recogniser, VoiceMaker } from "../voice/ports.ts";
import { audioData, audioFormatOf, textOf } from "../voice/wyoming/messages.ts";

export function openWyomingRecogniser(address: string, language: string): Recogniser {
  const at = wyomingAddress(address);
  return {
    name: `wyoming ${address}`,
    languages: [language],
    begin() {
      const call = dialWyoming(at);
      call.send("transcribe", { language });
      call.send("audio-start", audioData(EAR_HZ));
      return {
        push: (samples) => call.send("audio-chunk", audioData(EAR_HZ), bytesOf(samples)),
        async finish(signal) {
          call.send("audio-stop", {});
          try {
            for (;;) {
              const event = await call.next(signal);
              if (event.type === "transcript") return textOf(event).trim();
            }
          } finally {
            call.end();
          }
        },
        drop: () => call.end(),
      };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

export function openWyomingMouth(address: string, clock: Clock): VoiceMaker {
  const at = wyomingAddress(address);
  return {
    name: `wyoming ${address}`,
    voices: [],
    async *speak(text, { voice }, signal) {
      const call = dialWyoming(at);
      const limit = clock.timeout(TIMEOUT.answerMs, signal);
      try {
        call.send("synthesize", {
          text,
          ...(voice === undefined ? {} : { voice: { name: voice } }),
        });
        let format = { hz: EAR_HZ, channels: 1 };
        for (;;) {
          const event = await call.next(limit);
          if (event.type === "audio-start") format = audioFormatOf(event);
          if (event.type === "audio-stop") return;
          if (event.type !== "audio-chunk") continue;
          const samples = mono(samplesIn(event.payload), format.channels);
          if (samples.length > 0) yield { hz: format.hz, samples };
        }
      } finally {
        call.end();
      }
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
