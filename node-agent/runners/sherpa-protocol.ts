// What the speech process and the agent say to each other over the channel of `fork`.

/** One model: its folder is the person's, what is in it decides its kind. */
export interface SherpaStart {
  readonly task: "asr" | "tts" | "vad";
  readonly folder: string;
  readonly threads: number;
}

export type ToSherpa =
  | {
      readonly type: "hear";
      readonly id: number;
      readonly hz: number;
      readonly samples: Float32Array;
    }
  | {
      readonly type: "say";
      readonly id: number;
      readonly text: string;
      readonly speaker: number;
      readonly speed: number;
    };

export type FromSherpa =
  | { readonly type: "ready"; readonly voices: number }
  | { readonly type: "missing"; readonly message: string }
  | { readonly type: "heard"; readonly id: number; readonly text: string }
  /** Of `vad`: where speech is, in samples. */
  | {
      readonly type: "segments";
      readonly id: number;
      readonly segments: readonly { readonly from: number; readonly count: number }[];
    }
  | {
      readonly type: "said";
      readonly id: number;
      readonly hz: number;
      readonly samples: Float32Array;
    }
  | { readonly type: "failed"; readonly id: number; readonly message: string };
