import { AccelerateError } from "../../errors/index.ts";
import type { ImageBatch } from "../../images/index.ts";
import { activationOf, Linear, numberOf, type Activation, type Checkpoint } from "../../layers/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { Parameters } from "../../weights/index.ts";
import { VisionTower } from "../clip/vision.ts";
import { visionConfigOf } from "./layout.ts";

type Config = Checkpoint["config"];

/** From images to what stands among the embeddings of words: states of the vision tower, through two linear layers. */
export class ImageFeatures {
  readonly imageSize: number;
  readonly tokensPerImage: number;
  readonly #tower: VisionTower;
  readonly #layers: readonly number[];
  readonly #skipsClass: boolean;
  readonly #first: Linear;
  readonly #second: Linear;
  readonly #activation: Activation;

  constructor(parameters: Parameters, config: Config, size: number) {
    const vision = visionConfigOf(config);
    if (vision["model_type"] !== "clip_vision_model") {
      const given = JSON.stringify(vision["model_type"]);
      throw new AccelerateError("target_unsupported", `a vision tower of ${given}, not clip_vision_model`);
    }
    this.#layers = layersOf(config, numberOf(vision, "num_hidden_layers"));
    this.#skipsClass = skipsClass(config);
    const home = parameters.scope("vision_tower");
    const inner = home.scope("vision_model");
    const tower = inner.has("embeddings.class_embedding") ? inner : home;
    this.#tower = new VisionTower(tower, vision, Math.max(...this.#layers));
    this.imageSize = this.#tower.imageSize;
    this.tokensPerImage = this.#tower.places - (this.#skipsClass ? 1 : 0);
    const projector = parameters.scope("multi_modal_projector");
    const inputs = numberOf(vision, "hidden_size") * this.#layers.length;
    this.#first = new Linear(projector.scope("linear_1"), size, inputs);
    this.#second = new Linear(projector.scope("linear_2"), size, size);
    this.#activation = activationOf(config["projector_hidden_act"] ?? "gelu");
  }

  /** `[B, tokensPerImage, size]`. */
  apply(o: OpSet, images: ImageBatch): Tensor {
    const states = this.#tower.hiddenStates(o, images);
    const chosen = this.#layers.map((layer) => states[layer]!);
    const joined = chosen.length === 1 ? chosen[0]! : o.concat(chosen, -1);
    const kept = this.#skipsClass ? joined.slice(1, 1) : joined;
    return this.#second.apply(o, this.#activation(o, this.#first.apply(o, kept)));
  }
}

/** Which hidden states are taken; 0 is before the first block. */
function layersOf(config: Config, depth: number): readonly number[] {
  const given = config["vision_feature_layer"] ?? -2;
  const layers: readonly unknown[] = Array.isArray(given) ? given : [given];
  const counted = layers.map((layer) => (Number(layer) < 0 ? depth + 1 + Number(layer) : Number(layer)));
  if (
    counted.length > 0 &&
    counted.every((layer) => Number.isInteger(layer) && layer >= 0 && layer <= depth)
  ) {
    return counted;
  }
  throw new AccelerateError(
    "model_format",
    `config.json has ${JSON.stringify(given)} as vision_feature_layer of ${depth} blocks`,
  );
}

function skipsClass(config: Config): boolean {
  const strategy = config["vision_feature_select_strategy"] ?? "default";
  if (strategy === "default" || strategy === "full") return strategy === "default";
  throw new AccelerateError(
    "model_format",
    `config.json has ${JSON.stringify(strategy)} as vision_feature_select_strategy, not default or full`,
  );
}
