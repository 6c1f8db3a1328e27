/** Where the projections of an attention lie inside its scope. */
export const ATTENTION_NAMES = {
  query: "q_proj",
  key: "k_proj",
  value: "v_proj",
  output: "out_proj",
} as const;

/** Where the parts of a block lie inside its scope. */
export const BLOCK_NAMES = {
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  output: "self_attn.out_proj",
  attentionNorm: "self_attn_layer_norm",
  up: "fc1",
  down: "fc2",
  outputNorm: "final_layer_norm",
} as const;
