import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { bytesOf, joined, loudnessDb, makeRechunker, samplesIn } from "./pcm.ts";
import { makeResampler, resampled } from "./resample.ts";
import { FRAME_SAMPLES, makeSegmenter, STOP_WORD, UTTERANCE } from "./segmenter.ts";
import { enrolPhrase, makeWakeScorer, WINDOW_FRAMES, windowAt } from "./wake-score.ts";
import { readWavHeader } from "@gantry/shared/contract/wav-header.ts";
import { mono, readWav, writeWav } from "./wav.ts";

const tone = (hz: number, rate: number, count: number): Int16Array =>
  Int16Array.from({ length: count }, (_, at) =>
    Math.round(10_000 * Math.sin((2 * Math.PI * hz * at) / rate)),
  );
const sounds = fc.array(fc.integer({ min: -32_768, max: 32_767 }), { maxLength: 400 });

describe("samples", () => {
  it("bytes and samples are the same in both directions, an odd byte is left out", () => {
    fc.assert(
      fc.property(sounds, (numbers) => {
        const samples = Int16Array.from(numbers);
        expect(samplesIn(bytesOf(samples))).toEqual(samples);
        expect(samplesIn(Uint8Array.of(...bytesOf(samples), 7))).toEqual(samples);
      }),
    );
  });

  it("pieces of any length come out in pieces of one length, nothing lost", () => {
    fc.assert(
      fc.property(fc.array(sounds, { maxLength: 8 }), (pieces) => {
        const rechunk = makeRechunker(32);
        const out = pieces.flatMap((piece) => rechunk(Int16Array.from(piece)));
        expect(out.every(({ length }) => length === 32)).toBe(true);
        const all = pieces.flat();
        expect([...joined(out)]).toEqual(all.slice(0, out.length * 32));
        expect(all.length - out.length * 32).toBeLessThan(32);
      }),
    );
  });

  it("loudness is told against full scale", () => {
    expect(loudnessDb(new Int16Array(100))).toBe(-120);
    expect(loudnessDb(Int16Array.from({ length: 100 }, () => 32_767))).toBeCloseTo(0, 2);
    expect(loudnessDb(Int16Array.from({ length: 100 }, () => 3_277))).toBeCloseTo(-20, 1);
  });
});

describe("the resampler", () => {
  it("RS1: keeps a tone of speech and removes one that would fold into speech", () => {
    const kept = resampled(tone(1_000, 22_050, 22_050), 22_050, 16_000);
    expect(kept.length).toBeGreaterThan(15_900);
    expect(kept.length).toBeLessThan(16_100);
    expect(loudnessDb(kept) - loudnessDb(tone(1_000, 22_050, 22_050))).toBeCloseTo(0, 1);
    const folded = resampled(tone(10_000, 22_050, 22_050), 22_050, 16_000);
    expect(loudnessDb(folded.subarray(200, -200))).toBeLessThan(-60);
  });

  it("RS2: pieces of any length give the same as one piece", () => {
    const whole = tone(440, 22_050, 3_000);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 10 }), (cuts) => {
        const resampler = makeResampler(22_050, 16_000);
        const out: Int16Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          out.push(resampler.push(whole.subarray(at, at + cut)));
          at = Math.min(whole.length, at + cut);
        }
        out.push(resampler.push(whole.subarray(at)), resampler.end());
        expect(joined(out)).toEqual(resampled(whole, 22_050, 16_000));
      }),
      { numRuns: 20 },
    );
  });
});

function outcomeOf(bytes: Uint8Array): string {
  try {
    readWavHeader(bytes);
    readWav(bytes);
    return "sound";
  } catch (error) {
    return error instanceof GantryError ? error.code : String(error);
  }
}

describe("WAV files", () => {
  it("what is written can be read", () => {
    fc.assert(
      fc.property(sounds, fc.constantFrom(8_000, 16_000, 22_050, 48_000), (numbers, hz) => {
        const samples = Int16Array.from(numbers);
        expect(readWav(writeWav({ hz, samples }))).toEqual({ hz, samples });
      }),
    );
  });

  it("several channels become one", () => {
    expect([...mono(Int16Array.of(10, 20, -10, -30), 2)]).toEqual([15, -20]);
  });

  it("WV1: any bytes give sound, a wait for more, or bad_request", () => {
    const file = writeWav({ hz: 16_000, samples: tone(440, 16_000, 64) });
    const broken = fc
      .tuple(fc.nat(file.length - 1), fc.nat(255), fc.nat(file.length))
      .map(([at, value, end]) => {
        const copy = file.slice(0, end);
        if (at < copy.length) copy[at] = value;
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        expect(["sound", "bad_request"]).toContain(outcomeOf(bytes));
      }),
      { numRuns: 1_000 },
    );
  });
});

const frame = (mark: number): Int16Array => new Int16Array(FRAME_SAMPLES).fill(mark);
const quiet = (length: number): number[] => Array.from({ length }, () => 0.05);
const speech = (length: number): number[] => Array.from({ length }, () => 0.9);

function run(probabilities: readonly number[], options = UTTERANCE): string[] {
  const segmenter = makeSegmenter(options);
  return probabilities.flatMap((probability, at) =>
    segmenter
      .push(frame(at), probability)
      .filter(({ type }) => type !== "more")
      .map((segment) => {
        if (segment.type === "begun") return `${at} begun ${segment.before[0]?.[0] ?? "?"}`;
        return segment.type === "ended" ? `${at} ended ${segment.why}` : `${at} ${segment.type}`;
      }),
  );
}

describe("the segmenter", () => {
  it("SG1: an utterance has the half second before it in it", () => {
    expect(run([...quiet(40), ...speech(10), ...quiet(30)])).toEqual([
      "40 begun 24", // 16 frames before
      "71 ended silence", // 22 frames of silence, 704 ms
    ]);
  });

  it("SG2: a pause of half a second is no end, and fifteen seconds are", () => {
    expect(run([...speech(10), ...quiet(16), ...speech(10), ...quiet(30)])).toEqual([
      "0 begun 0",
      "57 ended silence",
    ]);
    expect(run(speech(500))[1]).toBe("468 ended longest");
  });

  it("SG3: a click is dropped", () => {
    expect(run([...quiet(5), ...speech(2), ...quiet(30)])).toEqual(["5 begun 0", "28 dropped"]);
  });

  it("a stop word is at its end 128 ms after it", () => {
    const [, end] = run([...quiet(5), ...speech(12), ...quiet(30)], STOP_WORD);
    expect(end).toBe("20 ended silence"); // frames 17 to 20: 4 * 32 ms
  });
});

// Vectors of a phrase: a direction for each of its 16 places, and noise around it.
const vectors = (seed: number, noise: number, count = WINDOW_FRAMES): Float32Array[] => {
  let state = seed;
  const draw = (): number => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647 - 0.5;
  };
  return Array.from({ length: count }, (_, place) =>
    Float32Array.from({ length: 96 }, (_, at) => Math.sin((place + 1) * (at + 1)) + noise * draw()),
  );
};

describe("a wake phrase of one's own", () => {
  const recordings = [11, 12, 13, 14, 15].map((seed) => windowAt(vectors(seed, 0.6), 15));

  it("WW1: fires once for the phrase, and is deaf for a moment after", () => {
    const scorer = makeWakeScorer([enrolPhrase("gantry", recordings)]);
    const heard = [...vectors(99, 0.6), ...vectors(98, 0.6)].map((vector) => scorer.push(vector));
    expect(heard.filter(({ phrase }) => phrase === "gantry")).toHaveLength(1);
    expect(heard[15]?.phrase).toBe("gantry");
  });

  it("other sound does not wake it", () => {
    const scorer = makeWakeScorer([enrolPhrase("gantry", recordings)]);
    const others = vectors(7, 0.6, 200).map((vector, at) =>
      vector.map((v) => v * Math.cos(at * 3)),
    );
    expect(others.map((vector) => scorer.push(vector).phrase).filter(Boolean)).toEqual([]);
  });

  it("WW2: too few recordings, or one in which something else was said, are refused", () => {
    expect(() => enrolPhrase("gantry", recordings.slice(0, 2))).toThrow("3 to 20 recordings");
    const odd = windowAt(
      vectors(5, 0).map((vector) => vector.toReversed()),
      15,
    );
    expect(() => enrolPhrase("gantry", [...recordings, odd])).toThrow("Recording 6 is unlike");
  });
});
