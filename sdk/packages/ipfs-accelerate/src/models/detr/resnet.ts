import { AccelerateError } from "../../errors/index.ts";
import { Conv, numberOf, type Checkpoint } from "../../layers/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { Parameter, Parameters } from "../../weights/index.ts";

/** Where a convolution and its norm lie. */
type Pair = readonly [convolution: string, norm: string];

/** What checkpoints call the parts: those of transformers' own ResNet, and those of timm. */
interface Names {
  readonly stem: Pair;
  readonly layer: (stage: number, layer: number) => string;
  readonly part: (i: number) => Pair;
  readonly shortcut: Pair;
}

const TRANSFORMERS: Names = {
  stem: ["embedder.embedder.convolution", "embedder.embedder.normalization"],
  layer: (stage, layer) => `encoder.stages.${stage}.layers.${layer}`,
  part: (i) => [`layer.${i}.convolution`, `layer.${i}.normalization`],
  shortcut: ["shortcut.convolution", "shortcut.normalization"],
};

const TIMM: Names = {
  stem: ["conv1", "bn1"],
  layer: (stage, layer) => `layer${stage + 1}.${layer}`,
  part: (i) => [`conv${i + 1}`, `bn${i + 1}`],
  shortcut: ["downsample.0", "downsample.1"],
};

interface Shape {
  readonly outputs: number;
  readonly inputs: number;
  readonly window: number;
  readonly stride?: number;
}

/** A convolution and the stored statistics of its norm. */
class ConvNorm {
  readonly #conv: Conv;
  readonly #norm: readonly Parameter[];

  constructor(parameters: Parameters, [conv, norm]: Pair, { outputs, inputs, window, stride = 1 }: Shape) {
    const padding = Math.floor(window / 2);
    this.#conv = new Conv(parameters.scope(conv), [outputs, inputs, window, window], { stride, padding });
    const names = ["running_mean", "running_var", "weight", "bias"];
    this.#norm = names.map((name) => parameters.scope(norm).dense(name, [outputs]));
  }

  apply(o: OpSet, x: Tensor): Tensor {
    const [mean, variance, scale, bias] = this.#norm.map(({ value }) => value) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    return o.batchNorm(this.#conv.apply(o, x), mean, variance, { scale, bias, epsilon: 1e-5 });
  }
}

interface Layer {
  readonly parts: readonly ConvNorm[];
  readonly shortcut: ConvNorm | undefined;
}

interface Plan {
  readonly stem: number;
  readonly sizes: readonly number[];
  readonly depths: readonly number[];
  readonly isBottleneck: boolean;
}

/** The depths of the backbones that DETR's checkpoints name. Source: He et al., "Deep Residual Learning", 2015. */
const BACKBONES = new Map<unknown, readonly number[]>([
  ["resnet50", [3, 4, 6, 3]],
  ["resnet101", [3, 4, 23, 3]],
]);

/** ResNet up to its last stage, its norms frozen. */
export class ResNet {
  /** Channels of an image. */
  readonly inputs: number;
  /** Channels of the features. */
  readonly channels: number;
  readonly #stem: ConvNorm;
  readonly #layers: readonly Layer[];

  constructor(parameters: Parameters, config: Checkpoint["config"]) {
    const { stem, sizes, depths, isBottleneck } = planOf(config);
    const names = parameters.has("conv1.weight") ? TIMM : TRANSFORMERS;
    this.inputs = numberOf(config, "num_channels", 3);
    this.channels = sizes.at(-1)!;
    this.#stem = new ConvNorm(parameters, names.stem, {
      outputs: stem,
      inputs: this.inputs,
      window: 7,
      stride: 2,
    });
    this.#layers = depths.flatMap((depth, stage) =>
      Array.from({ length: depth }, (_, layer) => {
        const scope = parameters.scope(names.layer(stage, layer));
        const inputs = layer > 0 ? sizes[stage]! : (sizes[stage - 1] ?? stem);
        const stride = stage > 0 && layer === 0 ? 2 : 1;
        return layerOf(scope, names, { outputs: sizes[stage]!, inputs, stride, isBottleneck });
      }),
    );
  }

  /** `[B, channels, ⌈H/32⌉, ⌈W/32⌉]` with four stages. */
  apply(o: OpSet, pixels: Tensor): Tensor {
    const stem = o.relu(this.#stem.apply(o, pixels));
    return this.#layers.reduce(
      (x, { parts, shortcut }) => {
        const last = parts.length - 1;
        const y = parts.reduce((z, part, i) => (i < last ? o.relu(part.apply(o, z)) : part.apply(o, z)), x);
        return o.relu(o.add(y, shortcut?.apply(o, x) ?? x));
      },
      o.pool("max", stem, { size: 3, stride: 2, padding: 1 }),
    );
  }
}

function layerOf(
  scope: Parameters,
  names: Names,
  {
    outputs,
    inputs,
    stride,
    isBottleneck,
  }: Omit<Required<Shape>, "window"> & { readonly isBottleneck: boolean },
): Layer {
  const inner = outputs / 4;
  const shapes: readonly Shape[] = isBottleneck
    ? [
        { outputs: inner, inputs, window: 1 },
        { outputs: inner, inputs: inner, window: 3, stride },
        { outputs, inputs: inner, window: 1 },
      ]
    : [
        { outputs, inputs, window: 3, stride },
        { outputs, inputs: outputs, window: 3 },
      ];
  const isChanged = inputs !== outputs || stride !== 1;
  return {
    parts: shapes.map((shape, i) => new ConvNorm(scope, names.part(i), shape)),
    shortcut: isChanged
      ? new ConvNorm(scope, names.shortcut, { outputs, inputs, window: 1, stride })
      : undefined,
  };
}

/** @throws AccelerateError `model_format` for a backbone that is no ResNet of a known kind. */
function planOf(config: Checkpoint["config"]): Plan {
  const section = config["backbone_config"] as Checkpoint["config"] | null | undefined;
  const depths = BACKBONES.get(section?.["backbone"] ?? config["backbone"]);
  if (depths) return { stem: 64, sizes: [256, 512, 1024, 2048], depths, isBottleneck: true };
  const isKnown =
    section?.["model_type"] === "resnet" &&
    section["downsample_in_first_stage"] !== true &&
    section["downsample_in_bottleneck"] !== true;
  if (!isKnown) {
    const name = section?.["backbone"] ?? section?.["model_type"] ?? config["backbone"];
    throw new AccelerateError("model_format", `${JSON.stringify(name)} is no backbone DETR has here`);
  }
  return {
    stem: numberOf(section, "embedding_size"),
    sizes: section["hidden_sizes"] as readonly number[],
    depths: section["depths"] as readonly number[],
    isBottleneck: section["layer_type"] !== "basic",
  };
}
