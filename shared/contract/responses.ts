// Responses of POST /v1/responses that are kept, so that the next request may name one and go on from it.

/** An item of OpenAI's reference, as it was sent or given; the door reads and writes them. */
export type ResponseItem = Readonly<Record<string, unknown>>;

export interface ResponseRow {
  readonly id: string;
  /** It exists for this person alone. */
  readonly person: string;
  readonly atMs: number;
  /** The response that it goes on from. */
  readonly previous?: string;
  /** What was asked, without what came before it. */
  readonly input: readonly ResponseItem[];
  /** As it was given; its `output` is what was answered. */
  readonly response: Readonly<Record<string, unknown>>;
}

/** Takes what of the row is not known to the log by itself. */
export type ResponseCommand =
  | ({ readonly type: "responseKept" } & Omit<ResponseRow, "person" | "atMs">)
  | { readonly type: "responseDropped"; readonly id: string };
