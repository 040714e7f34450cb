// The events of Wyoming that we speak, as data: what services say they are, and how sound is described.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { WyomingEvent } from "@gantry/shared/contract/wyoming.ts";

export interface AudioFormat {
  readonly hz: number;
  /** Bytes of a sample. */
  readonly width: number;
  readonly channels: number;
}

export const audioData = (hz: number): Readonly<Record<string, number>> => ({
  rate: hz,
  width: 2,
  channels: 1,
});

/** Throws bad_frame for what is not 16 bit PCM of 4 to 192 kHz and 1 to 8 channels. */
export function audioFormatOf({ type, data }: WyomingEvent): AudioFormat {
  const { rate, width, channels } = data;
  const fits =
    typeof rate === "number" &&
    Number.isInteger(rate) &&
    rate >= 4_000 &&
    rate <= 192_000 &&
    width === 2 &&
    typeof channels === "number" &&
    Number.isInteger(channels) &&
    channels >= 1 &&
    channels <= 8;
  if (!fits) throw new GantryError("bad_frame", `${type} describes no sound that can be read here`);
  return { hz: rate, width: 2, channels };
}

export const textOf = ({ data }: WyomingEvent): string => {
  const { text } = data;
  return typeof text === "string" ? text : "";
};

export interface InfoParts {
  readonly version: string;
  readonly recogniser: string | undefined;
  readonly languages: readonly string[];
  readonly mouth: string | undefined;
  readonly voices: readonly string[];
  readonly canHandle: boolean;
  /** Set where this machine is a satellite: its name and room. */
  readonly satellite?: { readonly name: string; readonly area: string } | undefined;
}

const SELF = { name: "Gantry", url: "http://127.0.0.1" } as const;

/** The answer to `describe`. */
export function infoOf(parts: InfoParts): Readonly<Record<string, unknown>> {
  const { version, recogniser, languages, mouth, voices, canHandle, satellite } = parts;
  const artifact = (name: string, description: string): Record<string, unknown> => ({
    name,
    description,
    attribution: SELF,
    installed: true,
    version,
  });
  return {
    asr:
      recogniser === undefined
        ? []
        : [
            {
              ...artifact("gantry", "Speech to text of Gantry"),
              models: [{ ...artifact(recogniser, recogniser), languages: [...languages] }],
              supports_transcript_streaming: false,
            },
          ],
    tts:
      mouth === undefined
        ? []
        : [
            {
              ...artifact("gantry", "Text to speech of Gantry"),
              voices: voices.map((voice) => ({
                ...artifact(voice, `${mouth} ${voice}`),
                languages: [voice.split("+")[0] ?? voice],
              })),
              supports_synthesize_streaming: false,
            },
          ],
    handle: canHandle
      ? [
          {
            ...artifact("gantry", "Answers and acts by the hub of Gantry"),
            models: [{ ...artifact("gantry", "the hub"), languages: [...languages] }],
            supports_handled_streaming: false,
          },
        ]
      : [],
    intent: [],
    wake: [],
    mic: [],
    snd: [],
    ...(satellite === undefined
      ? {}
      : {
          satellite: {
            ...artifact(satellite.name, "A microphone and a loudspeaker of Gantry"),
            area: satellite.area,
            has_vad: true,
            supports_trigger: true,
          },
        }),
  };
}
