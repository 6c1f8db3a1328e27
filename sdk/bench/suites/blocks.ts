import { KeyValueCache } from "../../packages/ipfs-accelerate/src/generation/index.ts";
import {
  activationOf,
  EncoderBlock,
  type BlockNames,
  type BlockOptions,
} from "../../packages/ipfs-accelerate/src/layers/index.ts";
import { DecoderBlock } from "../../packages/ipfs-accelerate/src/models/llama/block.ts";
import { parseConfig } from "../../packages/ipfs-accelerate/src/models/llama/config.ts";
import { RotaryTables } from "../../packages/ipfs-accelerate/src/models/llama/rotary.ts";
import { BLOCK_NAMES } from "../../packages/ipfs-accelerate/src/models/whisper/names.ts";
import { Parameters } from "../../packages/ipfs-accelerate/src/weights/index.ts";
import type { BenchCase, Load } from "../page/case.ts";
import { sourceOf } from "../page/weights.ts";

const BERT: BlockNames = {
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
  output: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  up: "intermediate.dense",
  down: "output.dense",
  outputNorm: "output.LayerNorm",
};
const VIT: BlockNames = {
  query: "attention.attention.query",
  key: "attention.attention.key",
  value: "attention.attention.value",
  output: "attention.output.dense",
  attentionNorm: "layernorm_before",
  up: "intermediate.dense",
  down: "output.dense",
  outputNorm: "layernorm_after",
};

/** The block that the models are made of. */
function encoder(name: string, names: BlockNames, size: number, options: Partial<BlockOptions>): BenchCase {
  const load: Load = async (ops, { tensors }) => {
    const parameters = new Parameters(sourceOf(tensors));
    const block = new EncoderBlock(parameters, names, {
      size,
      heads: size / 64,
      inner: 4 * size,
      epsilon: 1e-12,
      activation: activationOf("gelu"),
      norm: "before",
      ...options,
    });
    await parameters.load(ops);
    return {
      compute: (o, { x }) => block.apply(o, x!),
      dispose: () => {
        parameters.dispose();
      },
    };
  };
  return { name, load };
}

const LLAMA = parseConfig({
  model_type: "llama",
  vocab_size: 1,
  hidden_size: 768,
  intermediate_size: 2048,
  num_hidden_layers: 1,
  num_attention_heads: 12,
  num_key_value_heads: 4,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
});

/** A layer with a cache of so many positions, which forgets the new ones before every run. */
function decoder(name: string, count: number, past: number): BenchCase {
  const load: Load = async (ops, { tensors }) => {
    const parameters = new Parameters(sourceOf(tensors));
    const block = new DecoderBlock(parameters, LLAMA, 0);
    await parameters.load(ops);
    const rotary = new RotaryTables(ops, LLAMA.frequencies, "f32");
    const { sharedHeads: heads, headSize } = LLAMA;
    const cache = new KeyValueCache(ops, { layers: 1, heads, headSize, capacity: 256, precision: "fp32" });
    if (past > 0) {
      ops.tidy((o) => {
        const [keys, values] = ["past_keys", "past_values"].map((part) => {
          const { data, shape } = tensors.get(part)!;
          return o.tensor(data, shape);
        });
        cache.append(o, 0, keys!, values!);
      });
      await ops.backend.finish();
    }
    return {
      compute: (o, { x }) => {
        cache.truncate(past);
        const positions = { past, count, rotation: rotary.at(past, count), cache };
        const { added, residual } = block.apply(
          o,
          { normed: block.inputNorm.apply(o, x!), residual: x! },
          positions,
        );
        return o.add(added, residual);
      },
      dispose: () => {
        for (const part of [parameters, rotary, cache]) part.dispose();
      },
    };
  };
  return { name, load };
}

export const cases: readonly BenchCase[] = [
  encoder("bert_layer_128x384", BERT, 384, { norm: "after" }),
  encoder("vit_layer_197x192", VIT, 192, {}),
  encoder("vit_layer_197x384", VIT, 384, {}),
  encoder("whisper_layer_300x384", BLOCK_NAMES, 384, { epsilon: 1e-5 }),
  decoder("llama_prefill_32x768", 32, 0),
  decoder("llama_decode_128x768", 1, 128),
];
