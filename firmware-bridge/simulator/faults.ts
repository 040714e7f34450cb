// What a test does to the simulated printer, and how much of it is left. Pure.

/** What a test may do to the printer; fields that are left out stay as they are. */
export interface Faults {
  readonly noisePpm?: number;
  /** Lines in a million that arrive with one bit changed, by which every sum finds it. */
  readonly badLinesPpm?: number;
  /** So many next answers are swallowed. */
  readonly loseOks?: number;
  /** So many next line ends are swallowed on the way in. */
  readonly loseNewlines?: number;
  /** The next good line is answered with a Resend. */
  readonly forceResend?: boolean;
  /** Nothing is read or answered. */
  readonly isFrozen?: boolean;
  readonly isHeaterBroken?: boolean;
}

export interface FaultBox {
  readonly now: Readonly<Required<Faults>>;
  change(faults: Faults): void;
  /** True as often as the fault was asked for; each call uses one up. */
  spend(fault: "loseOks" | "loseNewlines" | "forceResend"): boolean;
}

export function makeFaultBox(): FaultBox {
  let now: Required<Faults> = {
    noisePpm: 0,
    badLinesPpm: 0,
    loseOks: 0,
    loseNewlines: 0,
    forceResend: false,
    isFrozen: false,
    isHeaterBroken: false,
  };
  return {
    get now() {
      return now;
    },
    change(faults) {
      now = { ...now, ...faults };
    },
    spend(fault) {
      const left = Number(now[fault]);
      if (left <= 0) return false;
      now = { ...now, [fault]: fault === "forceResend" ? false : left - 1 };
      return true;
    },
  };
}
