import { useEffect, useState } from "preact/hooks";

/** The present, drawn again every `everyMs`: for ages and for what counts down. */
export function useNow(everyMs = 1_000): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const tick = (): void => {
      setNowMs(Date.now());
      timer = setTimeout(tick, everyMs);
    };
    timer = setTimeout(tick, everyMs);
    return () => clearTimeout(timer);
  }, [everyMs]);
  return nowMs;
}
