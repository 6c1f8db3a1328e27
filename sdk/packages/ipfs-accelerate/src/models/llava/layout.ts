import { sectionOf, type Checkpoint } from "../../layers/index.ts";
import type { Parameters } from "../../weights/index.ts";

type Config = Checkpoint["config"];

/** What published configs leave out. Source: `LlamaConfig` of transformers. */
const LLAMA: Config = {
  model_type: "llama",
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 11_008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  max_position_embeddings: 2048,
};

/** Source: `LlavaConfig` of transformers, its CLIP of 336 pixels. */
const CLIP: Config = {
  model_type: "clip_vision_model",
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  image_size: 336,
  patch_size: 14,
};

export function textConfigOf(config: Config): Config {
  const text = sectionOf(config, "text_config");
  const isLlama = (text["model_type"] ?? "llama") === "llama";
  const isTied = config["tie_word_embeddings"] === true || text["tie_word_embeddings"] === true;
  return { ...(isLlama ? LLAMA : {}), ...text, tie_word_embeddings: isTied };
}

export function visionConfigOf(config: Config): Config {
  return { ...CLIP, ...sectionOf(config, "vision_config") };
}

/** Where a checkpoint has its parts: published ones name the decoder first, saved modules the model. */
export function placesOf(root: Parameters): {
  readonly body: Parameters;
  readonly head: Parameters;
  readonly rest: Parameters;
} {
  if (root.has("model.language_model.embed_tokens.weight")) {
    const rest = root.scope("model");
    return { body: rest.scope("language_model"), head: root.scope("lm_head"), rest };
  }
  const language = root.scope("language_model");
  return { body: language.scope("model"), head: language.scope("lm_head"), rest: root };
}
