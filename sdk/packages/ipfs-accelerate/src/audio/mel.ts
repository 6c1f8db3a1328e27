import { AccelerateError } from "../errors/index.ts";
import { checkSampleRate } from "./clip.ts";
import { PowerSpectrum } from "./fft.ts";

/** How sound becomes frames of log-mel energies. */
export interface MelOptions {
  readonly sampleRate: number;
  /** Samples per frame, even. */
  readonly fftSize: number;
  /** Samples from one frame to the next; less than half a frame. */
  readonly hop: number;
  readonly mels: number;
  /** In Hz, from 0. */
  readonly maxFrequency: number;
}

/** The weights of one mel over the bins of the spectrum from `first` on; all others are 0. */
interface Filter {
  readonly first: number;
  readonly weights: Float64Array;
}

/** From this frequency on the scale is logarithmic, with 27 mels to a factor of 6.4. */
const BREAK_HZ = 1000;
const BREAK_MEL = 15;
const LOG_STEP = Math.log(6.4) / 27;

function toMel(hertz: number): number {
  return hertz < BREAK_HZ ? (3 * hertz) / 200 : BREAK_MEL + Math.log(hertz / BREAK_HZ) / LOG_STEP;
}

function toHertz(mel: number): number {
  return mel < BREAK_MEL ? (200 * mel) / 3 : BREAK_HZ * Math.exp(LOG_STEP * (mel - BREAK_MEL));
}

/** Triangles of equal area. Source: M. Slaney, "Auditory Toolbox", 1998, as librosa computes them. */
function melFilters({ sampleRate, fftSize, mels, maxFrequency }: MelOptions): Filter[] {
  const corner = (i: number): number => toHertz((toMel(maxFrequency) * i) / (mels + 1));
  const bins = fftSize / 2 + 1;
  return Array.from({ length: mels }, (_, mel) => {
    const [low, centre, high] = [corner(mel), corner(mel + 1), corner(mel + 2)];
    const weights = Float64Array.from({ length: bins }, (__, bin) => {
      const hertz = (bin * Math.floor(sampleRate / 2)) / (bins - 1);
      const height = Math.min((hertz - low) / (centre - low), (high - hertz) / (high - centre));
      return (Math.max(0, height) * 2) / (high - low);
    });
    const first = Math.max(
      weights.findIndex((weight) => weight > 0),
      0,
    );
    return { first, weights: weights.slice(first, first + weights.filter((weight) => weight > 0).length) };
  });
}

/** Below this a power counts as silence. */
const FLOOR = 1e-10;

/**
 * Frames of log₁₀ mel energies of sound that comes piece by piece, the same however it is cut.
 *
 * Frame `i` is centred at sample `i · hop`, under a Hann window; beyond both ends the sound is mirrored.
 */
export class MelFramer {
  readonly #options: MelOptions;
  readonly #filters: readonly Filter[];
  readonly #window: Float64Array;
  readonly #spectrum: PowerSpectrum;
  readonly #frame: Float64Array;
  readonly #power: Float64Array;
  /** What the next frame begins with. */
  #rest: Float32Array = new Float32Array(0);
  #isMirrored = false;

  /** @throws AccelerateError `input` for settings that do not fit together. */
  constructor(options: MelOptions) {
    const { fftSize, hop, mels, maxFrequency, sampleRate } = options;
    this.#spectrum = new PowerSpectrum(fftSize);
    const fits = [hop, mels].every((count) => Number.isInteger(count) && count > 0) && hop < fftSize / 2;
    if (!fits || !(maxFrequency > 0 && maxFrequency <= checkSampleRate(sampleRate) / 2)) {
      throw new AccelerateError("input", `no mel frames can be made with ${JSON.stringify(options)}`);
    }
    this.#options = options;
    this.#filters = melFilters(options);
    this.#window = Float64Array.from(
      { length: fftSize },
      (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / fftSize),
    );
    this.#frame = new Float64Array(fftSize);
    this.#power = new Float64Array(fftSize / 2 + 1);
  }

  /** The frames `[frames, mels]` that these samples complete. */
  push(samples: Float32Array): Float32Array {
    this.#rest = join(this.#rest, samples);
    const half = this.#options.fftSize / 2;
    if (!this.#isMirrored) {
      if (this.#rest.length <= half) return new Float32Array(0);
      this.#rest = join(this.#rest.slice(1, half + 1).reverse(), this.#rest);
      this.#isMirrored = true;
    }
    return this.#take();
  }

  /**
   * The last frames; the framer is then as new.
   *
   * @throws AccelerateError `input` when all the sound was shorter than half a frame.
   */
  end(): Float32Array {
    const half = this.#options.fftSize / 2;
    if (!this.#isMirrored) {
      throw new AccelerateError("input", `${this.#rest.length} samples do not fill half a frame of ${half}`);
    }
    this.#rest = join(this.#rest, this.#rest.slice(-half - 1, -1).reverse());
    const frames = this.#take();
    this.#rest = new Float32Array(0);
    this.#isMirrored = false;
    return frames;
  }

  #take(): Float32Array {
    const { fftSize, hop, mels } = this.#options;
    const frames = Math.max(0, Math.floor((this.#rest.length - fftSize) / hop) + 1);
    const result = new Float32Array(frames * mels);
    for (let i = 0; i < frames; i++) this.#compute(i * hop, result.subarray(i * mels, (i + 1) * mels));
    this.#rest = this.#rest.slice(frames * hop);
    return result;
  }

  #compute(start: number, energies: Float32Array): void {
    for (let i = 0; i < this.#frame.length; i++) {
      this.#frame[i] = this.#rest[start + i]! * this.#window[i]!;
    }
    this.#spectrum.compute(this.#frame, this.#power);
    this.#filters.forEach(({ first, weights }, mel) => {
      let energy = 0;
      for (let i = 0; i < weights.length; i++) energy += weights[i]! * this.#power[first + i]!;
      energies[mel] = Math.log10(Math.max(energy, FLOOR));
    });
  }
}

/** Two arrays, one after the other. */
export function join(a: Float32Array, b: Float32Array): Float32Array {
  const joined = new Float32Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
