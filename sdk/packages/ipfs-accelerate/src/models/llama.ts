import { AccelerateError } from "../errors/index.ts";
import { KeyValueCache, type CachePrecision, type Decoder } from "../generation/index.ts";
import { Embedding, RmsNorm, type Checkpoint, type ModelOptions } from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { QuantizedTensor, Tensor } from "../tensor/index.ts";
import { bitsOf, computeType, Parameters, type Parameter } from "../weights/index.ts";
import { addAndNorm, DecoderBlock, type Stream } from "./llama/block.ts";
import { parseConfig, type LlamaConfig } from "./llama/config.ts";
import { RotaryTables } from "./llama/rotary.ts";

/**
 * LLaMA, Mistral, Qwen2 and Qwen3: one decoder, whose differences are in the config and the names of the checkpoint.
 *
 * Source: Touvron et al., "LLaMA", arXiv:2302.13971; the layouts are those of transformers' checkpoints.
 */
export class Llama implements Decoder {
  readonly ops: OpSet;
  readonly vocabularySize: number;
  readonly maxLength: number;
  readonly hiddenSize: number;
  readonly #config: LlamaConfig;
  readonly #parameters: Parameters;
  readonly #table: Embedding;
  readonly #blocks: readonly DecoderBlock[];
  readonly #norm: RmsNorm;
  readonly #head: Parameter<Tensor | QuantizedTensor>;
  readonly #rotary: RotaryTables;

  /** @internal Declares its parameters; `body` and `head` are where layers and output matrix lie. */
  constructor(ops: OpSet, config: Checkpoint["config"], body: Parameters, head: Parameters) {
    const parsed = parseConfig(config);
    const { vocabularySize, hiddenSize, layers, epsilon } = parsed;
    this.ops = ops;
    this.vocabularySize = vocabularySize;
    this.maxLength = parsed.maxLength;
    this.hiddenSize = hiddenSize;
    this.#config = parsed;
    this.#parameters = body;
    this.#table = new Embedding(body.scope("embed_tokens"), vocabularySize, hiddenSize);
    this.#blocks = Array.from(
      { length: layers },
      (_, layer) => new DecoderBlock(body.scope(`layers.${layer}`), parsed, layer),
    );
    this.#norm = new RmsNorm(body.scope("norm"), hiddenSize, epsilon);
    this.#head = this.#declareHead(body, head);
    this.#rotary = new RotaryTables(ops, parsed.frequencies, computeType(body.plan));
  }

  /**
   * @throws AccelerateError `target_unsupported` for another model type or an unknown rotary scaling, `model` for a tensor
   * that is missing, `model_format` for a config or tensor that does not fit.
   */
  static async load(
    { config, weights }: Checkpoint,
    { ops, precision, ...load }: ModelOptions,
  ): Promise<Llama> {
    const parameters = new Parameters(weights, precision);
    const model = new Llama(ops, config, parameters.scope("model"), parameters.scope("lm_head"));
    await parameters.load(ops, load);
    return model;
  }

  /** Grows to `maxLength`. */
  createCache(capacity: number, precision: CachePrecision): KeyValueCache {
    const { layers, sharedHeads: heads, headSize, maxLength: limit } = this.#config;
    return new KeyValueCache(this.ops, { layers, heads, headSize, capacity, limit, precision });
  }

  step(ids: readonly number[], cache: KeyValueCache): Tensor {
    return this.ops.tidy((ops) => this.stepEmbedded(this.embed(ops, ids), cache));
  }

  /** Rows of the table of embeddings, `[T, hiddenSize]`. */
  embed(ops: OpSet, ids: readonly number[]): Tensor {
    return this.#table.apply(ops, ids);
  }

  /** Like `step`, of `[T, hiddenSize]` that need not come from the table: image features among words. */
  stepEmbedded(embedded: Tensor, cache: KeyValueCache): Tensor {
    const past = cache.length;
    try {
      return this.ops.tidy((ops) => {
        const { added, residual } = this.#states(ops, embedded, past, cache);
        const count = embedded.shape[0]!;
        return this.#logits(ops, added.slice(0, count - 1), residual.slice(0, count - 1));
      });
    } catch (error) {
      if (cache.isAlive) cache.truncate(past);
      throw error;
    }
  }

  /** Logits after each of the ids, `[T, vocabularySize]`, without a cache. */
  logits(ids: readonly number[]): Tensor {
    this.#mustFit(ids.length);
    return this.ops.tidy((ops) => {
      const { added, residual } = this.#states(ops, this.embed(ops, ids), 0, undefined);
      return this.#logits(ops, added, residual);
    });
  }

  dispose(): void {
    this.#parameters.dispose();
    this.#rotary.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** A tied head shares the table, unless matrices are packed: then it is packed beside the table. */
  #declareHead(body: Parameters, head: Parameters): Parameter<Tensor | QuantizedTensor> {
    const { vocabularySize, hiddenSize, isTied } = this.#config;
    if (isTied && bitsOf(body.plan.weights) === undefined) return this.#table.table;
    const home = isTied ? body.scope("embed_tokens") : head;
    return home.matrix("weight", [vocabularySize, hiddenSize]);
  }

  #mustFit(positions: number): void {
    if (positions > 0 && positions <= this.maxLength) return;
    throw new AccelerateError("input", `${positions} positions do not fit into 1…${this.maxLength}`);
  }

  #states(
    ops: OpSet,
    embedded: Tensor,
    past: number,
    cache: KeyValueCache | undefined,
  ): { added: Tensor; residual: Tensor } {
    const count = embedded.shape[0]!;
    this.#mustFit(past + count);
    const positions = { past, count, rotation: this.#rotary.at(past, count), cache };
    const [first] = this.#blocks as [DecoderBlock];
    let stream: Stream = { normed: first.inputNorm.apply(ops, embedded), residual: embedded };
    let last = { added: embedded, residual: embedded };
    this.#blocks.forEach((block, layer) => {
      [last, stream] = ops.tidy((o) => {
        const done = block.apply(o, stream, positions);
        const next = this.#blocks[layer + 1];
        return [done, next ? addAndNorm(o, next.inputNorm, done.added, done.residual) : stream];
      });
    });
    return last;
  }

  #logits(ops: OpSet, added: Tensor, residual: Tensor): Tensor {
    return ops.linear(addAndNorm(ops, this.#norm, added, residual).normed, this.#head.value);
  }
}
