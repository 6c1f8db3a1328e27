import { AccelerateError } from "../../errors/index.ts";
import { Attention, LayerNorm, Linear, type Activation } from "../../layers/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { Parameter, Parameters } from "../../weights/index.ts";

export interface SwinOptions {
  readonly size: number;
  /** Of the square of tokens. */
  readonly side: number;
  readonly heads: number;
  /** Side of a window. */
  readonly window: number;
  readonly inner: number;
  readonly epsilon: number;
  readonly activation: Activation;
}

const NAMES = { query: "self.query", key: "self.key", value: "self.value", output: "output.dense" };

/** Added to the scores of tokens that only the shift made neighbours. */
const APART = -100;

/**
 * Attention inside windows of a square of tokens `[B, side, side, size]`, in every second block shifted by half a window.
 *
 * Source: Liu et al., "Swin Transformer", arXiv:2103.14030.
 */
export class SwinBlock {
  readonly #options: SwinOptions;
  readonly #shift: number;
  readonly #attention: Attention;
  readonly #bias: Parameter;
  readonly #attentionNorm: LayerNorm;
  readonly #outputNorm: LayerNorm;
  readonly #up: Linear;
  readonly #down: Linear;

  /** @throws AccelerateError `model_format` when a window is larger than the square. */
  constructor(parameters: Parameters, options: SwinOptions, isShifted: boolean) {
    const { size, side, heads, window, inner, epsilon } = options;
    if (side < window) {
      throw new AccelerateError("model_format", `a window of ${window} tokens does not fit into ${side}`);
    }
    this.#options = options;
    this.#shift = isShifted && side > window ? Math.floor(window / 2) : 0;
    this.#attention = new Attention(parameters.scope("attention"), NAMES, size, heads);
    const table = "attention.self.relative_position_bias_table";
    this.#bias = parameters.dense(table, [(2 * window - 1) ** 2, heads]);
    this.#attentionNorm = new LayerNorm(parameters.scope("layernorm_before"), size, epsilon);
    this.#outputNorm = new LayerNorm(parameters.scope("layernorm_after"), size, epsilon);
    this.#up = new Linear(parameters.scope("intermediate.dense"), inner, size);
    this.#down = new Linear(parameters.scope("output.dense"), size, inner);
  }

  apply(ops: OpSet, x: Tensor): Tensor {
    const { side, window, size, activation } = this.#options;
    const [batch] = x.shape as [number];
    const rows = Math.ceil(side / window);
    const missing = rows * window - side;
    const normed = this.#attentionNorm.apply(ops, x);
    const padded = missing ? ops.pad(normed, [[0, 0], [0, missing], [0, missing], [0, 0]]) : normed; // prettier-ignore
    const split = [batch, rows, window, rows, window, size];
    const cells = rolled(ops, padded, this.#shift).reshape(split).permute([0, 1, 3, 2, 4, 5]);
    const windows = ops.contiguous(cells).reshape([-1, window * window, size]);
    const mask = this.#mask(ops, batch, rows);
    const seen = this.#attention.apply(ops, windows, windows, windows, { mask });
    const back = seen.reshape([batch, rows, rows, window, window, size]).permute([0, 1, 3, 2, 4, 5]);
    const whole = ops.contiguous(back).reshape([batch, rows * window, rows * window, size]);
    const unrolled = rolled(ops, whole, this.#shift && rows * window - this.#shift);
    const attended = ops.add(x, unrolled.slice(1, 0, side).slice(2, 0, side));
    const inner = activation(ops, this.#up.apply(ops, this.#outputNorm.apply(ops, attended)));
    return ops.add(attended, this.#down.apply(ops, inner));
  }

  /** `[1 or B·windows, heads, tokens, tokens]`: the bias of each distance, and the borders of a shifted square. */
  #mask(ops: OpSet, batch: number, rows: number): Tensor {
    const { window, heads } = this.#options;
    const tokens = window * window;
    const table = ops.embedding(this.#bias.value, distances(window), [tokens, tokens]);
    const bias = ops.contiguous(table.permute([2, 0, 1])).reshape([1, 1, heads, tokens, tokens]);
    if (this.#shift === 0) return bias.reshape([1, heads, tokens, tokens]);
    const count = rows * rows;
    const borders = ops.tensor(
      bordersOf(rows, window, this.#shift),
      [1, count, 1, tokens, tokens],
      bias.dtype,
    );
    const all = ops.add(bias, borders).broadcastTo([batch, count, heads, tokens, tokens]);
    return ops.contiguous(all).reshape([batch * count, heads, tokens, tokens]);
  }
}

/** Rows and columns moved up and left by `shift`, the first ones to the end. */
function rolled(ops: OpSet, x: Tensor, shift: number): Tensor {
  if (shift === 0) return x;
  return [1, 2].reduce((y, axis) => ops.concat([y.slice(axis, shift), y.slice(axis, 0, shift)], axis), x);
}

/** For each pair of tokens of a window, the row of the table of biases for their distance. */
function distances(window: number): Int32Array {
  const tokens = window * window;
  return Int32Array.from({ length: tokens * tokens }, (_, i) => {
    const [from, to] = [Math.floor(i / tokens), i % tokens];
    const down = Math.floor(from / window) - Math.floor(to / window) + window - 1;
    const right = (from % window) - (to % window) + window - 1;
    return down * (2 * window - 1) + right;
  });
}

/** For each window and pair of its tokens: 0 inside one region of the square before the shift, else `APART`. */
function bordersOf(rows: number, window: number, shift: number): Float32Array {
  const [side, tokens] = [rows * window, window * window];
  const band = (place: number): number => (place >= side - window ? 1 : 0) + (place >= side - shift ? 1 : 0);
  const region = (at: number, token: number): number =>
    3 * band(Math.floor(at / rows) * window + Math.floor(token / window)) +
    band((at % rows) * window + (token % window));
  return Float32Array.from({ length: rows * rows * tokens * tokens }, (_, i) => {
    const at = Math.floor(i / (tokens * tokens));
    const pair = i % (tokens * tokens);
    return region(at, Math.floor(pair / tokens)) === region(at, pair % tokens) ? 0 : APART;
  });
}
