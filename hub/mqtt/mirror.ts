// What the broker ought to hold as retained messages, and what of it still has to be sent.
//
// MR1. The truth is the hub's; the mirror is a bounded copy of it and the broker a copy of that.
// MR2. `forgetSent` after each (re)connect makes everything due again, so an empty broker is filled.
// MR3. A removed topic is due, empty, until the broker took the removal.
// MR4. At most `topicsMax` topics are wanted and as many removals remembered: over that the topic
//      that changed longest ago is removed, and the oldest removal is given up.

export interface Mirror {
  /** How many topics are wanted. */
  readonly size: number;
  /** Wants `payload` under `topic`; the same as before is not due again. */
  set(topic: string, payload: string): void;
  /** Wants nothing under `topic`, also where an earlier life of this hub left something there. */
  remove(topic: string): void;
  /** What to publish now, oldest change first; the payload is empty for a removal. */
  due(): readonly { readonly topic: string; readonly payload: string }[];
  /** The broker has `payload` under `topic`. A newer wish stays due. */
  sent(topic: string, payload: string): void;
  /** MR2. */
  forgetSent(): void;
}

export function makeMirror(topicsMax: number): Mirror {
  const wanted = new Map<string, string>(); // in order of change
  const removed = new Set<string>();
  const unsent = new Set<string>();

  function remove(topic: string): void {
    wanted.delete(topic);
    unsent.delete(topic);
    removed.add(topic);
    const oldest = removed.keys().next();
    if (removed.size > topicsMax && oldest.done !== true) removed.delete(oldest.value);
  }

  return {
    get size() {
      return wanted.size;
    },
    set(topic, payload) {
      if (wanted.get(topic) === payload) return;
      wanted.delete(topic);
      wanted.set(topic, payload);
      removed.delete(topic);
      unsent.add(topic);
      const oldest = wanted.keys().next();
      if (wanted.size > topicsMax && oldest.done !== true) remove(oldest.value); // MR4
    },
    remove,
    due: () => [
      ...[...removed].map((topic) => ({ topic, payload: "" })),
      ...[...unsent].map((topic) => ({ topic, payload: wanted.get(topic) ?? "" })),
    ],
    sent(topic, payload) {
      if (payload === "") removed.delete(topic);
      else if (wanted.get(topic) === payload) unsent.delete(topic);
    },
    forgetSent() {
      for (const topic of wanted.keys()) unsent.add(topic);
    },
  };
}
