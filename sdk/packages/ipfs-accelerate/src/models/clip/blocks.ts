import {
  activationOf,
  EncoderBlock,
  numberOf,
  type BlockNames,
  type Checkpoint,
} from "../../layers/index.ts";
import type { Parameters } from "../../weights/index.ts";

const NAMES: BlockNames = {
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  output: "self_attn.out_proj",
  attentionNorm: "layer_norm1",
  up: "mlp.fc1",
  down: "mlp.fc2",
  outputNorm: "layer_norm2",
};

/** The first `count` blocks of a tower. */
export function blocksOf(
  parameters: Parameters,
  config: Checkpoint["config"],
  count: number,
): readonly EncoderBlock[] {
  const options = {
    size: numberOf(config, "hidden_size"),
    heads: numberOf(config, "num_attention_heads"),
    inner: numberOf(config, "intermediate_size"),
    epsilon: numberOf(config, "layer_norm_eps", 1e-5),
    activation: activationOf(config["hidden_act"] ?? "quick_gelu"),
    norm: "before",
  } as const;
  return Array.from({ length: count }, (_, i) => {
    return new EncoderBlock(parameters.scope(`encoder.layers.${i}`), NAMES, options);
  });
}
