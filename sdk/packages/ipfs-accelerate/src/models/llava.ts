import { AccelerateError } from "../errors/index.ts";
import type { CachePrecision, Decoder, KeyValueCache } from "../generation/index.ts";
import type { ImageBatch } from "../images/index.ts";
import { numberOf, type Checkpoint, type ModelOptions } from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { Parameters } from "../weights/index.ts";
import { Llama } from "./llama.ts";
import { ImageFeatures } from "./llava/features.ts";
import { placesOf, textConfigOf } from "./llava/layout.ts";

/**
 * LLaVA: a CLIP vision tower whose patches a decoder reads among the words. Results belong to the caller.
 *
 * Source: Liu et al., "Improved Baselines with Visual Instruction Tuning", arXiv:2310.03744; the layout is that of
 * transformers' checkpoints.
 */
export class Llava {
  readonly ops: OpSet;
  /** Positions of a prompt with its images and of what follows. */
  readonly maxLength: number;
  readonly vocabularySize: number;
  /** Height and width of an image. */
  readonly imageSize: number;
  /** The id that stands for an image in a prompt. */
  readonly imageTokenId: number;
  /** Positions one image takes. */
  readonly tokensPerImage: number;
  readonly #parameters: Parameters;
  readonly #text: Llama;
  readonly #features: ImageFeatures;

  private constructor(config: Checkpoint["config"], ops: OpSet, parameters: Parameters) {
    const { body, head, rest } = placesOf(parameters);
    const text = textConfigOf(config);
    this.ops = ops;
    this.#parameters = parameters;
    this.#text = new Llama(ops, text, body, head);
    this.#features = new ImageFeatures(rest, config, this.#text.hiddenSize);
    this.maxLength = this.#text.maxLength;
    this.vocabularySize = this.#text.vocabularySize;
    this.imageSize = this.#features.imageSize;
    this.tokensPerImage = this.#features.tokensPerImage;
    this.imageTokenId = numberOf(config, "image_token_index", numberOf(config, "image_token_id", 32_000));
  }

  /**
   * @throws AccelerateError `model_format` for a config of another architecture or tensors that do not fit it, `model` for
   * a tensor that is missing, `target_unsupported` for a vision tower that is not CLIP's or a decoder `Llama` does not know.
   */
  static async load({ config, weights }: Checkpoint, options: ModelOptions): Promise<Llava> {
    if (config["model_type"] !== "llava") {
      throw new AccelerateError("model_format", `${JSON.stringify(config["model_type"])} is not llava`);
    }
    const parameters = new Parameters(weights, options.precision);
    const model = new Llava(config, options.ops, parameters);
    await parameters.load(options.ops, options);
    return model;
  }

  /**
   * What the decoder reads instead of words, `[B, tokensPerImage, hiddenSize]`.
   *
   * @throws AccelerateError `input` for images of another size than `imageSize`.
   */
  encodeImages(images: ImageBatch): Tensor {
    return this.ops.tidy((o) => this.#features.apply(o, images));
  }

  /** A prompt with one image token per image, as a prompt with one for each position they take. Source: `LlavaProcessor`. */
  expand(ids: readonly number[]): number[] {
    return ids.flatMap((id) =>
      id === this.imageTokenId ? Array<number>(this.tokensPerImage).fill(id) : [id],
    );
  }

  /**
   * What `generate` continues this prompt with. `features`, of `encodeImages`, stay the caller's and must live as long.
   *
   * @throws AccelerateError `input` when the prompt has not as many image tokens as the features have rows.
   */
  decoder(promptIds: readonly number[], features?: Tensor): Decoder {
    const rows = features?.reshape([-1, this.#text.hiddenSize]);
    return new LlavaDecoder(this.#text, this.imageTokenId, promptIds, rows);
  }

  dispose(): void {
    this.#text.dispose();
    this.#parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The decoder of one prompt: at the places of its images it reads their features. */
class LlavaDecoder implements Decoder {
  readonly ops: OpSet;
  readonly vocabularySize: number;
  readonly maxLength: number;
  readonly #text: Llama;
  readonly #features: Tensor | undefined;
  /** The row of the features at each position of the prompt. */
  readonly #rows: ReadonlyMap<number, number>;

  constructor(text: Llama, imageTokenId: number, promptIds: readonly number[], features: Tensor | undefined) {
    const places = promptIds.flatMap((id, position) => (id === imageTokenId ? [position] : []));
    const count = features?.shape[0] ?? 0;
    if (places.length !== count) {
      throw new AccelerateError(
        "input",
        `a prompt of ${places.length} image tokens for images that take ${count}`,
        { hint: "Put one image token per image into the text, and expand(ids)." },
      );
    }
    this.ops = text.ops;
    this.vocabularySize = text.vocabularySize;
    this.maxLength = text.maxLength;
    this.#text = text;
    this.#features = features;
    this.#rows = new Map(places.map((position, row) => [position, row]));
  }

  createCache(capacity: number, precision: CachePrecision): KeyValueCache {
    return this.#text.createCache(capacity, precision);
  }

  step(ids: readonly number[], cache: KeyValueCache): Tensor {
    return this.ops.tidy((o) => this.#text.stepEmbedded(this.#embedded(o, ids, cache.length), cache));
  }

  /** Words from the table, images from the features, in runs. */
  #embedded(o: OpSet, ids: readonly number[], past: number): Tensor {
    const parts: Tensor[] = [];
    for (let start = 0, end = 0; start < ids.length; start = end) {
      const row = this.#rows.get(past + start);
      while (end < ids.length && (this.#rows.get(past + end) === undefined) === (row === undefined)) end++;
      const part =
        row === undefined
          ? this.#text.embed(o, ids.slice(start, end))
          : this.#features!.slice(0, row, row + end - start);
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : o.concat(parts, 0);
  }
}
