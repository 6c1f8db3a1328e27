import { checkSampleRate } from "./clip.ts";
import { join } from "./mel.ts";

/** Zero crossings of the sinc on each side, and the part of the band that is kept. */
const CROSSINGS = 6;
const ROLLOFF = 0.99;

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Changes the sample rate of sound that comes piece by piece.
 *
 * A sinc under a Hann window, one set of taps per phase; the same filter as `torchaudio.functional.resample` by default.
 * Source: J. O. Smith, "Digital Audio Resampling", https://ccrma.stanford.edu/~jos/resample/.
 */
export class Resampler {
  /** Input samples per `#to` outputs. */
  readonly #from: number;
  readonly #to: number;
  /** Input samples a filter sees on each side. */
  readonly #reach: number;
  readonly #taps: Float32Array;
  #rest: Float32Array;
  #received = 0;
  #given = 0;

  /** @throws AccelerateError `input` for a rate that is no positive integer. */
  constructor(from: number, to: number) {
    const divisor = greatestCommonDivisor(checkSampleRate(from), checkSampleRate(to));
    this.#from = from / divisor;
    this.#to = to / divisor;
    const band = Math.min(1, to / from) * ROLLOFF;
    this.#reach = Math.ceil(CROSSINGS / band) + 1;
    const width = 2 * this.#reach + 1;
    this.#taps = Float32Array.from({ length: this.#to * width }, (_, i) => {
      const phase = ((Math.floor(i / width) * this.#from) % this.#to) / this.#to;
      return band * windowedSinc(((i % width) - this.#reach - phase) * band);
    });
    this.#rest = new Float32Array(this.#reach);
  }

  /** The samples that can be told by now; all of them as they are when the rates are equal. */
  push(samples: Float32Array): Float32Array {
    if (this.#from === this.#to) return samples;
    this.#received += samples.length;
    this.#rest = join(this.#rest, samples);
    return this.#take(this.#received - this.#reach);
  }

  /** The last samples, as if silence followed; the resampler is then as new. */
  end(): Float32Array {
    if (this.#from === this.#to) return new Float32Array(0);
    this.#rest = join(this.#rest, new Float32Array(this.#reach + 1));
    const last = this.#take(this.#received);
    this.#rest = new Float32Array(this.#reach);
    this.#received = 0;
    this.#given = 0;
    return last;
  }

  /** Outputs at input positions before `end`. */
  #take(end: number): Float32Array {
    const count = Math.max(0, Math.ceil((end * this.#to) / this.#from) - this.#given);
    const start = Math.floor((this.#given * this.#from) / this.#to);
    const width = 2 * this.#reach + 1;
    const result = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const place = (this.#given + i) * this.#from;
      const first = Math.floor(place / this.#to) - start;
      const tap = ((this.#given + i) % this.#to) * width;
      let sum = 0;
      for (let k = 0; k < width; k++) sum += this.#rest[first + k]! * this.#taps[tap + k]!;
      result[i] = sum;
    }
    this.#given += count;
    this.#rest = this.#rest.slice(Math.floor((this.#given * this.#from) / this.#to) - start);
    return result;
  }
}

function windowedSinc(t: number): number {
  if (t === 0) return 1;
  if (Math.abs(t) >= CROSSINGS) return 0;
  const angle = Math.PI * t;
  return (Math.sin(angle) / angle) * Math.cos(angle / (2 * CROSSINGS)) ** 2;
}

/** All of a sound at another rate: `ceil(length · to / from)` samples. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  const resampler = new Resampler(from, to);
  const begun = resampler.push(samples);
  return from === to ? begun : join(begun, resampler.end());
}
