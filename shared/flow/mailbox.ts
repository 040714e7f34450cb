// A bounded queue between a producer that must not wait and a consumer that may.

import { reasonOf } from "./clock.ts";

export type Offer = "taken" | "full" | "closed";

export interface Mailbox<T> extends AsyncIterable<T> {
  readonly size: number;
  /** Never waits: says `full` at the bound and leaves the choice to the producer. */
  offer(item: T): Offer;
  /** The next item; undefined once closed and empty. */
  take(signal: AbortSignal): Promise<T | undefined>;
  /** What was offered before is still taken. */
  close(): void;
}

export function makeMailbox<T>(sizeMax: number): Mailbox<T> {
  const items: T[] = [];
  const waiting: ((item: T | undefined) => void)[] = [];
  let isClosed = false;

  const mailbox: Mailbox<T> = {
    get size() {
      return items.length;
    },
    offer(item) {
      if (isClosed) return "closed";
      const taker = waiting.shift();
      if (taker !== undefined) {
        taker(item);
        return "taken";
      }
      if (items.length >= sizeMax) return "full";
      items.push(item);
      return "taken";
    },
    take(signal) {
      if (items.length > 0) return Promise.resolve(items.shift());
      if (isClosed) return Promise.resolve(undefined);
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          waiting.splice(waiting.indexOf(taker), 1);
          reject(reasonOf(signal));
        };
        const taker = (item: T | undefined): void => {
          signal.removeEventListener("abort", onAbort);
          resolve(item);
        };
        waiting.push(taker);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    close() {
      isClosed = true;
      for (const taker of waiting.splice(0)) taker(undefined);
    },
    async *[Symbol.asyncIterator]() {
      const never = new AbortController().signal;
      for (;;) {
        const item = await mailbox.take(never);
        if (item === undefined) return;
        yield item;
      }
    },
  };
  return mailbox;
}
