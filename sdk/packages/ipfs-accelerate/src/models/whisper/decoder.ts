import { AccelerateError } from "../../errors/index.ts";
import { KeyValueCache, type CachePrecision, type Decoder } from "../../generation/index.ts";
import {
  activationOf,
  Attention,
  Embedding,
  LayerNorm,
  Linear,
  mergeHeads,
  numberOf,
  splitHeads,
  type Activation,
  type Checkpoint,
} from "../../layers/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { QuantizedTensor, Tensor } from "../../tensor/index.ts";
import { bitsOf, type Parameter, type Parameters } from "../../weights/index.ts";
import { ATTENTION_NAMES } from "./names.ts";

const EPSILON = 1e-5;

/** The past of the text, and what was heard. */
interface Caches {
  readonly past: KeyValueCache;
  readonly encoded: KeyValueCache;
}

class DecoderBlock {
  readonly own: Attention;
  readonly cross: Attention;
  readonly #norms: readonly [own: LayerNorm, cross: LayerNorm, output: LayerNorm];
  readonly #up: Linear;
  readonly #down: Linear;
  readonly #activation: Activation;

  constructor(parameters: Parameters, config: Checkpoint["config"]) {
    const size = numberOf(config, "d_model");
    const heads = numberOf(config, "decoder_attention_heads");
    const inner = numberOf(config, "decoder_ffn_dim");
    const norm = (name: string): LayerNorm => new LayerNorm(parameters.scope(name), size, EPSILON);
    this.own = new Attention(parameters.scope("self_attn"), ATTENTION_NAMES, size, heads);
    this.cross = new Attention(parameters.scope("encoder_attn"), ATTENTION_NAMES, size, heads);
    this.#norms = [norm("self_attn_layer_norm"), norm("encoder_attn_layer_norm"), norm("final_layer_norm")];
    this.#up = new Linear(parameters.scope("fc1"), inner, size);
    this.#down = new Linear(parameters.scope("fc2"), size, inner);
    this.#activation = activationOf(config["activation_function"] ?? "gelu");
  }

  apply(ops: OpSet, x: Tensor, layer: number, { past, encoded }: Caches): Tensor {
    const { own, cross } = this;
    const [ownNorm, crossNorm, outputNorm] = this.#norms;
    const heard = ownNorm.apply(ops, x);
    const split = (linear: Linear): Tensor => splitHeads(linear.apply(ops, heard), own.heads);
    past.append(ops, layer, split(own.key), split(own.value));
    const attended = past.attend(ops, layer, split(own.query), { isCausal: true });
    const first = ops.add(x, own.output.apply(ops, mergeHeads(ops, attended)));
    const queries = splitHeads(cross.query.apply(ops, crossNorm.apply(ops, first)), cross.heads);
    const crossed = mergeHeads(ops, encoded.attend(ops, layer, queries));
    const second = ops.add(first, cross.output.apply(ops, crossed));
    const inner = this.#activation(ops, this.#up.apply(ops, outputNorm.apply(ops, second)));
    return ops.add(second, this.#down.apply(ops, inner));
  }
}

/** The layers that write text; which sound it is about comes with each call. */
export class DecoderStack {
  readonly ops: OpSet;
  readonly vocabularySize: number;
  readonly maxLength: number;
  readonly #size: number;
  readonly #heads: number;
  readonly #scale: number;
  readonly #table: Embedding;
  readonly #positions: Parameter;
  readonly #blocks: readonly DecoderBlock[];
  readonly #norm: LayerNorm;
  readonly #head: Parameter<Tensor | QuantizedTensor>;

  constructor(ops: OpSet, parameters: Parameters, config: Checkpoint["config"]) {
    this.ops = ops;
    this.vocabularySize = numberOf(config, "vocab_size");
    this.maxLength = numberOf(config, "max_target_positions");
    this.#size = numberOf(config, "d_model");
    this.#heads = numberOf(config, "decoder_attention_heads");
    this.#scale = config["scale_embedding"] === true ? Math.sqrt(this.#size) : 1;
    const table = parameters.scope("embed_tokens");
    this.#table = new Embedding(table, this.vocabularySize, this.#size);
    this.#positions = parameters.dense("embed_positions.weight", [this.maxLength, this.#size]);
    this.#blocks = Array.from(
      { length: numberOf(config, "decoder_layers") },
      (_, i) => new DecoderBlock(parameters.scope(`layers.${i}`), config),
    );
    this.#norm = new LayerNorm(parameters.scope("layer_norm"), this.#size, EPSILON);
    // The head is the table, packed beside it when matrices are.
    const isPacked = bitsOf(parameters.plan.weights) !== undefined;
    this.#head = isPacked ? table.matrix("weight", [this.vocabularySize, this.#size]) : this.#table.table;
  }

  /** Keys and values of the encoder's states for every layer. */
  encoded(states: Tensor, precision: CachePrecision): KeyValueCache {
    return this.ops.tidy((ops) => {
      const parts = this.#blocks.map(({ cross }) => ({
        keys: splitHeads(cross.key.apply(ops, states), cross.heads),
        values: splitHeads(cross.value.apply(ops, states), cross.heads),
      }));
      return KeyValueCache.fixed(ops, parts, precision);
    });
  }

  createCache(capacity: number, precision: CachePrecision): KeyValueCache {
    const [layers, heads] = [this.#blocks.length, this.#heads];
    const sizes = { layers, heads, headSize: this.#size / heads, limit: this.maxLength };
    return new KeyValueCache(this.ops, { ...sizes, capacity: Math.min(capacity, this.maxLength), precision });
  }

  step(ids: readonly number[], caches: Caches): Tensor {
    const before = caches.past.length;
    try {
      return this.ops.tidy((ops) => {
        const words = this.#table.apply(ops, ids, [1, ids.length]);
        const scaled = this.#scale === 1 ? words : ops.mul(words, this.#scale);
        const x = ops.add(scaled, this.#places(before, ids.length));
        const run = (y: Tensor, block: DecoderBlock, i: number): Tensor =>
          ops.tidy((o) => block.apply(o, y, i, caches));
        const last = this.#blocks
          .reduce(run, x)
          .slice(1, ids.length - 1)
          .reshape([1, this.#size]);
        return ops.linear(this.#norm.apply(ops, last), this.#head.value);
      });
    } catch (error) {
      if (caches.past.isAlive) caches.past.truncate(before);
      throw error;
    }
  }

  #places(before: number, count: number): Tensor {
    if (count > 0 && before + count <= this.maxLength)
      return this.#positions.value.slice(0, before, before + count);
    throw new AccelerateError("input", `${count} tokens after ${before} do not fit into 1…${this.maxLength}`);
  }
}

/** The decoder of a Whisper over one window of sound, for `generate`. */
export class WhisperDecoder implements Decoder {
  readonly ops: OpSet;
  readonly vocabularySize: number;
  readonly maxLength: number;
  readonly #stack: DecoderStack;
  readonly #encoded: KeyValueCache;

  /** @internal */
  constructor(stack: DecoderStack, encoded: KeyValueCache) {
    this.ops = stack.ops;
    this.vocabularySize = stack.vocabularySize;
    this.maxLength = stack.maxLength;
    this.#stack = stack;
    this.#encoded = encoded;
  }

  createCache(capacity: number, precision: CachePrecision): KeyValueCache {
    return this.#stack.createCache(capacity, precision);
  }

  step(ids: readonly number[], cache: KeyValueCache): Tensor {
    return this.#stack.step(ids, { past: cache, encoded: this.#encoded });
  }

  dispose(): void {
    this.#encoded.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
