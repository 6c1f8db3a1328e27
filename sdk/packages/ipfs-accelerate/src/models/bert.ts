import {
  activationOf,
  Embedding,
  EncoderBlock,
  labelsOf,
  LayerNorm,
  Linear,
  numberOf,
  withoutHead,
  type Activation,
  type BlockOptions,
  type Checkpoint,
  type ModelOptions,
} from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { QuantizedTensor, Tensor } from "../tensor/index.ts";
import type { TokenBatch } from "../tokenizers/index.ts";
import { Parameters, type Parameter, type WeightMemory } from "../weights/index.ts";
import { checkBatch, firstToken, meanOfTokens, positionsAfter, relativeBuckets } from "./bert/input.ts";
import { blockOptions, layoutOf, MPNET, type Layout } from "./bert/layout.ts";

export interface EmbedOptions {
  /** The mean over the tokens that are no padding, or the first token; what the checkpoint was trained for by default. */
  readonly pooling?: "mean" | "cls";
  /** To length 1, as most sentence models are compared. */
  readonly isNormalized?: boolean;
}

interface ClassifierHead {
  readonly dense: Linear;
  readonly activation: Activation;
  readonly output: Linear;
}

interface MaskedHead {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  readonly decoder: Parameter<Tensor | QuantizedTensor>;
  readonly bias: Parameter;
}

/**
 * BERT and its relatives: RoBERTa, XLM-RoBERTa, DistilBERT, MPNet, and the sentence models built on them.
 *
 * Results belong to the caller.
 *
 * Source: Devlin et al., "BERT", 2018; the layouts are those of transformers' checkpoints.
 */
export class Bert {
  readonly hiddenSize: number;
  /** Of a row of ids, special tokens included. */
  readonly maxLength: number;
  /** Names of the classes; empty without a classification head. */
  readonly labels: readonly string[];
  /** What `embed` does unless told otherwise. */
  readonly pooling: "mean" | "cls";
  readonly #ops: OpSet;
  readonly #parameters: Parameters;
  readonly #skipsPadding: boolean;
  readonly #padding: number;
  readonly #activation: Activation;
  readonly #words: Embedding;
  readonly #positions: Embedding;
  readonly #types: Embedding | undefined;
  readonly #relative: Embedding | undefined;
  readonly #norm: LayerNorm;
  readonly #blocks: readonly EncoderBlock[];
  readonly #classifier: ClassifierHead | undefined;
  readonly #masked: MaskedHead | undefined;

  private constructor({ config, weights, files }: Checkpoint, { ops, precision }: ModelOptions) {
    const layout = layoutOf(config);
    const options = blockOptions(config, layout);
    const root = new Parameters(weights, precision);
    const isBare = root.has("embeddings.word_embeddings.weight");
    const encoder = isBare ? root : root.scope(layout.prefix);
    const embeddings = encoder.scope("embeddings");
    const table = (name: string, rows: number): Embedding =>
      new Embedding(embeddings.scope(name), rows, options.size);
    const rows = numberOf(config, "max_position_embeddings");
    const types = numberOf(config, "type_vocab_size", 0);
    this.#ops = ops;
    this.#parameters = root;
    this.#skipsPadding = layout.skipsPadding;
    this.#padding = numberOf(config, "pad_token_id", 1);
    this.#activation = options.activation;
    this.hiddenSize = options.size;
    this.maxLength = layout.skipsPadding ? rows - this.#padding - 1 : rows;
    this.pooling = poolingOf(files);
    this.#words = table("word_embeddings", numberOf(config, "vocab_size"));
    this.#positions = table("position_embeddings", rows);
    this.#types = embeddings.has("token_type_embeddings.weight")
      ? table("token_type_embeddings", types)
      : undefined;
    this.#norm = new LayerNorm(embeddings.scope("LayerNorm"), options.size, options.epsilon);
    const relative = encoder.scope("encoder.relative_attention_bias");
    const buckets = numberOf(config, "relative_attention_num_buckets", 32);
    this.#relative = layout === MPNET ? new Embedding(relative, buckets, options.heads) : undefined;
    this.#blocks = Array.from({ length: numberOf(config, layout.settings.layers) }, (_, i) => {
      return new EncoderBlock(encoder.scope(`${layout.blocks}.${i}`), layout.names, options);
    });
    this.#classifier = classifierOf(root, encoder, layout, options.size);
    this.labels = this.#classifier
      ? labelsOf(config, root.shapeOf(`${layout.classifier[2]}.weight`)![0]!)
      : [];
    this.#masked = maskedHeadOf(root, config, layout, this.#words, options);
  }

  /**
   * @throws AccelerateError `model_format` for a config of another architecture or tensors that do not fit it, `model` for
   * a tensor that is missing.
   */
  static async load(checkpoint: Checkpoint, options: ModelOptions): Promise<Bert> {
    const model = new Bert(checkpoint, options);
    await model.#parameters.load(options.ops, options);
    return model;
  }

  /**
   * The last hidden states, `[B, T, hiddenSize]`.
   *
   * @throws AccelerateError `input` for ids outside the vocabulary, rows longer than `maxLength`, or parts that do not fit.
   */
  encode(batch: TokenBatch): Tensor {
    return this.#ops.tidy((o) => this.#states(o, batch));
  }

  /** One vector for each text, `[B, hiddenSize]` in `f32`, as sentence-transformers makes it. */
  embed(batch: TokenBatch, { pooling = this.pooling, isNormalized = true }: EmbedOptions = {}): Tensor {
    return this.#ops.tidy((o) => {
      const states = this.#states(o, batch);
      const pooled = pooling === "cls" ? firstToken(states) : meanOfTokens(o, states, batch);
      const wide = pooled.dtype === "f32" ? pooled : o.cast(pooled, "f32");
      if (!isNormalized) return wide;
      const length = o.apply("sqrt", o.reduce("sum", o.mul(wide, wide), -1, true));
      return o.div(wide, o.apply("max", length, 1e-12));
    });
  }

  /**
   * Logits of the classes, `[B, labels]`.
   *
   * @throws AccelerateError `usage` when the checkpoint has no classification head.
   */
  classify(batch: TokenBatch): Tensor {
    const head = this.#classifier;
    if (!head) throw withoutHead("classification");
    return this.#ops.tidy((o) => {
      const dense = head.dense.apply(o, firstToken(this.#states(o, batch)));
      return head.output.apply(o, head.activation(o, dense));
    });
  }

  /**
   * Logits of the vocabulary at every place, `[B, T, vocabulary]`.
   *
   * @throws AccelerateError `usage` when the checkpoint has no masked-language head.
   */
  fillMask(batch: TokenBatch): Tensor {
    const head = this.#masked;
    if (!head) throw withoutHead("masked-language");
    return this.#ops.tidy((o) => {
      const hidden = this.#activation(o, head.dense.apply(o, this.#states(o, batch)));
      return o.linear(head.norm.apply(o, hidden), head.decoder.value, head.bias.value);
    });
  }

  /** What its weights take on the device. */
  get memory(): WeightMemory {
    return this.#parameters.memory;
  }

  dispose(): void {
    this.#parameters.dispose();
  }

  #states(o: OpSet, batch: TokenBatch): Tensor {
    checkBatch(batch, this.maxLength);
    const options = { mask: this.#mask(o, batch) };
    return this.#blocks.reduce((x, block) => block.apply(o, x, options), this.#embedded(o, batch));
  }

  #embedded(o: OpSet, { ids, shape, tokenTypes }: TokenBatch): Tensor {
    const words = this.#words.apply(o, ids, shape);
    const positions = this.#skipsPadding
      ? this.#positions.apply(o, positionsAfter(ids, shape[1], this.#padding), shape)
      : this.#positions.apply(
          o,
          Int32Array.from({ length: shape[1] }, (_, i) => i),
        );
    const located = o.add(words, positions);
    const types = this.#types?.apply(o, tokenTypes ?? new Int32Array(ids.length), shape);
    return this.#norm.apply(o, types ? o.add(located, types) : located);
  }

  #mask(o: OpSet, { shape: [batch, length], attentionMask }: TokenBatch): Tensor | undefined {
    const bits = attentionMask?.includes(0) === true ? Uint8Array.from(attentionMask) : undefined;
    const mask = bits && o.tensor(bits, [batch, 1, 1, length], "bool");
    if (!this.#relative) return mask;
    const places = this.#relative.apply(o, relativeBuckets(length, this.#relative.table.shape[0]!), [
      length,
      length,
    ]);
    const bias = o.contiguous(places.permute([2, 0, 1])).reshape([1, -1, length, length]);
    return mask ? o.where(mask, bias, -1e4) : bias;
  }
}

/** Of `1_Pooling/config.json`, where sentence-transformers keeps it; the mean without one. */
function poolingOf(files: Checkpoint["files"]): "mean" | "cls" {
  const text = files?.get("1_Pooling/config.json");
  return text !== undefined && /"pooling_mode_cls_token"\s*:\s*true/.test(text) ? "cls" : "mean";
}

function classifierOf(
  root: Parameters,
  encoder: Parameters,
  { classifier: [dense, activation, output] }: Layout,
  size: number,
): ClassifierHead | undefined {
  const labels = root.shapeOf(`${output}.weight`)?.[0];
  if (labels === undefined) return undefined;
  const scope = dense.startsWith(".") ? encoder.scope(dense.slice(1)) : root.scope(dense);
  return {
    dense: new Linear(scope, size, size),
    activation: activationOf(activation),
    output: new Linear(root.scope(output), labels, size),
  };
}

function maskedHeadOf(
  root: Parameters,
  config: Checkpoint["config"],
  { masked }: Layout,
  words: Embedding,
  { size, epsilon }: BlockOptions,
): MaskedHead | undefined {
  if (!root.has(masked.bias)) return undefined;
  const [vocabulary] = words.table.shape as [number];
  const isTied = config["tie_word_embeddings"] !== false;
  return {
    dense: new Linear(root.scope(masked.dense), size, size),
    norm: new LayerNorm(root.scope(masked.norm), size, epsilon),
    decoder: isTied ? words.table : root.scope(masked.decoder).matrix("weight", [vocabulary, size]),
    bias: root.dense(masked.bias, [vocabulary]),
  };
}
