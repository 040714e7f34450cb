// From any rate to any other, with the low-pass that keeps what is above the new half rate from
// folding into speech: espeak-ng speaks at 22,050 Hz and its hiss would come out as tones.
//
// RS1. Windowed sinc, cut off at 0.45 of the lower rate: flat in speech, 60 dB down where it would fold.
// RS2. What comes in pieces gives the same samples as in one piece.

/** Zero crossings of the sinc on each side. */
const CROSSINGS = 16;
const CUTOFF = 0.45;

export interface Resampler {
  /** The samples that are complete so far. */
  push(samples: Int16Array): Int16Array;
  /** What is left when no more comes. */
  end(): Int16Array;
}

export function makeResampler(fromHz: number, toHz: number): Resampler {
  if (fromHz === toHz) {
    return { push: (samples) => samples.slice(), end: () => new Int16Array(0) };
  }
  const step = fromHz / toHz; // input samples per output sample
  const band = CUTOFF * Math.min(1, toHz / fromHz); // in cycles per input sample
  const reach = Math.ceil(CROSSINGS / (2 * band));
  let kept = new Float64Array(reach); // silence before the beginning
  let keptFrom = -reach; // index of kept[0] in the input
  let made = 0;

  function run(isEnd: boolean): Int16Array {
    const have = keptFrom + kept.length;
    const out: number[] = [];
    for (;;) {
      const centre = made * step;
      if (centre + reach >= have || (isEnd && centre >= have - reach - 1)) break;
      out.push(sampleAt(centre));
      made += 1;
    }
    const needFrom = Math.max(keptFrom, Math.floor(made * step) - reach);
    kept = kept.slice(needFrom - keptFrom);
    keptFrom = needFrom;
    return Int16Array.from(out, (value) => Math.max(-32_768, Math.min(32_767, Math.round(value))));
  }

  function sampleAt(centre: number): number {
    const first = Math.ceil(centre - reach);
    const last = Math.floor(centre + reach);
    let sum = 0;
    let weight = 0;
    for (let at = first; at <= last; at += 1) {
      const tap = tapAt(at - centre, band, reach);
      sum += tap * (kept[at - keptFrom] ?? 0);
      weight += tap;
    }
    return sum / weight; // so that a constant stays what it is
  }

  function take(samples: ArrayLike<number>): void {
    const grown = new Float64Array(kept.length + samples.length);
    grown.set(kept);
    grown.set(samples, kept.length);
    kept = grown;
  }

  return {
    push(samples) {
      take(samples);
      return run(false);
    },
    end() {
      take(new Float64Array(reach + 1));
      return run(true);
    },
  };
}

/** In one piece. */
export function resampled(samples: Int16Array, fromHz: number, toHz: number): Int16Array {
  const resampler = makeResampler(fromHz, toHz);
  const head = resampler.push(samples);
  const tail = resampler.end();
  const whole = new Int16Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}

/** Sinc under a Blackman window (RS1). */
function tapAt(offset: number, band: number, reach: number): number {
  const place = (offset + reach) / (2 * reach);
  if (place < 0 || place > 1) return 0;
  const window = 0.42 - 0.5 * Math.cos(2 * Math.PI * place) + 0.08 * Math.cos(4 * Math.PI * place);
  const angle = 2 * Math.PI * band * offset;
  return window * (angle === 0 ? 1 : Math.sin(angle) / angle);
}
