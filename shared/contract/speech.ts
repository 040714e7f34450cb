// Speech as the door for OpenAI's clients hands it to the hub, and what the hub hands back.

export interface TranscribeRequest {
  /** A whole file as it was sent (WAV, FLAC, Ogg, MP3 ...), base64; at most LIMIT.audioBytes of bytes. */
  readonly audioBase64: string;
  readonly fileName: string;
  readonly model?: string;
  /** ISO 639-1. */
  readonly language?: string;
  /** Words that are likely in it. */
  readonly prompt?: string;
}

export interface TranscriptSegment {
  readonly text: string;
  readonly startS: number;
  readonly endS: number;
}

export interface Transcript {
  /** "" where nothing was understood. */
  readonly text: string;
  readonly language?: string;
  readonly durationS?: number;
  readonly segments?: readonly TranscriptSegment[];
}

export interface SpeakRequest {
  readonly text: string;
  readonly model?: string;
  readonly voice?: string;
  /** 1 is normal; 0.25 to 4. */
  readonly speed: number;
}

/** Samples of 16 bits, little endian, one channel; base64. */
export interface SpokenAudio {
  readonly pcmBase64: string;
  readonly rateHz: number;
}
