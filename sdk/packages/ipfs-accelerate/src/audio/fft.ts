import { AccelerateError } from "../errors/index.ts";

/** One pass over the data: `blocks` butterflies of `radix` points, each repeated over `stride` neighbours. */
interface Stage {
  readonly radix: number;
  readonly blocks: number;
  readonly stride: number;
  /** Real and imaginary part of each factor, by block, output and input of the butterfly. */
  readonly factors: Float64Array;
}

/** 4 is tried first: fewer passes than twice 2. */
const NEXT: Readonly<Record<number, number>> = { 4: 2, 3: 5 };

function factorsOf(size: number): number[] {
  const factors: number[] = [];
  for (let [left, radix] = [size, 4]; left > 1;) {
    if (left % radix === 0) {
      factors.push(radix);
      left /= radix;
    } else radix = NEXT[radix] ?? radix + 1;
  }
  return factors;
}

function stageOf(length: number, radix: number, stride: number): Stage {
  const blocks = length / radix;
  const factors = new Float64Array(2 * blocks * radix * radix);
  let at = 0;
  for (let block = 0; block < blocks; block++) {
    for (let output = 0; output < radix; output++) {
      for (let input = 0; input < radix; input++) {
        const angle = (-2 * Math.PI * ((output * (block + blocks * input)) % length)) / length;
        factors[at++] = Math.cos(angle);
        factors[at++] = Math.sin(angle);
      }
    }
  }
  return { radix, blocks, stride, factors };
}

interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

const complex = (size: number): Complex => ({ re: new Float64Array(size), im: new Float64Array(size) });

function pass({ radix, blocks, stride, factors }: Stage, x: Complex, y: Complex): void {
  const { re: xRe, im: xIm } = x;
  const { re: yRe, im: yIm } = y;
  const step = stride * blocks;
  for (let row = 0, first = 0; row < blocks * radix; row++, first += 2 * radix) {
    const source = stride * Math.floor(row / radix);
    const target = stride * row;
    for (let k = 0; k < stride; k++) {
      let re = 0;
      let im = 0;
      for (let input = 0, at = first, from = source + k; input < radix; input++, at += 2, from += step) {
        const a = xRe[from]!;
        const b = xIm[from]!;
        const c = factors[at]!;
        const d = factors[at + 1]!;
        re += a * c - b * d;
        im += a * d + b * c;
      }
      yRe[target + k] = re;
      yIm[target + k] = im;
    }
  }
}

/**
 * The power spectrum of real signals of one even size.
 *
 * Half as many complex points by the autosorting FFT of Stockham in mixed radices (400 is 2 · 4 · 2 · 5 · 5), then untangled.
 * Source: C. Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992, sections 1.7 and 4.3.
 */
export class PowerSpectrum {
  readonly size: number;
  readonly #stages: readonly Stage[];
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  readonly #x: Complex;
  readonly #y: Complex;

  /** @throws AccelerateError `input` unless the size is even. */
  constructor(size: number) {
    if (!Number.isInteger(size) || size < 2 || size % 2 !== 0) {
      throw new AccelerateError("input", `a spectrum cannot be of ${String(size)} samples: not even`);
    }
    this.size = size;
    const half = size / 2;
    let stride = 1;
    this.#stages = factorsOf(half).map((radix) => {
      const stage = stageOf(half / stride, radix, stride);
      stride *= radix;
      return stage;
    });
    this.#cos = Float64Array.from({ length: half + 1 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.#sin = Float64Array.from({ length: half + 1 }, (_, k) => -Math.sin((2 * Math.PI * k) / size));
    this.#x = complex(half);
    this.#y = complex(half);
  }

  /** `|X[k]|²` for `k` from 0 to `size / 2`, into `power`. */
  compute(signal: Float64Array, power: Float64Array): void {
    const half = this.size / 2;
    let [x, y] = [this.#x, this.#y];
    for (let i = 0; i < half; i++) {
      x.re[i] = signal[2 * i]!;
      x.im[i] = signal[2 * i + 1]!;
    }
    for (const stage of this.#stages) {
      pass(stage, x, y);
      [x, y] = [y, x];
    }
    this.#untangle(x, power);
  }

  /** The even samples were taken for the real part, the odd ones for the imaginary. */
  #untangle({ re, im }: Complex, power: Float64Array): void {
    const half = this.size / 2;
    for (let k = 0; k <= half; k++) {
      const a = k % half;
      const b = (half - k) % half;
      const cos = this.#cos[k]!;
      const sin = this.#sin[k]!;
      const oddRe = im[a]! + im[b]!;
      const oddIm = re[b]! - re[a]!;
      const real = re[a]! + re[b]! + cos * oddRe - sin * oddIm;
      const imaginary = im[a]! - im[b]! + cos * oddIm + sin * oddRe;
      power[k] = (real * real + imaginary * imaginary) / 4;
    }
  }
}
