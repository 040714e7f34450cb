// What comes over a WebSocket of the hub: the same events as the server-sent ones, each as one message.
// The paths are those of the streams (ROUTES with `stream: "sse"`), as ws:// or wss://.

/** One message, as JSON. */
export interface SocketMessage {
  /**
   * A type of event; `gap` where events were missed, `error` before the end, and `position`, which has
   * an id and nothing else: a resume may begin there.
   */
  readonly event: string;
  /** Log position; give the last one back as `since=` or Last-Event-ID. Live values have none. */
  readonly id?: number;
  readonly data?: unknown;
}

/** Why a socket was closed by the hub. RFC 6455, 7.4.1. */
export const CLOSE = { goingAway: 1_001, nothingIsRead: 1_003 } as const;
