import { AccelerateError } from "../../errors/index.ts";
import { activationOf, numberOf, type Activation, type Checkpoint } from "../../layers/index.ts";

type Raw = Checkpoint["config"];

/** What of a `config.json` decides the network. */
export interface LlamaConfig {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly innerSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Heads of keys and values, each shared by as many of the queries. */
  readonly sharedHeads: number;
  readonly headSize: number;
  readonly maxLength: number;
  readonly epsilon: number;
  readonly activation: Activation;
  /** The output layer is the table of embeddings. */
  readonly isTied: boolean;
  /** Angle per position of each rotated pair. */
  readonly frequencies: Float64Array;
  /** Positions a layer looks back, its own counted; `undefined`: all. */
  readonly windows: readonly (number | undefined)[];
}

const TYPES: readonly unknown[] = ["llama", "mistral", "qwen2", "qwen3"];

/**
 * @throws AccelerateError `target_unsupported` for another model type or an unknown kind of rotary scaling, `model_format`
 * for values that are missing or do not fit together.
 */
export function parseConfig(config: Raw): LlamaConfig {
  if (!TYPES.includes(config["model_type"])) {
    const given = JSON.stringify(config["model_type"]);
    throw new AccelerateError("target_unsupported", `${given} is none of ${TYPES.join(", ")}`);
  }
  const layers = numberOf(config, "num_hidden_layers");
  const heads = numberOf(config, "num_attention_heads");
  const sharedHeads = numberOf(config, "num_key_value_heads", heads);
  const hiddenSize = numberOf(config, "hidden_size");
  const headSize = numberOf(config, "head_dim", hiddenSize / heads);
  if (!Number.isInteger(heads / sharedHeads) || !Number.isInteger(headSize)) {
    throw new AccelerateError(
      "model_format",
      `${heads} heads over ${sharedHeads} in ${hiddenSize} do not divide evenly`,
    );
  }
  return {
    vocabularySize: numberOf(config, "vocab_size"),
    hiddenSize,
    innerSize: numberOf(config, "intermediate_size"),
    layers,
    heads,
    sharedHeads,
    headSize,
    maxLength: numberOf(config, "max_position_embeddings"),
    epsilon: numberOf(config, "rms_norm_eps", 1e-6),
    activation: activationOf(config["hidden_act"] ?? "silu"),
    isTied: config["tie_word_embeddings"] === true,
    frequencies: frequenciesOf(config, headSize),
    windows: Array.from({ length: layers }, (_, layer) => windowOf(config, layer)),
  };
}

function windowOf(config: Raw, layer: number): number | undefined {
  if (typeof config["sliding_window"] !== "number") return undefined;
  const types = config["layer_types"];
  const isSliding = Array.isArray(types)
    ? types[layer] === "sliding_attention"
    : config["model_type"] === "mistral" ||
      (config["use_sliding_window"] === true && layer >= numberOf(config, "max_window_layers", 0));
  return isSliding ? config["sliding_window"] : undefined;
}

/** The parameters of the rotation, as `rope_parameters` of today or `rope_theta` and `rope_scaling` of before. */
function rotaryOf(config: Raw): Raw {
  const { rope_parameters: now, rope_scaling: before } = config as Readonly<Record<string, Raw | null>>;
  return now ?? { ...before, rope_theta: config["rope_theta"] };
}

/** Source: Su et al., "RoFormer", arXiv:2104.09864, equation 15. */
function frequenciesOf(config: Raw, headSize: number): Float64Array {
  const rotary = rotaryOf(config);
  const theta = numberOf(rotary, "rope_theta", 10_000);
  const size = Math.floor(headSize * numberOf(rotary, "partial_rotary_factor", 1));
  const plain = Float64Array.from({ length: size >> 1 }, (_, i) => theta ** ((-2 * i) / size));
  const type = rotary["rope_type"] ?? rotary["type"] ?? "default";
  switch (type) {
    case "default":
      return plain;
    case "linear": {
      const factor = numberOf(rotary, "factor");
      return plain.map((frequency) => frequency / factor);
    }
    case "llama3":
      return plain.map(llama3Scaling(rotary, numberOf(config, "max_position_embeddings")));
    default:
      throw new AccelerateError(
        "target_unsupported",
        `the rotary scaling ${JSON.stringify(type)} is none of default, linear, llama3`,
      );
  }
}

/** Long waves are stretched, short ones stay, those between in part. Source: Llama 3.1, `apply_scaling`. */
function llama3Scaling(rotary: Raw, maxLength: number): (frequency: number) => number {
  const factor = numberOf(rotary, "factor");
  const low = numberOf(rotary, "low_freq_factor");
  const high = numberOf(rotary, "high_freq_factor");
  const trained = numberOf(rotary, "original_max_position_embeddings", maxLength);
  return (frequency) => {
    const waves = (trained * frequency) / (2 * Math.PI);
    const part = Math.min(Math.max((waves - low) / (high - low), 0), 1);
    return (frequency * (1 - part)) / factor + frequency * part;
  };
}
