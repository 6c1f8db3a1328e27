import { AccelerateError } from "../../errors/index.ts";
import { activationOf, Conv, LayerNorm, Linear, numberOf, type Checkpoint } from "../../layers/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { Parameter, Parameters } from "../../weights/index.ts";
import { SwinBlock } from "./swin-block.ts";
import { resized } from "./resize.ts";

type Config = Checkpoint["config"];

/** PyTorch's own, of the norms the config does not set. */
const EPSILON = 1e-5;

interface Stage {
  readonly blocks: readonly SwinBlock[];
  /** Four neighbours become one of twice the channels; none after the last stage. */
  readonly merge: { readonly norm: LayerNorm; readonly reduction: Linear } | undefined;
}

/**
 * HTSAT: a spectrogram folded into a square image, seen by a Swin transformer.
 *
 * Source: Chen et al., "HTS-AT", arXiv:2202.00874.
 */
export class AudioTower {
  readonly #mels: number;
  readonly #side: number;
  readonly #grid: number;
  readonly #norms: readonly Parameter[];
  readonly #patches: Conv;
  readonly #patchNorm: LayerNorm | undefined;
  readonly #stages: readonly Stage[];
  readonly #norm: LayerNorm;

  constructor(parameters: Parameters, config: Config) {
    mustBePlain(config);
    const size = numberOf(config, "patch_embeds_hidden_size");
    const patch = square(config, "patch_size");
    const stride = square(config, "patch_stride");
    const depths = listOf(config, "depths");
    this.#mels = numberOf(config, "num_mel_bins");
    this.#side = numberOf(config, "spec_size");
    this.#grid = Math.floor(this.#side / stride);
    const batchNorm = parameters.scope("batch_norm");
    this.#norms = ["running_mean", "running_var", "weight", "bias"].map((name) =>
      batchNorm.dense(name, [this.#mels]),
    );
    const embed = parameters.scope("patch_embed");
    const padding = Math.floor((patch - stride) / 2);
    this.#patches = new Conv(embed.scope("proj"), [size, 1, patch, patch], { stride, padding });
    const hasNorm = config["enable_patch_layer_norm"] !== false;
    this.#patchNorm = hasNorm ? new LayerNorm(embed.scope("norm"), size, EPSILON) : undefined;
    this.#stages = depths.map((depth, i) => {
      const sizes = { size: size * 2 ** i, side: Math.floor(this.#grid / 2 ** i), depth };
      return stageOf(parameters.scope(`layers.${i}`), config, sizes, i);
    });
    this.#norm = new LayerNorm(parameters.scope("norm"), size * 2 ** (depths.length - 1), EPSILON);
  }

  /** `[B, 1, frames, mels]` to `[B, hidden]`. */
  apply(ops: OpSet, features: Tensor): Tensor {
    const [batch] = features.shape as [number];
    const patches = this.#patches.apply(ops, this.#image(ops, features));
    const tokens = ops.contiguous(patches.permute([0, 2, 3, 1])).reshape([batch, this.#grid, this.#grid, -1]);
    const first = this.#patchNorm?.apply(ops, tokens) ?? tokens;
    const last = this.#stages.reduce((x, { blocks, merge }) => {
      const seen = blocks.reduce((y, block) => ops.tidy((o) => block.apply(o, y)), x);
      return merge ? merge.reduction.apply(ops, merge.norm.apply(ops, neighbours(ops, seen))) : seen;
    }, first);
    return ops.reduce("mean", this.#norm.apply(ops, last), [1, 2]);
  }

  /** The spectrogram cut in time, its pieces one above the other: `[B, 1, side, side]`. */
  #image(ops: OpSet, features: Tensor): Tensor {
    const ratio = Math.floor(this.#side / this.#mels);
    const [batch, channels, frames, mels] = features.shape;
    if (features.rank !== 4 || channels !== 1 || mels !== this.#mels || frames! > this.#side * ratio) {
      const most = this.#side * ratio;
      throw new AccelerateError(
        "input",
        `features [${features.shape}] are not [B, 1, at most ${most}, ${this.#mels}]`,
      );
    }
    const [mean, variance, scale, bias] = this.#norms.map(({ value }) => value) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const options = { scale, bias, epsilon: EPSILON };
    const normed = ops
      .batchNorm(features.permute([0, 3, 2, 1]), mean, variance, options)
      .permute([0, 3, 2, 1]);
    const long = resized(ops, normed, 2, this.#side * ratio);
    const wide = resized(ops, long, 3, Math.floor(this.#side / ratio));
    const pieces = ops.contiguous(wide).reshape([batch!, ratio, this.#side, -1]).permute([0, 1, 3, 2]);
    return ops.contiguous(pieces).reshape([batch!, 1, this.#side, this.#side]);
  }
}

function mustBePlain(config: Config): void {
  if (config["enable_fusion"] === true) {
    throw new AccelerateError("target_unsupported", "CLAP with fusion of several windows", {
      hint: "Use a checkpoint without fusion.",
    });
  }
}

function square(config: Config, name: string): number {
  const [first, second = first] = [config[name]].flat();
  if (typeof first === "number" && first === second && first > 0) return first;
  throw new AccelerateError(
    "model_format",
    `config.json has ${JSON.stringify(config[name])} as ${name}, not a square`,
  );
}

function listOf(config: Config, name: string): readonly number[] {
  const list = config[name];
  if (Array.isArray(list) && list.length > 0 && list.every((n) => Number.isInteger(n) && n > 0))
    return list as number[];
  throw new AccelerateError("model_format", `config.json has ${JSON.stringify(list)} as ${name}`);
}

function stageOf(
  parameters: Parameters,
  config: Config,
  { size, side, depth }: { size: number; side: number; depth: number },
  index: number,
): Stage {
  const heads = listOf(config, "num_attention_heads");
  const options = {
    size,
    side,
    heads: heads[index] ?? 1,
    window: numberOf(config, "window_size"),
    inner: Math.floor(numberOf(config, "mlp_ratio") * size),
    epsilon: numberOf(config, "layer_norm_eps", EPSILON),
    activation: activationOf(config["hidden_act"] ?? "gelu"),
  };
  const blocks = Array.from(
    { length: depth },
    (_, i) => new SwinBlock(parameters.scope(`blocks.${i}`), options, i % 2 === 1),
  );
  const down = parameters.scope("downsample");
  if (index === listOf(config, "depths").length - 1) return { blocks, merge: undefined };
  const norm = new LayerNorm(down.scope("norm"), 4 * size, EPSILON);
  return { blocks, merge: { norm, reduction: new Linear(down.scope("reduction"), 2 * size, 4 * size) } };
}

/** `[B, H, W, C]` to `[B, H/2, W/2, 4C]`, column by column. */
function neighbours(ops: OpSet, x: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const odd = [[0, 0], [0, height % 2], [0, width % 2], [0, 0]] as const; // prettier-ignore
  const even = height % 2 || width % 2 ? ops.pad(x, odd) : x;
  const [rows, columns] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  const cells = even.reshape([batch, rows, 2, columns, 2, channels]).permute([0, 1, 3, 4, 2, 5]);
  return ops.contiguous(cells).reshape([batch, rows, columns, 4 * channels]);
}
