// Server-sent events: the text of one, and a response that is filled only as fast as it is read.

const encoder = new TextEncoder();

/** One event. `data` is JSON on one line. */
export const sseEvent = (event: string, data: unknown): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

export const SSE_PING = ": ping\n\n";

/** OpenAI's form: data only. */
export const sseData = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;

/**
 * A response that asks `next` for text whenever the client has room, until it gives undefined. `next`
 * never rejects. `onEnd` runs once, at the end or when the client has gone.
 */
export function sseResponse(next: () => Promise<string | undefined>, onEnd: () => void): Response {
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const text = await next();
        if (text === undefined) {
          onEnd();
          controller.close();
        } else {
          controller.enqueue(encoder.encode(text));
        }
      },
      cancel: onEnd,
    },
    { highWaterMark: 0 }, // nothing is made before somebody reads it
  );
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no", // nginx would hold the stream back
    },
  });
}

/** True if the caller asks for a stream by its Accept header. */
export const wantsEventStream = (accept: string | undefined): boolean =>
  accept?.includes("text/event-stream") === true;
