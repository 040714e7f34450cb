// Test equipment: what can be made to go wrong at the door of a simulated network printer.

export interface NetworkFaults {
  /** It takes connections and bytes, and says nothing more. */
  isHung: boolean;
  /** So many answers are noise instead. */
  garbage: number;
  /** So many commands are refused. */
  refuse: number;
  /** So many commands are carried out, and the connection breaks before the answer. */
  loseAnswers: number;
  /** What it tells by itself, it tells twice. */
  isRepeating: boolean;
}

export const noFaults = (): NetworkFaults => ({
  isHung: false,
  garbage: 0,
  refuse: 0,
  loseAnswers: 0,
  isRepeating: false,
});

/** Takes one of a counted fault; says whether there was one. */
export function takeFault(
  faults: NetworkFaults,
  name: "garbage" | "refuse" | "loseAnswers",
): boolean {
  if (faults[name] <= 0) return false;
  faults[name] -= 1;
  return true;
}

/** Bytes that are no message of any protocol here. */
export const GARBAGE = "\u0007{]<<<not what you think>>>";

/** A simulated printer, as a test holds it. */
export interface SimulatedDevice {
  /** `host:port` */
  readonly address: string;
  readonly faults: NetworkFaults;
  /** Breaks every connection. */
  disconnect(): void;
  close(): Promise<void>;
}
