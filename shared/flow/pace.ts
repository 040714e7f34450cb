// Whether the maker of a stream is to wait for its reader. Made and set at the reader's end; the maker
// looks at `isHeld` before each piece and waits for `open`.

export interface Pace {
  readonly isHeld: boolean;
  /** Resolves when it is not held, at once if it is not now, or when the signal aborts. */
  open(signal: AbortSignal): Promise<void>;
  /** Called after each change; until the signal aborts. */
  listen(onChange: (isHeld: boolean) => void, signal: AbortSignal): void;
}

export interface PaceSetter extends Pace {
  set(isHeld: boolean): void;
}

export function makePace(): PaceSetter {
  const listeners = new Set<(isHeld: boolean) => void>();
  let isHeld = false;
  const held = (): boolean => isHeld;
  const listen: Pace["listen"] = (onChange, signal) => {
    if (signal.aborted) return;
    listeners.add(onChange);
    signal.addEventListener("abort", () => void listeners.delete(onChange), { once: true });
  };
  return {
    get isHeld() {
      return isHeld;
    },
    listen,
    set(next) {
      if (next === isHeld) return;
      isHeld = next;
      for (const listener of listeners) listener(next);
    },
    async open(signal) {
      while (held() && !signal.aborted) {
        const changed = Promise.withResolvers<void>();
        const over = new AbortController();
        const either = AbortSignal.any([signal, over.signal]);
        either.addEventListener("abort", () => changed.resolve(), { once: true });
        listen(() => changed.resolve(), either);
        await changed.promise;
        over.abort();
      }
    },
  };
}
