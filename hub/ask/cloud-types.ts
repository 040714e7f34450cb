// What the path of a question and the adapters of providers say to each other.

import type { CompletionMessage, Picture } from "@gantry/shared/contract/completions.ts";
import type { ErrorCode } from "@gantry/shared/base/errors.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Prices, Took } from "../asking/price.ts";

export interface CloudModel extends Prices {
  readonly name: string;
  readonly contextTokens: number;
  readonly answerTokensMax: number;
  readonly seesImages: boolean;
}

export interface CloudRequest {
  readonly model: string;
  readonly messages: readonly CompletionMessage[];
  /** Go with the last message. */
  readonly pictures: readonly Picture[];
  readonly maxTokens: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly jsonSchema?: unknown;
  /** Names the call in the provider's own books, where it keeps that. */
  readonly callId: string;
}

export interface CloudAnswer extends Took {
  readonly text: string;
  readonly finishReason: "stop" | "length";
}

/** One provider: its way of speaking and its credential. Holds no facts. */
export interface CloudProvider {
  readonly name: string;
  readonly models: readonly CloudModel[];
  hasKey(): boolean;
  /**
   * Streams, and gives the whole with what it took. Throws CloudFault.
   */
  complete(
    request: CloudRequest,
    onText: (text: string) => void,
    signal: AbortSignal,
  ): Promise<CloudAnswer>;
}

/** `isCharged` false: surely nothing was charged; undefined: nobody knows. */
export class CloudFault extends GantryError {
  readonly isCharged: false | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    {
      isCharged,
      retryAfterS,
      cause,
    }: {
      readonly isCharged: false | undefined;
      readonly retryAfterS?: number | undefined;
      readonly cause?: unknown;
    },
  ) {
    super(code, message, {
      ...(cause === undefined ? {} : { cause }),
      ...(retryAfterS === undefined ? {} : { details: { retryAfterS } }),
    });
    this.isCharged = isCharged;
  }
}
