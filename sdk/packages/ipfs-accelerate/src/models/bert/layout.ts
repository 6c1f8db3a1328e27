import { AccelerateError } from "../../errors/index.ts";
import {
  activationOf,
  numberOf,
  type BlockNames,
  type BlockOptions,
  type Checkpoint,
} from "../../layers/index.ts";

interface MaskedHeadNames {
  readonly dense: string;
  readonly norm: string;
  readonly decoder: string;
  readonly bias: string;
}

/** What the members of the family call their settings and tensors. */
export interface Layout {
  /** Of the encoder, in checkpoints of a model with a head. */
  readonly prefix: string;
  readonly blocks: string;
  readonly names: BlockNames;
  readonly settings: Readonly<Record<"size" | "layers" | "heads" | "inner" | "activation", string>>;
  /** Padding takes no position, and the first position is the one after the padding's. */
  readonly skipsPadding: boolean;
  /** Inside the prefix when it begins with a dot. */
  readonly classifier: readonly [dense: string, activation: "relu" | "tanh", output: string];
  readonly masked: MaskedHeadNames;
}

const BERT: Layout = {
  prefix: "bert",
  blocks: "encoder.layer",
  names: {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attentionNorm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    outputNorm: "output.LayerNorm",
  },
  settings: {
    size: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    inner: "intermediate_size",
    activation: "hidden_act",
  },
  skipsPadding: false,
  classifier: [".pooler.dense", "tanh", "classifier"],
  masked: {
    dense: "cls.predictions.transform.dense",
    norm: "cls.predictions.transform.LayerNorm",
    decoder: "cls.predictions.decoder",
    bias: "cls.predictions.bias",
  },
};

const ROBERTA: Layout = {
  ...BERT,
  prefix: "roberta",
  skipsPadding: true,
  classifier: ["classifier.dense", "tanh", "classifier.out_proj"],
  masked: {
    dense: "lm_head.dense",
    norm: "lm_head.layer_norm",
    decoder: "lm_head.decoder",
    bias: "lm_head.bias",
  },
};

export const MPNET: Layout = {
  ...ROBERTA,
  prefix: "mpnet",
  names: {
    ...BERT.names,
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    output: "attention.attn.o",
    attentionNorm: "attention.LayerNorm",
  },
};

const DISTILBERT: Layout = {
  prefix: "distilbert",
  blocks: "transformer.layer",
  names: {
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    attentionNorm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    outputNorm: "output_layer_norm",
  },
  settings: {
    size: "dim",
    layers: "n_layers",
    heads: "n_heads",
    inner: "hidden_dim",
    activation: "activation",
  },
  skipsPadding: false,
  classifier: ["pre_classifier", "relu", "classifier"],
  masked: {
    dense: "vocab_transform",
    norm: "vocab_layer_norm",
    decoder: "vocab_projector",
    bias: "vocab_projector.bias",
  },
};

const LAYOUTS = new Map<unknown, Layout>([
  ["bert", BERT],
  ["roberta", ROBERTA],
  ["xlm-roberta", ROBERTA],
  ["mpnet", MPNET],
  ["distilbert", DISTILBERT],
]);

/** @throws AccelerateError `model_format` for a config of another architecture. */
export function layoutOf(config: Checkpoint["config"]): Layout {
  const layout = LAYOUTS.get(config["model_type"]);
  const positions = config["position_embedding_type"] ?? "absolute";
  if (layout && positions === "absolute") return layout;
  throw new AccelerateError(
    "model_format",
    layout
      ? `position_embedding_type is ${JSON.stringify(positions)}, and only "absolute" is known`
      : `${JSON.stringify(config["model_type"])} is no model of the BERT family (${[...LAYOUTS.keys()].join(", ")})`,
  );
}

export function blockOptions(config: Checkpoint["config"], { settings }: Layout): BlockOptions {
  return {
    size: numberOf(config, settings.size),
    heads: numberOf(config, settings.heads),
    inner: numberOf(config, settings.inner),
    epsilon: numberOf(config, "layer_norm_eps", 1e-12),
    activation: activationOf(config[settings.activation]),
    norm: "after",
  };
}
