// Layers as the moves show them: each height at which filament was laid, in rising order.

export interface LayerFacts {
  readonly count: number;
  readonly firstHeightMm: number;
  /** The height that most layers above the first have. */
  readonly usualHeightMm: number;
  readonly topMm: number;
}

export interface Layers {
  /** Filament was laid while moving at this height. */
  laidAt(zMm: number): void;
  /** Undefined as long as nothing was laid. */
  facts(): LayerFacts | undefined;
}

/** Thinner layers than this are the slope of a vase, or noise. */
const THINNEST_MM = 0.04;
/** Different heights that are counted; variable layer heights have some tens. */
const HEIGHTS_MAX = 256;

export function makeLayers(): Layers {
  let count = 0;
  let firstMm = 0;
  let topMm = 0;
  /** Layers by height in hundredths of a millimetre. */
  const byHeight = new Map<number, number>();

  return {
    laidAt(zMm) {
      if (count > 0 && zMm <= topMm + THINNEST_MM) return;
      if (count === 0) firstMm = zMm;
      else {
        const height = Math.round((zMm - topMm) * 100);
        if (byHeight.has(height) || byHeight.size < HEIGHTS_MAX) {
          byHeight.set(height, (byHeight.get(height) ?? 0) + 1);
        }
      }
      count += 1;
      topMm = zMm;
    },
    facts() {
      if (count === 0) return undefined;
      let [usual, most] = [Math.round(firstMm * 100), 0];
      for (const [height, layers] of byHeight) if (layers > most) [usual, most] = [height, layers];
      return {
        count,
        firstHeightMm: rounded(firstMm),
        usualHeightMm: usual / 100,
        topMm: rounded(topMm),
      };
    },
  };
}

const rounded = (mm: number): number => Math.round(mm * 1_000) / 1_000;
