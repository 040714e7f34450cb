// The one writer of the connection to one other hub.
//
// PS1. zeromq.js throws EBUSY synchronously on a second send: only `write` sends.
// PS2. What is given in one turn leaves in one frame, consensus messages before posts; `hello` is the first of
//      a connection.
// PS3. Consensus messages are never kept: what cannot leave now is dropped, counted, and named by the
//      next `send`, because Raft repeats it and an old one only does harm.
// PS4. Posts wait for room in order, up to POSTS_MAX and POST_BYTES_MAX; then `post` says `full`. A
//      lost connection drops them all: who waits for an answer is told by `lost`.

import type { Message } from "../consensus/types.ts";
import { encodeHello, encodePosts, type PeerFrameHead } from "../peers/codec.ts";
import { encodeMessages } from "../peers/message-codec.ts";
import type { Peer } from "../ports.ts";
import { dial, isCode, LANE, type PeerSockets } from "./peer-socket.ts";

const POSTS_MAX = 8_192;
const POST_BYTES_MAX = 16_777_216;
const FULL_RETRY_MS = 5;
/** Heard of within this time, a link of two followers is known to live. */
const HELLO_MS = 1_000;

export interface PeerSender {
  readonly isConnected: () => boolean;
  readonly counts: { framesOut: number; framesDropped: number };
  /** False if nothing can be sent, or something was dropped since the last call (PS3). */
  send(messages: readonly Message[]): boolean;
  /** `body`: JSON text. */
  post(body: string): "sent" | "absent" | "full";
  close(): void;
}

export interface PeerSenderOptions extends PeerSockets {
  readonly peer: Peer;
  readonly head: PeerFrameHead;
  readonly bulkPort: number;
  readonly onUp: () => void;
  readonly onDown: () => void;
  readonly onRefused: () => void;
}

export function openPeerSender(options: PeerSenderOptions): PeerSender {
  const { peer, head, bulkPort, clock, log, scope } = options;
  const counts = { framesOut: 0, framesDropped: 0 };
  let isUp = false;
  let isClosed = false;
  let isDropped = false;
  let isHelloDue = false;
  let isWriting = false;
  let messages: Message[] = [];
  let posts: string[] = [];
  let postChars = 0;
  let postFrames: Buffer[] = [];

  const socket = dial(options, peer, peer.address, LANE.consensus, {
    onUp() {
      isUp = true;
      isHelloDue = true;
      wake();
      options.onUp();
    },
    onDown() {
      isUp = false;
      forget();
      options.onDown();
    },
    onRefused: options.onRefused,
  });

  scope.start("hello", async (signal) => {
    for (;;) {
      await clock.sleep(HELLO_MS, signal);
      isHelloDue = isUp;
      if (isUp) wake();
    }
  });

  function forget(): void {
    messages = [];
    posts = [];
    postFrames = [];
    postChars = 0;
    isHelloDue = false;
    isDropped = false;
  }

  /** Writes at the end of this turn (PS2). */
  function wake(): void {
    if (isWriting || isClosed) return;
    isWriting = true;
    queueMicrotask(flush);
  }

  function flush(): void {
    if (isHelloDue || posts.length > 0 || postFrames.length > 0) return writeAll();
    isWriting = false;
    const batch = messages;
    messages = [];
    if (isUp && !isClosed) for (const frame of encodeMessages(head, batch, tooLarge)) pass(frame);
    return undefined;
  }

  /** Consensus alone, the usual case: nothing has to wait for what becomes of the frame. */
  function pass(frame: Buffer): void {
    try {
      socket.send(frame).then(sent, unsent);
    } catch (error) {
      unsent(error);
    }
  }

  const sent = (): void => void (counts.framesOut += 1);

  function unsent(error: unknown): void {
    counts.framesDropped += 1;
    isDropped = true; // PS3
    if (!isClosed && !isCode(error, "EAGAIN")) log.error({ peer: peer.id, error }, "peer link");
  }

  /** What must keep its order, or wait for room. */
  function writeAll(): void {
    scope.start("write", async (signal) => {
      try {
        while (hasWork()) {
          const isStuck = !(await write());
          if (isStuck) await clock.sleep(FULL_RETRY_MS, signal);
        }
      } finally {
        isWriting = false;
      }
    });
  }

  const hasWork = (): boolean =>
    isUp &&
    !isClosed &&
    (isHelloDue || messages.length > 0 || posts.length > 0 || postFrames.length > 0);

  /** False if posts are left for which there is no room (PS4). */
  async function write(): Promise<boolean> {
    if (isHelloDue && (await sendFrame(encodeHello(head, { bulkPort })))) isHelloDue = false;
    const batch = messages;
    messages = [];
    for (const frame of encodeMessages(head, batch, tooLarge)) {
      if (await sendFrame(frame)) continue;
      counts.framesDropped += 1;
      isDropped = true; // PS3
    }
    if (postFrames.length === 0 && posts.length > 0) {
      postFrames = encodePosts(head, posts);
      posts = [];
      postChars = 0;
    }
    const frames = postFrames;
    while (frames.length > 0) {
      const [frame] = frames;
      if (frame === undefined || frames !== postFrames) break; // the connection was lost meanwhile
      if (!(await sendFrame(frame))) return false;
      frames.shift();
      if (messages.length > 0) break; // consensus first
    }
    return !isHelloDue;
  }

  /** False if the socket has no room. */
  async function sendFrame(frame: Buffer): Promise<boolean> {
    if (!isUp || isClosed) return false;
    try {
      await socket.send(frame);
      counts.framesOut += 1;
      return true;
    } catch (error) {
      if (isClosed || isCode(error, "EAGAIN")) return false;
      throw error;
    }
  }

  function tooLarge({ type }: Message): void {
    counts.framesDropped += 1;
    log.error({ peer: peer.id, type }, "a consensus message is larger than a frame; dropped");
  }

  return {
    counts,
    isConnected: () => isUp,
    send(batch) {
      if (!isUp || isClosed) return false;
      const wasDropped = isDropped;
      isDropped = false;
      for (const message of batch) messages.push(message);
      wake();
      return !wasDropped;
    },
    post(body) {
      if (!isUp || isClosed) return "absent";
      const isFull =
        posts.length >= POSTS_MAX ||
        (postChars > 0 && postChars + body.length > POST_BYTES_MAX) ||
        postFrames.length > 8;
      if (isFull) return "full"; // PS4
      posts.push(body);
      postChars += body.length;
      wake();
      return "sent";
    },
    close() {
      isClosed = true;
      isUp = false;
      forget();
      socket.close();
    },
  };
}
