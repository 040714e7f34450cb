// A bounded table of token buckets, one for each key.

export interface Buckets {
  /** Takes one token. 0 if there was one, else the whole seconds until there is. */
  take(key: string, atMs: number): number;
  /** Seconds until there is a token again, without taking one; 0 if there is. */
  waitS(key: string, atMs: number): number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** `burst` at once, one more every `refillMs`; at most `keysMax` keys, the oldest is forgotten. */
export function makeBuckets(burst: number, refillMs: number, keysMax: number): Buckets {
  const buckets = new Map<string, Bucket>();

  function current(key: string, atMs: number): Bucket {
    const bucket = buckets.get(key) ?? { tokens: burst, atMs };
    bucket.tokens = Math.min(burst, bucket.tokens + (atMs - bucket.atMs) / refillMs);
    bucket.atMs = atMs;
    return bucket;
  }

  const wait = (bucket: Bucket): number =>
    bucket.tokens >= 1 ? 0 : Math.max(1, Math.ceil(((1 - bucket.tokens) * refillMs) / 1_000));

  return {
    take(key, atMs) {
      const bucket = current(key, atMs);
      const seconds = wait(bucket);
      if (seconds === 0) bucket.tokens -= 1;
      buckets.delete(key);
      buckets.set(key, bucket);
      const oldest = buckets.keys().next();
      if (buckets.size > keysMax && oldest.done !== true) buckets.delete(oldest.value);
      return seconds;
    },
    waitS: (key, atMs) => (buckets.has(key) ? wait(current(key, atMs)) : 0),
  };
}
