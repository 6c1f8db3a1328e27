import { AccelerateError } from "../errors/index.ts";
import { KeyValueCache, type CachePrecision, type Decoder } from "../generation/index.ts";
import { activationOf, Embedding, numberOf, type Checkpoint, type ModelOptions } from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { QuantizedTensor, Tensor } from "../tensor/index.ts";
import { bitsOf, Parameters, type Parameter } from "../weights/index.ts";
import { T5Stack, type T5Sizes } from "./t5/stack.ts";

/** Relative positions have no end; a decoder must have one. */
const LONGEST = 4096;

/**
 * T5, Flan-T5 and their relatives: an encoder, and a decoder bound to what it encoded.
 *
 * Source: Raffel et al., "T5", arXiv:1910.10683; the gated form from Shazeer, arXiv:2002.05202.
 */
export class T5 {
  readonly ops: OpSet;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  /** The id a decoder begins with. */
  readonly startId: number;
  readonly #parameters: Parameters;
  readonly #sizes: T5Sizes;
  readonly #table: Embedding;
  readonly #encoder: T5Stack;
  readonly #decoder: T5Stack;
  readonly #head: Parameter<Tensor | QuantizedTensor>;
  /** What states are multiplied by before a tied head. */
  readonly #outputScale: number;

  /** @internal */
  constructor(ops: OpSet, config: Checkpoint["config"], parameters: Parameters) {
    const sizes = sizesOf(config);
    const layers = numberOf(config, "num_layers");
    this.ops = ops;
    this.vocabularySize = numberOf(config, "vocab_size");
    this.hiddenSize = sizes.hiddenSize;
    this.startId = numberOf(config, "decoder_start_token_id", numberOf(config, "pad_token_id", 0));
    this.#parameters = parameters;
    this.#sizes = sizes;
    this.#table = new Embedding(parameters.scope("shared"), this.vocabularySize, sizes.hiddenSize);
    this.#encoder = new T5Stack(parameters.scope("encoder"), sizes, layers, false);
    const decoders = numberOf(config, "num_decoder_layers", layers);
    this.#decoder = new T5Stack(parameters.scope("decoder"), sizes, decoders, true);
    this.#outputScale = isScaled(config) ? sizes.hiddenSize ** -0.5 : 1;
    this.#head = this.#declareHead(parameters);
  }

  /** @throws AccelerateError `model` for a tensor that is missing, `model_format` for a config or tensor that does not fit. */
  static async load({ config, weights }: Checkpoint, { ops, precision, ...load }: ModelOptions): Promise<T5> {
    if (config["model_type"] !== "t5") {
      throw new AccelerateError("model_format", `${JSON.stringify(config["model_type"])} is not t5`);
    }
    const parameters = new Parameters(weights, precision);
    const model = new T5(ops, config, parameters);
    await parameters.load(ops, load);
    return model;
  }

  /** Last states of the encoder, `[1, T, hiddenSize]`. */
  encode(ids: readonly number[]): Tensor {
    if (ids.length === 0) throw new AccelerateError("input", "an encoder has nothing to do with 0 tokens");
    return this.ops.tidy((ops) => this.#encoder.apply(ops, this.#embed(ops, ids), {}));
  }

  /** What goes on from an encoder's states, which may be disposed of after; the decoder is the caller's to dispose of. */
  decoder(states: Tensor, precision: CachePrecision = "fp32"): T5Decoder {
    const encoded = this.ops.tidy((ops) => {
      const parts = this.#decoder.blocks.map((block) => block.cross!.keysAndValues(ops, states));
      return KeyValueCache.fixed(ops, parts, precision);
    });
    return new T5Decoder(this, encoded);
  }

  /** @internal */
  step(ids: readonly number[], past: KeyValueCache, encoded: KeyValueCache): Tensor {
    const before = past.length;
    try {
      return this.ops.tidy((ops) => {
        const states = this.#decoder.apply(ops, this.#embed(ops, ids), { past, encoded });
        const last = states.slice(1, ids.length - 1).reshape([1, this.hiddenSize]);
        return ops.linear(
          this.#outputScale === 1 ? last : ops.mul(last, this.#outputScale),
          this.#head.value,
        );
      });
    } catch (error) {
      if (past.isAlive) past.truncate(before);
      throw error;
    }
  }

  /** @internal */
  createCache(capacity: number, limit: number, precision: CachePrecision): KeyValueCache {
    const { heads, headSize } = this.#sizes;
    const layers = this.#decoder.blocks.length;
    return new KeyValueCache(this.ops, { layers, heads, headSize, capacity, limit, precision });
  }

  dispose(): void {
    this.#parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #embed(ops: OpSet, ids: readonly number[]): Tensor {
    return this.#table.apply(ops, ids, [1, ids.length]);
  }

  /** Without a matrix of its own the head is the table, packed beside it when matrices are. */
  #declareHead(parameters: Parameters): Parameter<Tensor | QuantizedTensor> {
    const isTied = !parameters.has("lm_head.weight");
    if (isTied && bitsOf(parameters.plan.weights) === undefined) return this.#table.table;
    const home = parameters.scope(isTied ? "shared" : "lm_head");
    return home.matrix("weight", [this.vocabularySize, this.hiddenSize]);
  }
}

/** The decoder of a T5 over one encoded text, for `generate`: the prompt is `[model.startId]`. */
export class T5Decoder implements Decoder {
  readonly ops: OpSet;
  readonly vocabularySize: number;
  readonly maxLength: number = LONGEST;
  readonly #model: T5;
  readonly #encoded: KeyValueCache;

  /** @internal */
  constructor(model: T5, encoded: KeyValueCache) {
    this.ops = model.ops;
    this.vocabularySize = model.vocabularySize;
    this.#model = model;
    this.#encoded = encoded;
  }

  createCache(capacity: number, precision: CachePrecision): KeyValueCache {
    return this.#model.createCache(capacity, this.maxLength, precision);
  }

  step(ids: readonly number[], cache: KeyValueCache): Tensor {
    if (ids.length === 0) throw new AccelerateError("input", "a step of 0 tokens");
    return this.#model.step(ids, cache, this.#encoded);
  }

  dispose(): void {
    this.#encoded.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function sizesOf(config: Checkpoint["config"]): T5Sizes {
  const { feed_forward_proj: projection = "relu" } = config;
  const isGated = typeof projection === "string" && projection.startsWith("gated-");
  const name = isGated ? projection.slice("gated-".length) : projection;
  return {
    hiddenSize: numberOf(config, "d_model"),
    heads: numberOf(config, "num_heads"),
    headSize: numberOf(config, "d_kv"),
    innerSize: numberOf(config, "d_ff"),
    epsilon: numberOf(config, "layer_norm_epsilon", 1e-6),
    // In transformers "gated-gelu" is the approximation.
    activation: activationOf(isGated && name === "gelu" ? "gelu_new" : name),
    isGated,
    buckets: numberOf(config, "relative_attention_num_buckets"),
    farthest: numberOf(config, "relative_attention_max_distance", 128),
  };
}

/** Today's configs say it; before, a tied head was a scaled one. */
function isScaled(config: Checkpoint["config"]): boolean {
  return (config["scale_decoder_outputs"] ?? config["tie_word_embeddings"] ?? true) === true;
}
