// A streamed answer that may still fail with a status of its own: the reply begins with the first text,
// with the end, or after TIMEOUT.streamBeginMs, whichever comes first. Until then a refusal is an
// ordinary one, with Retry-After, which clients know how to obey; after it, it is said in the stream.
//
// LS1. A client that goes away ends the work, before and after the reply has begun.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { answerStream } from "../answer-stream.ts";

export interface LiveStream {
  /** Tells `say` the stream's text as it comes to be; the result is its end. */
  readonly work: (signal: AbortSignal, say: (text: string) => void) => Promise<string>;
  /** The end of a stream that fails after it began. */
  readonly failure: (error: unknown) => string;
}

/** Throws what the work failed with before the reply began. */
export async function liveStream(
  { work, failure }: LiveStream,
  clock: Clock,
  parent: AbortSignal,
): Promise<Response> {
  const ended = new AbortController();
  const begun = new AbortController();
  let early = "";
  let say = (text: string): void => {
    early += text;
    begun.abort();
  };
  const onGone = (): void => ended.abort(reasonOf(parent));
  if (parent.aborted) onGone();
  parent.addEventListener("abort", onGone, { once: true });
  const running = work(ended.signal, (text) => say(text));
  let failed: { readonly cause: unknown } | undefined;
  void running
    .catch((cause: unknown) => {
      failed = { cause };
    })
    .finally(() => begun.abort());
  await clock.sleep(TIMEOUT.streamBeginMs, begun.signal).catch(() => undefined); // it began
  if (failed !== undefined && early === "") throw failed.cause;

  return answerStream(
    {
      work: async (signal, onText) => {
        signal.addEventListener("abort", () => ended.abort(reasonOf(signal)), { once: true }); // LS1
        if (early !== "") onText(early);
        say = onText;
        return running;
      },
      head: "",
      piece: (text) => text,
      end: (last) => last as string, // of `work`
      failure,
    },
    clock,
    parent,
  );
}
